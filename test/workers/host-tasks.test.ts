/** The host's own tasks: functions on the event loop and modules on threads, bounded, cancellable, with typed errors. */
import { pathToFileURL } from 'node:url'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { createFairQueue } from '../../host/async/fair-queue.ts'
import {
  createHostTasks,
  type HostTasks,
  type HostTasksOptions,
  type TaskContext,
} from '../../host/async/host-tasks.ts'
import { createThreadPool } from '../../host/async/thread-pool.ts'
import { Runtime } from '../../host/core/runtime.ts'
import { until } from '../attack/harness.ts'

const path = join(import.meta.dirname, 'fixtures/tasks.ts')
const module = pathToFileURL(path)
const ends: string[] = []
const create = (threads = 2, options: Partial<HostTasksOptions> = {}): HostTasks =>
  createHostTasks(
    { threads: createThreadPool(threads), onEnd: (outcome) => ends.push(outcome) },
    { concurrency: 2, queueLength: 3, ...options },
  )
const tasks = create()
const numbers = (): Int32Array => new Int32Array(new SharedArrayBuffer(8))
afterAll(() => tasks.close())

test('a function runs on the event loop, with a signal and a deadline', async () => {
  const deadlineMs = Date.now() + 60_000
  const task = tasks.spawn(({ signal, deadlineMs: until }) => [signal.aborted, until === deadlineMs], {
    deadlineMs,
  })
  expect(await task.result).toEqual([false, true])
  await task.ended
  const thrown = new RangeError('mine')
  await expect(
    tasks.spawn(() => {
      throw thrown
    }).result,
  ).rejects.toBe(thrown)
})

test('functions run so many at a time, so many wait, and more are refused', async () => {
  const gates = Array.from({ length: 6 }, () => Promise.withResolvers<number>())
  const begun: number[] = []
  const all = gates.map(({ promise }, index) =>
    tasks.spawn(() => {
      begun.push(index)
      return promise
    }),
  )
  expect(begun).toEqual([0, 1])
  await expect(all[5]?.result).rejects.toMatchObject({ code: 'VELA_TASK_OVERLOADED' })
  expect(tasks.counts()).toMatchObject({ running: 2, waiting: 3 })
  gates[1]?.resolve(1)
  await all[1]?.ended
  expect(begun).toEqual([0, 1, 2])
  // One that waits and is cancelled never begins, and leaves its place.
  all[3]?.cancel('not wanted')
  await expect(all[3]?.result).rejects.toMatchObject({ code: 'VELA_TASK_CANCELED', message: 'not wanted' })
  for (const { resolve } of gates) resolve(0)
  await Promise.all(all.map(({ ended }) => ended))
  expect(begun).toEqual([0, 1, 2, 4])
})

test('a cancelled function hears of it, and its place is free when it has really ended', async () => {
  const gate = Promise.withResolvers<void>()
  const other = tasks.spawn(() => gate.promise)
  const controller = new AbortController()
  let reason: unknown
  const task = tasks.spawn(
    async ({ signal }) => {
      signal.addEventListener('abort', () => (reason = signal.reason))
      await gate.promise
    },
    { signal: controller.signal },
  )
  const next = tasks.spawn(() => 'next')
  controller.abort(new Error('the caller left'))
  await expect(task.result).rejects.toMatchObject({ code: 'VELA_TASK_CANCELED', message: 'the caller left' })
  expect(reason).toMatchObject({ code: 'VELA_TASK_CANCELED' })
  expect(tasks.counts()).toMatchObject({ running: 2, waiting: 1 })
  gate.resolve()
  expect(await next.result).toBe('next')
  await other.ended
})

test('a deadline ends a task, waiting or running, and one that has passed begins none', async () => {
  let begun = false
  const late = tasks.spawn(() => (begun = true), { deadlineMs: Date.now() - 1 })
  await expect(late.result).rejects.toMatchObject({ code: 'VELA_TASK_TIMEOUT' })
  expect(begun).toBe(false)
  const running = tasks.spawn(
    ({ signal }) => new Promise((resolve) => signal.addEventListener('abort', resolve)),
    {
      deadlineMs: Date.now() + 30,
    },
  )
  await expect(running.result).rejects.toMatchObject({ code: 'VELA_TASK_TIMEOUT' })
  await running.ended
  const aborted = AbortSignal.abort()
  await expect(tasks.spawn(() => 1, { signal: aborted }).result).rejects.toMatchObject({
    code: 'VELA_TASK_CANCELED',
  })
})

