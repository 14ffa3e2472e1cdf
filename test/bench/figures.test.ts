/** What turns samples into a verdict: a mistake here would make every published figure wrong. */
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import type { ContenderName, Goal } from '../../bench/contract.ts'
import { parseWrk } from '../../bench/load/wrk.ts'
import { parseOptions } from '../../bench/options.ts'
import { judge, scenarioJson, table } from '../../bench/report.ts'
import type { Outcome } from '../../bench/runner.ts'
import { SCENARIOS } from '../../bench/scenarios/all.ts'
import { median, medians, percentile } from '../../bench/stats.ts'
import { fakeScenario } from './fixtures.ts'

const names = (argv: string[]): string[] =>
  parseOptions(argv, SCENARIOS).scenarios.map((scenario) => scenario.name)
const CONTENDERS = ['vela', 'workerd', 'node'] as const
const outcomes = (entries: Partial<Record<ContenderName, Outcome>>): Map<ContenderName, Outcome> =>
  new Map(CONTENDERS.flatMap((name) => (entries[name] ? [[name, entries[name]] as const] : [])))
const ran = (metrics: Record<string, number>): Outcome => ({ metrics, rounds: [metrics] })

describe('statistics', () => {
  it('take the middle, or the mean of the two middles', () => {
    expect(median([9, 1, 5])).toBe(5)
    expect(median([4, 1, 9, 2])).toBe(3)
    expect(median([])).toBeNaN()
  })

  it('take the sample at or above the share asked for', () => {
    const hundred = Array.from({ length: 100 }, (_, index) => index + 1)
    expect(percentile(hundred, 0.99)).toBe(99)
    expect(percentile(hundred, 0.5)).toBe(50)
    expect(percentile([7], 0.99)).toBe(7)
  })

  it('take the median of each metric, and only of rounds that have it', () => {
    expect(medians([{ a: 1 }, { a: 3, b: 8 }, { a: 2 }])).toEqual({ a: 2, b: 8 })
  })
})

describe('a goal', () => {
  const faster: Goal = { metric: 'rate', peer: 'workerd', relation: 'at-least', bound: 3 }

  it('is held against the ratio to the peer, bound included', () => {
    expect(judge(faster, outcomes({ vela: ran({ rate: 30 }), workerd: ran({ rate: 10 }) }))).toMatchObject({
      of: 'vela/workerd',
      value: 3,
      pass: true,
    })
    expect(judge(faster, outcomes({ vela: ran({ rate: 29 }), workerd: ran({ rate: 10 }) })).pass).toBe(false)
  })

  it('is missed when it cannot be judged', () => {
    const failed: Outcome = { failed: 'it did not start' }
    expect(judge(faster, outcomes({ vela: failed, workerd: ran({ rate: 10 }) }))).toMatchObject({
      value: null,
      pass: false,
    })
    expect(judge(faster, outcomes({ vela: ran({ rate: 30 }), workerd: failed })).pass).toBe(false)
    expect(judge(faster, outcomes({ vela: ran({ rate: 30 }), workerd: ran({ rate: 0 }) })).pass).toBe(false)
    const absolute: Goal = { metric: 'ms', relation: 'at-most', bound: 250 }
    expect(judge(absolute, outcomes({ vela: ran({ ms: Number.POSITIVE_INFINITY }) })).pass).toBe(false)
    expect(judge(absolute, outcomes({ vela: ran({}) })).pass).toBe(false)
  })

  it("is held against the scenario's subject, where Vela itself is the peer", () => {
    const engines = new Map<ContenderName, Outcome>([
      ['vela-quickjs', ran({ ms: 3, errors: 0 })],
      ['vela', ran({ ms: 2, errors: 1 })],
    ])
    const goal: Goal = { metric: 'ms', peer: 'vela', relation: 'at-most', bound: 1.5 }
    expect(judge(goal, engines, 'vela-quickjs')).toMatchObject({
      of: 'vela-quickjs/vela',
      value: 1.5,
      pass: true,
    })
    const scenario = fakeScenario({
      contenders: ['vela-quickjs', 'vela'],
      subject: 'vela-quickjs',
      primary: 'ms',
      goals: [],
    })
    expect(scenarioJson(scenario, engines)).toMatchObject({ ratio: { 'vela-quickjs/vela': 1.5 }, goals: [] })
    expect(table([[scenario, engines]])).toMatch(/fake .* ms .* vela-quickjs 3 .* vela 2 .* 1\.5 /)
  })

  it('is missed when Vela was fast at answering errors', () => {
    const erring = outcomes({ vela: ran({ rate: 90, errors: 1 }), workerd: ran({ rate: 10, errors: 0 }) })
    expect(judge(faster, erring).pass).toBe(false)
  })
})

