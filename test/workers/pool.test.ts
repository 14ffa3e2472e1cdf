/** Pools of workers as a guest has them: parallel, in order, one task at a time in each, bounded, with typed errors. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createWorkerSlots } from '../../host/concurrency/workers/worker-slots.ts'
import type { WorkerIsolates } from '../../host/concurrency/workers/isolates.ts'
import { createWorkerPool } from '../../host/concurrency/workers/pool.ts'
import type { Call } from '../../host/cells/call.ts'
import type { LiveDeployment } from '../../host/cells/live-deployment.ts'
import type { JsonValue } from '../../host/registry/types.ts'
import { until } from '../attack/harness.ts'
import { describeEngines } from '../engines.ts'
import { SERVICE, startWorkersHost, type WorkersHost } from './support.ts'

let host: WorkersHost
beforeAll(async () => {
  host = await startWorkersHost()
})
afterAll(() => host.runtime.stop())

describeEngines('a pool of two workers', (engine) => {
  const at = `acme/${engine}`
  const invoke = (method: string, ...args: never[]): Promise<unknown> => host.invoke(at, method, ...args)
  const call = (...args: unknown[]): Promise<unknown> => invoke('call', ...(args as never[]))
  const room = (name: string): string => `${engine} ${name}`

  beforeAll(async () => {
    await host.deploy(at, SERVICE, {
      engine,
      limits: { cpuMs: 2_000, wallMs: 20_000 },
      capabilities: { workers: { POOL: { size: 2 } }, services: { meeting: { host: 'meeting' } } },
    })
  })

  test('runs two tasks at the same time: each waits for the other to arrive', async () => {
    const inputs = [
      [room('pair'), 2],
      [room('pair'), 2],
    ]
    expect(new Set((await call('map', 'Jobs.meet', inputs)) as number[])).toEqual(new Set([1, 2]))
  })

  test('runs one task at a time in each worker', async () => {
    const done = await invoke('range', ...(['Jobs.pause', 30] as never[]))
    expect(done).toEqual(Array.from({ length: 30 }, (_, index) => index))
    expect(host.meeting.most('pause')).toBeLessThanOrEqual(2)
  })

  test('gives the next task to whoever is free: short ones pass a long one by', async () => {
    const long = call('run', 'Jobs.wait', room('long'))
    await until('the long task has begun', () => host.meeting.arrivals.get(room('long')) === 1)
    expect(await call('map', 'Jobs.arrive', [room('short'), room('short'), room('short')])).toHaveLength(3)
    expect(await call('map', 'twice', [1, 2, 3])).toEqual([2, 4, 6])
    host.meeting.open(room('long'))
    expect(await long).toBe(room('long'))
  })

  test('keeps results in the order of their inputs, of many small ones too', async () => {
    const inputs = Array.from({ length: 2_000 }, (_, index) => index)
    expect(await invoke('range', ...(['twice', inputs.length] as never[]))).toEqual(inputs.map((x) => x * 2))
    expect(await call('map', 'twice', [])).toEqual([])
  })

  test('has no more tasks of a map under way than it was allowed', async () => {
    const inputs = [
      [room('alone'), 2],
      [room('alone'), 2],
    ]
    const map = call('map', 'Jobs.meet', inputs, { concurrency: 1 })
    await until('the first has begun', () => host.meeting.arrivals.get(room('alone')) === 1)
    // Another worker is free all the time, and takes this.
    expect(await call('run', 'twice', 4)).toBe(8)
    expect(host.meeting.arrivals.get(room('alone'))).toBe(1)
    host.meeting.open(room('alone'))
    expect(await map).toEqual([1, 2])
    expect(await call('map', 'twice', [1], { concurrency: 0 })).toMatchObject({ name: 'RangeError' })
  })

  test('carries what is more than JSON, and text in any script', async () => {
    expect(await invoke('values')).toEqual([5, true, true, true, true, [1, 255], true])
    expect(await call('map', 'same', ['ä\n"€😀\u2028', '']).then(String)).toBe('ä\n"€😀\u2028,')
  })

  test('carries up to 1 MiB each way and refuses more', async () => {
    expect(await invoke('long', ...([700_000] as never[]))).toBe(700_000)
    expect(await invoke('long', ...([1_048_577] as never[]))).toMatchObject({
      name: 'RangeError',
      code: 'VELA_CAPABILITY_BAD_CALL',
    })
    expect(String(await call('run', 'text', 1_048_000))).toHaveLength(1_048_000)
    expect(await call('run', 'text', 1_048_576)).toMatchObject({
      name: 'RangeError',
      code: 'VELA_GUEST_RESPONSE_TOO_LARGE',
    })
  })

  test('refuses what cannot be sent and names its place, either way', async () => {
    const refused = {
      name: 'DataCloneError',
      message: expect.stringContaining('items[1] is a function') as string,
    }
    expect(await invoke('sendUnsendable')).toMatchObject(refused)
    expect(await call('run', 'unsendable')).toMatchObject(refused)
  })

  test('hands on what a task threw, with its code', async () => {
    expect(await call('run', 'throws', 3)).toEqual({ name: 'RangeError', message: 'bad 3', code: 'E_BAD' })
    expect(await call('run', 'throwsOdd')).toMatchObject({ name: 'Error', code: 'VELA_GUEST_THREW' })
    expect(await invoke('settled', ...(['throws', [1, 2]] as never[]))).toEqual([
      { name: 'RangeError', message: 'bad 1', code: 'E_BAD' },
      { name: 'RangeError', message: 'bad 2', code: 'E_BAD' },
    ])
  })

  test('knows no task that the module does not export', async () => {
    const missing = { code: 'VELA_WORKER_TASK_NOT_FOUND' }
    for (const name of ['nope', 'constructor', '__proto__', 'Jobs', 'Jobs.nope', 'default'])
      expect([name, await call('run', name)]).toEqual([name, expect.objectContaining(missing)])
    expect(await call('run', '')).toMatchObject({ name: 'TypeError' })
    expect(await call('run', 7)).toMatchObject({ name: 'TypeError' })
    expect(await call('map', 'twice', 7)).toMatchObject({ name: 'TypeError' })
  })

  test('gives tasks env and ctx as methods have them, and no workers of their own', async () => {
    expect(await call('run', 'Jobs.id')).toBe('string function')
    expect(await invoke('size')).toBe(2)
    expect(await call('run', 'Jobs.nested')).toMatchObject({ code: 'VELA_CAPABILITY_TOO_DEEP' })
  })

  test('ends a map at its first failure, and what it had begun with it', async () => {
    const bad = Array.from({ length: 8 }, () => null)
    const waiting = Array.from({ length: 8 }, () => [room('never'), 9])
    const free = [
      [room('after'), 2],
      [room('after'), 2],
    ]
    // In one group, and in two of them: both workers are free again, though nobody has opened the room.
    for (const inputs of [
      [null, ...waiting.slice(1)],
      [...bad, ...waiting],
    ]) {
      const [failed, after] = (await invoke('meetTwice', ...([inputs, free] as never[]))) as unknown[]
      expect(failed).toMatchObject({ name: 'TypeError' })
      expect(after).toHaveLength(2)
    }
  })

  test('does not begin what is aborted already', async () => {
    const before = { name: 'TypeError', message: 'before' }
    expect(await invoke('aborted')).toEqual([
      expect.objectContaining(before),
      expect.objectContaining(before),
    ])
  })
})

test('a worker runs one task at a time, though it was given several because they had been short', async () => {
  const at = 'acme/single'
  await host.deploy(at, SERVICE, {
    capabilities: { workers: { POOL: { size: 1 } }, services: { meeting: { host: 'meeting' } } },
  })
  const many = (input: (index: number) => JsonValue): JsonValue =>
    Array.from({ length: 60 }, (_, i) => input(i))
  await host.invoke(
    at,
    'call',
    'map',
    'Jobs.mixed',
    many((index) => [index]),
  )
  const done = await host.invoke(
    at,
    'call',
    'map',
    'Jobs.mixed',
    many((index) => [index, 'mixed']),
  )
  expect(done).toEqual(many((index) => index))
  expect(host.meeting.most('mixed')).toBe(1)
})

test('a pool refuses what is more than may wait, and goes on', async () => {
  const at = 'acme/bounded'
  await host.deploy(at, SERVICE, {
    limits: { queueLength: 4, wallMs: 20_000 },
    capabilities: { workers: { POOL: { size: 1 } }, services: { meeting: { host: 'meeting' } } },
  })
  const waiting = Array.from({ length: 7 }, () => ['Jobs.wait', 'bounded'])
  const all = host.invoke(at, 'together', ...waiting) as Promise<(string | { code: string })[]>
  const early = all.then((outcomes) => expect(outcomes).toBe('nothing before the room is open'))
  await Promise.race([early, until('one has begun', () => host.meeting.arrivals.get('bounded') === 1)])
  const opener = setInterval(() => host.meeting.open('bounded'), 10)
  early.catch(() => undefined)
  const outcomes = await all
  clearInterval(opener)
  expect(outcomes.filter((outcome) => outcome === 'bounded')).toHaveLength(5)
  expect(outcomes.filter((outcome) => typeof outcome === 'object').map(({ code }) => code)).toEqual([
    'VELA_TASK_OVERLOADED',
    'VELA_TASK_OVERLOADED',
  ])
})

test('a start hook may use the workers of the version that is starting', async () => {
  const source = `
    let sum
    export const add = ([a, b]) => a + b
    export const read = () => sum
    export default { async start(env) { sum ??= await env.POOL.run('add', [2, 3]).catch((error) => error.code) } }`
  await host.deploy('acme/starting', source, { capabilities: { workers: { POOL: { size: 1 } } } })
  expect(await host.invoke('acme/starting', 'read')).toBe(5)
})

test('a pool without a worker gets the place of one that has nothing more to do, at once', async () => {
  const slots = createWorkerSlots(16, 1)
  const given: Call[] = []
  const live = {
    dispatch: (call: Call) => given.push(call),
    hibernate: () => true,
    drain: () => Promise.resolve(),
    tick: () => undefined,
    state: 'loaded',
    inFlight: 0,
  } as unknown as LiveDeployment
  const isolates: WorkerIsolates = {
    tenant: 'acme',
    slots,
    queueLength: 8,
    idleMs: 600_000,
    create: () => ({ live, abandon: () => undefined }),
    includes: () => false,
    threw: () => undefined,
    onEnd: () => undefined,
  }
  const [busy, waiting] = [createWorkerPool(isolates, 1), createWorkerPool(isolates, 1)]
  const spec = { name: 'twice', input: '1', requestId: '', depth: 1 }
  const first = busy.run(spec, 'one')
  const second = waiting.run(spec, 'two')
  expect(given).toHaveLength(1)
  given[0]?.value('12')
  expect(await first.result).toBe('2')
  expect(given).toHaveLength(2)
  given[1]?.value('13')
  expect(await second.result).toBe('3')
  busy.close()
  waiting.close()
})