test('a module runs on threads, two at a time, with values that are more than JSON', async () => {
  expect(await tasks.spawn({ module, export: 'double', input: 4 }).result).toBe(8)
  expect(await tasks.spawn({ module: path, export: 'double', input: 4 }).result).toBe(8)
  expect(await tasks.spawn({ module, export: 'dates', input: new Map([['a', new Date(5)]]) }).result).toBe(
    'a5',
  )
  const nameless = new URL('data:text/javascript,export default (x) => x + 1')
  expect(await tasks.spawn({ module: nameless, input: 4 }).result).toBe(5)
  expect(await tasks.spawn({ module, export: 'where' }).result).toMatchObject({ main: false })
  const shared = numbers()
  const met = [1, 2].map(() => tasks.spawn({ module, export: 'meet', input: shared.buffer }).result)
  expect(await Promise.all(met)).toEqual([true, true])
})

test('what goes wrong on a thread is typed, and fails that task alone', async () => {
  const outcome = (name: string, input?: unknown): Promise<unknown> =>
    tasks.spawn({ module, export: name, input }).result.catch((error: unknown) => error)
  const failed = { name: 'VelaError', code: 'VELA_TASK_FAILED' }
  expect(await outcome('fails', false)).toMatchObject({
    ...failed,
    message: 'TypeError: no such picture at /srv/private',
    cause: { name: 'TypeError', code: 'E_PICTURE', stack: expect.stringContaining('tasks.ts') as string },
  })
  expect(await outcome('throwsOdd')).toMatchObject({
    ...failed,
    message: expect.stringContaining('null') as string,
  })
  expect(await outcome('unsendable')).toMatchObject(failed)
  expect(await outcome('double', () => 1)).toMatchObject(failed)
  expect(await outcome('exits')).toMatchObject(failed)
  expect(await outcome('missing')).toMatchObject({ code: 'VELA_WORKER_TASK_NOT_FOUND' })
  expect(await outcome('toString')).toMatchObject({ code: 'VELA_WORKER_TASK_NOT_FOUND' })
  expect(await tasks.spawn({ module: './tasks.ts' }).result.catch((error: unknown) => error)).toMatchObject({
    code: 'VELA_CONFIG_INVALID',
  })
  expect(await tasks.spawn({ task: 'nobody' }).result.catch((error: unknown) => error)).toMatchObject({
    code: 'VELA_WORKER_TASK_NOT_FOUND',
  })
  expect(await outcome('double', 2)).toBe(4)
})

test('cancelling a task ends the thread that runs it, and the next one gets another', async () => {
  const single = create(1)
  const shared = numbers()
  const task = single.spawn({ module, export: 'loop', input: shared.buffer })
  const waiting = single.spawn({ module, export: 'double', input: 2 })
  await until('it loops', () => (shared[0] ?? 0) > 0)
  task.cancel()
  await expect(task.result).rejects.toMatchObject({ code: 'VELA_TASK_CANCELED' })
  await task.ended
  expect(await waiting.result).toBe(4)
  // Nobody counts any more.
  const seen = shared[0]
  expect(await single.spawn({ module, export: 'double', input: 3 }).result).toBe(6)
  expect(shared[0]).toBe(seen)
  await single.close()
})

test('a registered task runs on no more threads than it may, and others pass it by', async () => {
  const bounded = create(2)
  bounded.register('wait', { module, export: 'waitFor', maxThreads: 1 })
  expect(() => bounded.register('wait', { module })).toThrow(/taken/)
  expect(() => bounded.register('other', { module, maxThreads: 0 })).toThrow(/maxThreads/)
  const shared = numbers()
  const both = [1, 2].map(() => bounded.spawn<number>({ task: 'wait', input: shared.buffer }).result)
  await until('one is there', () => shared[1] === 1)
  expect(await bounded.spawn({ module, export: 'double', input: 5 }).result).toBe(10)
  expect(shared[1]).toBe(1)
  Atomics.store(shared, 0, 1)
  Atomics.notify(shared, 0)
  expect(await Promise.all(both)).toEqual([1, 1])
  await bounded.close()
})

test('a host that stops waits for its tasks, begins none, and ends what does not end', async () => {
  const stopping = create(1)
  const shared = numbers()
  const done = stopping.spawn({ module, export: 'double', input: 2 })
  const looping = stopping.spawn({ module, export: 'loop', input: shared.buffer })
  await done.result
  await until('it loops', () => (shared[0] ?? 0) > 0)
  await stopping.drain(50)
  await expect(stopping.spawn(() => 1).result).rejects.toMatchObject({ code: 'VELA_TASK_CANCELED' })
  await stopping.close()
  await expect(looping.result).rejects.toMatchObject({ code: 'VELA_TASK_CANCELED' })
  await looping.ended
  expect(stopping.counts()).toEqual({ running: 0, waiting: 0, threads: 0 })
})