describe('the results', () => {
  it('hold each contender, the ratios of the primary metric, and reasons for what failed', () => {
    const scenario = fakeScenario({ contenders: ['vela', 'workerd', 'node'] })
    const results = outcomes({
      vela: ran({ rate: 30 }),
      workerd: ran({ rate: 10 }),
      node: { failed: 'first line\nsecond line' },
    })
    expect(scenarioJson(scenario, results)).toMatchObject({
      vela: { rate: 30, rounds: [{ rate: 30 }] },
      node: { failed: 'first line\nsecond line' },
      ratio: { 'vela/workerd': 3, 'vela/node': null },
    })
    expect(table([[scenario, results]])).toContain('fake: node failed: first line\n')
  })

  it('have distinct scenarios, each with goals on metrics of named contenders or a peer to compare with', () => {
    expect(new Set(SCENARIOS.map((scenario) => scenario.name)).size).toBe(SCENARIOS.length)
    for (const { goals, contenders, subject = 'vela' } of SCENARIOS) {
      expect(contenders).toContain(subject)
      expect(goals.length + contenders.length).toBeGreaterThan(1)
      for (const { peer } of goals) if (peer) expect(contenders).toContain(peer)
    }
  })

  it('have a row for each scenario on the page about the benchmark', () => {
    const page = readFileSync(new URL('../../docs/bench.md', import.meta.url), 'utf8')
    expect(SCENARIOS.filter(({ name }) => !page.includes(`\`${name}\``)).map(({ name }) => name)).toEqual([])
  })
})

describe('the command line', () => {
  it('selects scenarios by exact name or by family', () => {
    expect(names(['--only', 'http-hello'])).toEqual(['http-hello'])
    expect(names(['--only', 'http-hello*,density'])).toEqual([
      'http-hello',
      'http-hello-8',
      'http-hello-1',
      'density',
    ])
    expect(names([])).toHaveLength(SCENARIOS.length)
  })

  it('has defaults, and shorter ones for --quick that explicit lengths override', () => {
    expect(parseOptions([], SCENARIOS)).toMatchObject({ seconds: 4, rounds: 3, quick: false, json: false })
    expect(parseOptions(['--quick', '--rounds', '2'], SCENARIOS)).toMatchObject({
      seconds: 1,
      rounds: 2,
      quick: true,
    })
  })

  it.each([
    [['--only', 'htp-hello'], /no scenario "htp-hello".*http-hello/s],
    [['--only', ''], /no scenario ""/],
    [['--seconds', '0'], /--seconds takes a whole number from 1 to 600, not "0"/],
    [['--rounds', 'many'], /--rounds takes a whole number/],
    [['--fast'], /--fast.*Usage:/s],
    [['http-hello'], /Usage:/],
  ])('refuses %j and says why', (argv, message) => {
    expect(() => parseOptions(argv, SCENARIOS)).toThrow(message)
  })
})

describe("wrk's result", () => {
  it('is read in our units, all kinds of errors together', () => {
    const line =
      '{"requests":3000,"durationUs":1500000,"p50Us":900,"p99Us":2500,"connect":1,"read":2,"write":3,"timeout":4,"status":5}'
    expect(parseWrk(`Running 1s test\nRESULT ${line}\n`)).toEqual({
      requestsPerSecond: 2000,
      p50Ms: 0.9,
      p99Ms: 2.5,
      errors: 15,
    })
  })

  it('is refused when it is not there', () => {
    expect(() => parseWrk('unable to connect')).toThrow(/unable to connect/)
  })
})
