/**
 * Several replicas of one deployment on real cells: they come with load and go without it, share what waits, keep apart
 * what is pinned, and lose only what a lost cell had taken.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Home } from '../../host/cells/home.ts'
import { until } from '../e2e/support.ts'
import { startCells, type CallOptions, type TestCells, type TestDeployment } from './support.ts'

let cells: TestCells
beforeAll(async () => {
  cells = await startCells({ spares: 1 })
})
afterAll(async () => cells[Symbol.asyncDispose]())

/** Every method answers with the isolate that it ran in. */
const SOURCE = `
const me = crypto.randomUUID()
let release
export const who = () => me
export function spin(rounds) {
  let sum = 0
  for (let round = 0; round < rounds; round++) sum += Math.sqrt(round)
  return sum < 0 ? '' : me
}
export const wait = () => new Promise((resolve) => { release = () => resolve(me) })
export function go() { release(); return me }
export function loop() { for (;;); }
`
/** Some milliseconds of a core. */
const ROUNDS = 2_000_000
const LIMITS = { cpuMs: 2_000, replicas: 2 }

/** Keeps it busy with this many calls at a time until something is true; resolves to the isolates that answered. */
async function load(deployment: TestDeployment, isDone: () => boolean, most = 6): Promise<Set<unknown>> {
  const seen = new Set<unknown>()
  let stopped = false
  const running = Array.from({ length: most }, async () => {
    while (!stopped) seen.add(await deployment.call('spin', [ROUNDS]))
  })
  try {
    await until('the load has done its work', isDone, 30_000)
  } finally {
    stopped = true
    await Promise.all(running)
  }
  return seen
}

async function grown(options: Parameters<TestCells['deploy']>[1] = {}): Promise<TestDeployment> {
  const deployment = cells.deploy(SOURCE, { ...options, limits: { ...LIMITS, ...options.limits } })
  await load(deployment, () => deployment.live.replicas === 2)
  return deployment
}

const homeAt = (deployment: TestDeployment, index: number): Home => deployment.live.homes()[index] as Home
const at = (deployment: TestDeployment, index: number): CallOptions => ({ home: homeAt(deployment, index) })

test('load brings a second replica in a cell of its own; without it the second goes, and then the first', async () => {
  const rested: Home[] = []
  const onRest = async (home: Home): Promise<void> => void rested.push(home)
  const deployment = cells.deploy(SOURCE, { tenant: 'grows', limits: LIMITS, calmMs: 700, onRest })
  const first = await deployment.call('who')
  expect(deployment.live.replicas).toBe(1)
  const seen = new Set<unknown>()
  await load(deployment, () => deployment.live.replicas === 2)
  for (const isolate of await load(deployment, () => deployment.stolen > 0 || seen.size > 1))
    seen.add(isolate)
  expect(deployment.live.replicas).toBe(2)
  expect(new Set(deployment.pids.values()).size).toBe(2)
  const [, second] = deployment.live.homes()
  // A light load is for one.
  await until('the second goes', async () => {
    await deployment.call('who')
    return deployment.live.replicas === 1
  })
  expect(rested).toEqual([second])
  expect(second?.gone).toBe(true)
  expect(await deployment.call('who')).toBe(first)
  expect(deployment.live.hibernate()).toBe(true)
  await until('nothing is loaded', () => deployment.live.replicas === 0)
  expect(deployment.live.state).toBe('idle')
  expect(await deployment.call('who')).not.toBe(first)
})

test('limits.replicas: 1 keeps one isolate, however busy', async () => {
  const deployment = cells.deploy(SOURCE, {
    tenant: 'alone',
    limits: { ...LIMITS, replicas: 1 },
    mostReplicas: 4,
  })
  const startedMs = performance.now()
  const seen = await load(deployment, () => performance.now() - startedMs > 900)
  expect([seen.size, deployment.live.replicas]).toEqual([1, 1])
})