test('a host that stops ends what waits, as well as what runs', async () => {
  const stopping = create(1)
  const untilAborted = ({ signal }: TaskContext): Promise<unknown> =>
    new Promise((resolve) => signal.addEventListener('abort', resolve))
  const running = stopping.spawn(untilAborted)
  const other = stopping.spawn(untilAborted)
  const waiting = stopping.spawn(() => 1)
  await stopping.close()
  await expect(waiting.result).rejects.toMatchObject({ code: 'VELA_TASK_CANCELED' })
  await Promise.all([running.ended, other.ended, waiting.ended])
})

test('what a module throws after its task has ended costs its thread, not the host', async () => {
  const strays: unknown[] = []
  const host = createHostTasks(
    { threads: createThreadPool(1, (error) => strays.push(error)), onEnd: () => undefined },
    { concurrency: 1, queueLength: 3 },
  )
  expect(await host.spawn({ module, export: 'throwsLater' }).result).toBe(1)
  await until('it has thrown', () => strays.length > 0)
  expect(strays[0]).toMatchObject({ message: 'too late' })
  expect(await host.spawn({ module, export: 'double', input: 2 }).result).toBe(4)
  await host.close()
})

test('a tenant whose jobs fill the queue makes room for one who has fewer', async () => {
  const full = create(1)
  full.register('waitFor', { module, export: 'waitFor', maxThreads: 1 })
  full.register('double', { module, export: 'double' })
  const shared = numbers()
  const blocking = full.spawn({ task: 'waitFor', input: shared.buffer })
  await until('it runs', () => shared[1] === 1)
  const greedy = Array.from({ length: 4 }, () => full.spawnEncoded('double', 'greedy', '2', {}))
  const quiet = full.spawnEncoded('double', 'quiet', '3', {})
  const codes = async (tasks: typeof greedy): Promise<unknown[]> =>
    await Promise.all(
      tasks.map(({ result }) => result.catch(({ code }: { readonly code: string }): string => code)),
    )
  expect(await codes(greedy.slice(2))).toEqual(['VELA_TASK_OVERLOADED', 'VELA_TASK_OVERLOADED'])
  await greedy[2]?.ended
  Atomics.store(shared, 0, 1)
  Atomics.notify(shared, 0)
  expect(await codes([...greedy.slice(0, 2), quiet])).toEqual(['4', '4', '6'])
  await blocking.ended
  await full.close()
})

test('the runtime has tasks by its configuration, counts them, and ends them when it stops', async () => {
  const runtime = await Runtime.create({
    data: null,
    gateway: { port: 0 },
    admin: { port: 0 },
    log: { level: 'silent' },
    cells: { spares: 0 },
    tasks: { concurrency: 1, queueLength: 1, threads: 1 },
    drainMs: 50,
  })
  runtime.registerTask('double', { module, export: 'double' })
  await runtime.start()
  expect(await runtime.spawn<number>({ task: 'double', input: 21 }).result).toBe(42)
  const first = runtime.spawn(() => new Promise(() => undefined))
  const second = runtime.spawn(() => 2)
  await expect(runtime.spawn(() => 3).result).rejects.toMatchObject({ code: 'VELA_TASK_OVERLOADED' })
  const metrics = await runtime.metrics()
  for (const line of [
    'vela_tasks_total{kind="host",outcome="ok"} 1',
    'vela_tasks_total{kind="host",outcome="refused"} 1',
    'vela_host_tasks{state="running"} 1',
    'vela_host_tasks{state="waiting"} 1',
    'vela_host_threads 1',
  ])
    expect(metrics).toContain(line)
  await runtime.stop()
  await expect(first.result).rejects.toMatchObject({ code: 'VELA_TASK_CANCELED' })
  await expect(second.result).rejects.toMatchObject({ code: 'VELA_TASK_CANCELED' })
})

test('a queue takes those who wait in turn, each in its order, and is bounded', () => {
  const queue = createFairQueue<string>(6)
  for (const entry of ['a1', 'a2', 'a3', 'b1', 'b2']) queue.push(entry.charAt(0), entry)
  expect(queue.push('c', 'c1')).toBe(true)
  expect(queue.push('c', 'c2')).toBe(false)
  expect(queue.peek()).toBe('a1')
  const any = (): boolean => true
  expect([queue.take(any), queue.take(any)]).toEqual(['a1', 'b1'])
  queue.putBack('a', 'a1')
  expect(queue.remove('a', 'a3')).toBe(true)
  expect(queue.remove('a', 'a3')).toBe(false)
  expect([1, 2, 3, 4, 5].map(() => queue.take((entry) => entry !== 'b2'))).toEqual([
    'a1',
    'c1',
    'a2',
    undefined,
    undefined,
  ])
  expect([queue.length, queue.takeAll(), queue.length]).toEqual([1, ['b2'], 0])
})
