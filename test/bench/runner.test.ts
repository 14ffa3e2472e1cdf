/** The order of rounds is the method; and whatever happens, nothing that was started may stay behind. */
import { describe, expect, it } from 'vitest'
import type { Contender, ContenderName, Scenario } from '../../bench/contract.ts'
import { type Outcome, type RunnerOptions, runScenario } from '../../bench/runner.ts'
import { fakeContender, fakeScenario } from './fixtures.ts'

const options = (overrides: Partial<RunnerOptions> = {}): RunnerOptions => ({
  seconds: 4,
  rounds: 2,
  quick: false,
  signal: new AbortController().signal,
  ...overrides,
})

function run(
  scenario: Scenario,
  contenders: readonly Contender[],
  runnerOptions: RunnerOptions = options(),
): Promise<Map<ContenderName, Outcome>> {
  const deps = { contenders: new Map(contenders.map((one) => [one.name, one])), say: () => undefined }
  return runScenario(deps, scenario, runnerOptions)
}

function journaled(overrides: Partial<Scenario> = {}): {
  journal: string[]
  scenario: Scenario
  both: Contender[]
} {
  const journal: string[] = []
  const scenario = fakeScenario({
    prepare: ({ name }) => Promise.resolve(void journal.push(`prepare ${name}`)),
    round: ({ name }, { seconds }) => {
      journal.push(`round ${name} ${seconds}`)
      return Promise.resolve({ rate: journal.length })
    },
    ...overrides,
  })
  return { journal, scenario, both: [fakeContender('vela', journal), fakeContender('workerd', journal)] }
}

describe('a scenario run', () => {
  it('warms each contender up, then gives them turns, then stops them', async () => {
    const { journal, scenario, both } = journaled()
    await run(scenario, both)
    expect(journal).toEqual([
      'start vela',
      'prepare vela',
      'round vela 2',
      'round vela 4',
      'start workerd',
      'prepare workerd',
      'round workerd 2',
      'round workerd 4',
      'round vela 4',
      'round workerd 4',
      'stop vela',
      'stop workerd',
    ])
  })

  it('starts a contender anew each round where rounds use up what they measure', async () => {
    const { journal, scenario, both } = journaled({ freshEachRound: true, maxRounds: 1 })
    await run(scenario, both)
    expect(journal).toEqual([
      'start vela',
      'prepare vela',
      'round vela 4',
      'stop vela',
      'start workerd',
      'prepare workerd',
      'round workerd 4',
      'stop workerd',
    ])
  })

  it('reports medians and keeps every round', async () => {
    const rates = [5, 1, 9, 7]
    const scenario = fakeScenario({
      contenders: ['vela'],
      round: () => Promise.resolve({ rate: rates.shift() ?? 0 }),
    })
    const outcomes = await run(scenario, [fakeContender('vela', [])], options({ rounds: 3 }))
    expect(outcomes.get('vela')).toEqual({
      metrics: { rate: 7 },
      rounds: [{ rate: 1 }, { rate: 9 }, { rate: 7 }],
    })
  })

  it('goes on with the others when one does not start', async () => {
    const { journal, scenario } = journaled()
    const broken = fakeContender('vela', journal, 'no such file')
    const outcomes = await run(scenario, [broken, fakeContender('workerd', journal)])
    expect(outcomes.get('vela')).toEqual({ failed: 'no such file' })
    expect(outcomes.get('workerd')).toHaveProperty('metrics.rate')
  })

  it('stops a contender whose round failed and does not ask it again', async () => {
    const { journal, scenario, both } = journaled()
    const failing: Scenario = {
      ...scenario,
      round: (running, roundOptions) =>
        running.name === 'vela'
          ? Promise.reject(new Error('wrong answer'))
          : scenario.round(running, roundOptions),
    }
    const outcomes = await run(failing, both)
    expect(outcomes.get('vela')).toEqual({ failed: 'wrong answer' })
    expect(journal.filter((line) => line.endsWith('vela'))).toEqual([
      'start vela',
      'prepare vela',
      'stop vela',
    ])
  })

  it('stops everything when it is interrupted', async () => {
    const interrupt = new AbortController()
    const { journal, scenario, both } = journaled()
    const interrupting: Scenario = {
      ...scenario,
      round: (running, roundOptions) => {
        if (running.name === 'workerd') interrupt.abort()
        return scenario.round(running, roundOptions)
      },
    }
    await expect(run(interrupting, both, options({ signal: interrupt.signal }))).rejects.toThrow()
    expect(journal.filter((line) => line.startsWith('stop')).sort()).toEqual(['stop vela', 'stop workerd'])
  })
})