describe('two replicas', () => {
  let deployment: TestDeployment
  beforeAll(async () => {
    deployment = await grown({ tenant: 'two' })
  })

  test('calls of one key prefer one of them, and when it is busy both carry them out', async () => {
    const key = { affinity: 'the only key' }
    const calm = new Set<unknown>()
    for (let count = 0; count < 10; count++) calm.add(await deployment.call('who', [], key))
    expect(calm.size).toBe(1)
    const before = deployment.stolen
    const calls = Array.from({ length: 60 }, () => deployment.call('spin', [ROUNDS], key))
    const busy = await Promise.all(calls)
    expect(new Set(busy).size).toBe(2)
    expect(deployment.stolen).toBeGreaterThan(before)
  })

  test('what is pinned runs where it was sent, while the sibling has nothing to do', async () => {
    const [one, two] = [
      await deployment.call('who', [], at(deployment, 0)),
      await deployment.call('who', [], at(deployment, 1)),
    ]
    expect(one).not.toBe(two)
    const calls = Array.from({ length: 30 }, () => deployment.call('spin', [ROUNDS], at(deployment, 1)))
    // The other is free for what is not.
    const free = await deployment.call('who')
    expect([free, new Set(await Promise.all(calls))]).toEqual([one, new Set([two])])
  })

  test('pinned calls have a bound and room of their own', async () => {
    const small = cells.deploy(SOURCE, { tenant: 'small', limits: { queueLength: 2, concurrency: 1 } })
    const wait = small.call('wait')
    await until('it fills the service', () => small.live.inFlight === 1)
    // It is what the turn waits for: behind the turn it would wait for ever.
    await small.call('go', [], at(small, 0))
    await wait
    const calls = Array.from({ length: 3 }, () => small.call('who', [], at(small, 0)))
    const results = await Promise.allSettled(calls)
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected'])
    expect(results[2]).toMatchObject({ reason: { code: 'VELA_CELL_OVERLOADED' } })
  })
})

test('however many pinned calls wait, calls of the queue have their turn, and the other way round', async () => {
  const deployment = cells.deploy(SOURCE, { tenant: 'flooded', limits: { cpuMs: 2000, replicas: 1 } })
  const isolate = await deployment.call('who')
  for (const [flood, few] of [
    [at(deployment, 0), {}],
    [{}, at(deployment, 0)],
  ]) {
    let stopped = false
    let answers = 0
    const flooding = Array.from({ length: 40 }, async () => {
      while (!stopped) {
        await deployment.call('spin', [ROUNDS], flood)
        answers++
      }
    })
    try {
      await until('it takes few at a time', () => answers > 40, 30_000)
      const before = answers
      expect(await deployment.call('who', [], few)).toBe(isolate)
      expect(answers - before).toBeLessThan(20)
    } finally {
      stopped = true
      await Promise.allSettled(flooding)
    }
  }
})

test('a cell that is killed takes along what it had taken; what waited and what the sibling has goes on', async () => {
  const deployment = await grown({ tenant: 'killed' })
  const [lost, kept] = [homeAt(deployment, 0), homeAt(deployment, 1)]
  const told: boolean[] = []
  lost.onGone(() => told.push(lost.gone))
  const gone = deployment.call('wait', [], { home: lost })
  const stays = deployment.call('wait', [], { home: kept })
  gone.catch(() => undefined)
  await until('both have begun', () => deployment.live.inFlight >= 2)
  // It is new in the batch that is killed: any other call would be tried again.
  const works = deployment.call('spin', [ROUNDS * 40], { home: lost })
  works.catch(() => undefined)
  await until('it is at work', () => deployment.live.inFlight >= 3)
  const calls = Array.from({ length: 40 }, () => deployment.call('spin', [ROUNDS]))
  process.kill(deployment.pids.get(0) ?? -1, 'SIGKILL')
  await expect(gone).rejects.toMatchObject({ code: 'VELA_CELL_LOST' })
  await expect(works).rejects.toMatchObject({ code: 'VELA_CELL_LOST' })
  expect(await Promise.all(calls)).toHaveLength(40)
  expect(told).toEqual([true])
  await expect(deployment.call('who', [], { home: lost })).rejects.toMatchObject({ code: 'VELA_CELL_LOST' })
  const survivor = await deployment.call('go', [], { home: kept })
  expect(await stays).toBe(survivor)
})

test('a loop ends its own replica: only it fails', async () => {
  const deployment = await grown({ tenant: 'loops', limits: { cpuMs: 600 } })
  const [ended, kept] = [homeAt(deployment, 0), homeAt(deployment, 1)]
  const stays = deployment.call('wait', [], { home: kept })
  stays.catch(() => undefined)
  await until('it waits', () => deployment.live.inFlight === 1)
  const loop = deployment.call('loop', [], { home: ended })
  const calls = Array.from({ length: 10 }, () => deployment.call('spin', [ROUNDS]))
  // Where a machine is so busy that nobody knows whether it was a loop, its isolate goes all the same.
  await expect(loop).rejects.toMatchObject({
    code: expect.stringMatching(/VELA_TURN_EXCEEDED_CPU|VELA_CELL_LOST/) as string,
  })
  expect(await Promise.all(calls)).toHaveLength(10)
  expect([ended.gone, kept.gone]).toEqual([true, false])
  await deployment.call('go', [], { home: kept })
  await stays
})

test('a call that waits too long behind busy replicas ends at wallMs, pinned or not', async () => {
  const deployment = await grown({ tenant: 'walls', limits: { wallMs: 3_000, cpuMs: 20_000 } })
  const blocked = [0, 1].map((index) => deployment.call('spin', [ROUNDS * 2_000], at(deployment, index)))
  await until('both are at work', () => deployment.live.inFlight === 2)
  const waiting = [
    ...blocked,
    deployment.call('who'),
    deployment.call('who'),
    deployment.call('who', [], at(deployment, 0)),
  ]
  const codes = (await Promise.allSettled(waiting)).map((result) =>
    result.status === 'rejected' ? (result.reason as { code: string }).code : 'served',
  )
  expect(codes).toEqual(waiting.map(() => 'VELA_TURN_EXCEEDED_WALL'))
  for (const pid of deployment.pids.values()) process.kill(pid, 'SIGKILL')
})

test('what lives in an isolate is asked to leave before it goes, and whoever comes meanwhile keeps it', async () => {
  const asked: Home[] = []
  let left: () => void = () => undefined
  const onRest = (home: Home): Promise<void> => {
    asked.push(home)
    return new Promise((resolve) => {
      left = resolve
    })
  }
  const deployment = cells.deploy(SOURCE, { tenant: 'rests', onRest })
  const me = await deployment.call('who')
  const home = homeAt(deployment, 0)
  expect(deployment.live.hibernate()).toBe(true)
  expect([asked, home.resting, home.gone, deployment.live.homes()]).toEqual([[home], true, false, []])
  // How it leaves: by calls of its own.
  expect(await deployment.call('who', [], { home })).toBe(me)
  const wait = deployment.call('wait')
  await until('it has begun', () => deployment.live.inFlight === 1)
  left()
  await until('it stays', () => !home.resting)
  expect([home.gone, deployment.live.homes()]).toEqual([false, [home]])
  await deployment.call('go')
  expect(await wait).toBe(me)
  expect(deployment.live.hibernate()).toBe(true)
  left()
  await until('it goes', () => home.gone)
  expect(await deployment.call('who')).not.toBe(me)
})

test('a drain asks every home to leave and waits for it, lets what runs end, and fails nothing', async () => {
  const asked = new Set<Home>()
  const { promise: left, resolve: leave } = Promise.withResolvers<void>()
  const onRest = (home: Home): Promise<void> => {
    asked.add(home)
    return left
  }
  const deployment = await grown({ tenant: 'drains', onRest })
  const homes = deployment.live.homes()
  const calls = Array.from({ length: 30 }, () => deployment.call('spin', [ROUNDS]))
  const drained = deployment.live.drain('replaced', 20_000)
  expect(await Promise.all(calls)).toHaveLength(30)
  for (const home of homes) expect(await deployment.call('who', [], { home })).toBeTypeOf('string')
  expect([asked, deployment.live.replicas]).toEqual([new Set(homes), 2])
  leave()
  await drained
  expect([deployment.live.replicas, homes.map(({ gone }) => gone)]).toEqual([0, [true, true]])
  await expect(deployment.call('who')).rejects.toMatchObject({ code: 'VELA_CELL_LOST' })
})
