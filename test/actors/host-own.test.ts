/** The host's own actors: trusted classes with mailbox, supervision, durable state and alarms. */
import { expect, onTestFinished, test } from 'vitest'
import type { HostActorContext } from '../../host/concurrency/actors/host/activation.ts'
import { Runtime } from '../../host/index.ts'
import { makeDataDir } from '../data-dir.ts'
import { codeOf, makeStage, type Stage, eventually } from './host-support.ts'

class Counter {
  static made = 0
  readonly #ctx: HostActorContext
  readonly #log: string[] = []
  constructor(ctx: HostActorContext) {
    this.#ctx = ctx
    Counter.made++
  }
  async add(n: number): Promise<number> {
    const total = Number((await this.#ctx.storage.get('total')) ?? 0) + n
    void this.#ctx.storage.put('total', total)
    return total
  }
  async slow(name: string, gate: Promise<void>): Promise<void> {
    this.#log.push(`${name} begins`)
    await gate
    this.#log.push(`${name} ends`)
  }
  note(name: string): void {
    this.#log.push(name)
  }
  log(): string[] {
    return this.#log
  }
  fail(): never {
    throw new RangeError('no')
  }
  unload(): void {
    this.#ctx.passivate()
  }
  async keep(key: string, value: unknown): Promise<unknown> {
    await this.#ctx.storage.put(key, value)
    return await this.#ctx.storage.get(key)
  }
  async keys(options: object): Promise<string[]> {
    return [...(await this.#ctx.storage.list(options)).keys()]
  }
  later(atMs: number): Promise<void> {
    return this.#ctx.storage.setAlarm(atMs)
  }
  alarm(info: unknown): Promise<void> {
    return this.#ctx.storage.put('rang', info)
  }
  async onPassivate(): Promise<void> {
    await this.#ctx.storage.put('unloaded', true)
  }
  _hidden(): string {
    return 'hidden'
  }
}

const stageWith = async (
  options: Parameters<Stage['actors']['host']['register']>[2] = {},
): Promise<Stage> => {
  const stage = await makeStage({ alarmBackoffMs: 5 })
  stage.actors.host.register('Counter', Counter, options)
  return stage
}

test('asks are answered one at a time, in order, with what was stored', async () => {
  const { host } = (await stageWith()).actors
  const counter = host.get<Counter>('Counter', 'ann')
  const sums = await Promise.all(Array.from({ length: 10 }, () => counter.add(1)))
  expect(sums).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
  const { promise, resolve } = Promise.withResolvers<void>()
  const first = host.ask('Counter', 'ann', 'slow', ['a', promise])
  host.tell('Counter', 'ann', 'note', ['low'], { priority: -1 })
  host.tell('Counter', 'ann', 'note', ['high'], { priority: 1 })
  await eventually(() => host.depth('Counter', 'ann')).toBe(2)
  resolve()
  await first
  expect(await host.ask('Counter', 'ann', 'log')).toEqual(['a begins', 'a ends', 'high', 'low'])
  // Another name is another actor.
  expect(await host.ask('Counter', 'bob', 'add', [1])).toBe(1)
})

test('an answer waits until what was written is durable, and a failed write fails it', async () => {
  const stage = await stageWith()
  const { host } = stage.actors
  await host.ask('Counter', 'ann', 'add', [1])
  await stage.store.close()
  expect(await codeOf(host.ask('Counter', 'ann', 'add', [1]))).toBe('VELA_ACTOR_STORAGE_FAILED')
})

test('values keep their kind, and keys their order', async () => {
  const { host } = (await stageWith()).actors
  const value = new Map<string, unknown>([['at', new Date(3)]])
  expect(await host.ask('Counter', 'ann', 'keep', ['b', value])).toEqual(value)
  await host.ask('Counter', 'ann', 'keep', ['a', 1])
  expect(await host.ask('Counter', 'ann', 'keys', [{ reverse: true }])).toEqual(['b', 'a'])
  await expect(host.ask('Counter', 'ann', 'keep', ['', 1])).rejects.toThrow(TypeError)
  await expect(host.ask('Counter', 'ann', 'keep', ['a', 'x'.repeat(200_000)])).rejects.toThrow(RangeError)
})

test('what is no method of the class cannot be called', async () => {
  const { host } = (await stageWith()).actors
  for (const method of ['nothing', '_hidden', 'constructor', 'toString', 'alarm', 'onPassivate', 'alarm()x'])
    expect([method, await codeOf(host.ask('Counter', 'ann', method))]).toEqual([
      method,
      'VELA_METHOD_NOT_FOUND',
    ])
  expect(await codeOf(host.ask('Stranger', 'ann', 'add'))).toBe('VELA_ACTOR_NOT_FOUND')
  expect(await codeOf(host.ask('Counter', '', 'add'))).toBe('VELA_CAPABILITY_BAD_CALL')
  expect(() => host.register('Counter', Counter)).toThrow(TypeError)
})

test('a full mailbox refuses, and a message whose deadline has passed is not handled', async () => {
  const { host } = (await stageWith({ mailbox: { capacity: 2 } })).actors
  const { promise, resolve } = Promise.withResolvers<void>()
  const busy = host.ask('Counter', 'ann', 'slow', ['a', promise])
  await eventually(() => host.activeCount).toBe(1)
  const late = codeOf(host.ask('Counter', 'ann', 'note', ['late'], { deadlineMs: 10 }))
  host.tell('Counter', 'ann', 'note', ['second'])
  expect(() => host.tell('Counter', 'ann', 'note', ['third'])).toThrow(/wait for the actor/)
  expect(await codeOf(host.ask('Counter', 'ann', 'note', ['third']))).toBe('VELA_ACTOR_MAILBOX_FULL')
  expect(await late).toBe('VELA_ACTOR_DEADLINE')
  resolve()
  await busy
  await eventually(() => host.ask('Counter', 'ann', 'log')).toContain('second')
  expect(await host.ask('Counter', 'ann', 'log')).not.toContain('late')
})

test('supervision: resume keeps the instance, restart makes another, too many stop it', async () => {
  for (const [strategy, more] of [
    ['resume', 0],
    ['restart', 1],
  ] as const) {
    const { host } = (await stageWith({ supervision: { strategy, backoffMs: 0 } })).actors
    await host.ask('Counter', 'ann', 'note', ['kept'])
    const before = Counter.made
    await expect(host.ask('Counter', 'ann', 'fail')).rejects.toThrow(RangeError)
    expect(await host.ask('Counter', 'ann', 'log')).toEqual(strategy === 'resume' ? ['kept'] : [])
    expect(Counter.made - before).toBe(more)
  }
  const { host } = (await stageWith({ supervision: { strategy: 'restart', maxRestarts: 1, backoffMs: 0 } }))
    .actors
  await expect(host.ask('Counter', 'ann', 'fail')).rejects.toThrow(RangeError)
  const failed = host.ask('Counter', 'ann', 'fail')
  const waiting = codeOf(host.ask('Counter', 'ann', 'note', ['never']))
  await expect(failed).rejects.toThrow(RangeError)
  expect(await waiting).toBe('VELA_ACTOR_STOPPED')
  // The next message starts it anew.
  expect(await host.ask('Counter', 'ann', 'log')).toEqual([])
})

test('an idle actor is unloaded, with its onPassivate, and comes back with its state', async () => {
  const { host } = (await stageWith({ idleMs: 5 })).actors
  expect(await host.ask('Counter', 'ann', 'add', [4])).toBe(4)
  await eventually(() => host.activeCount).toBe(0)
  expect(await host.ask('Counter', 'ann', 'keys', [{}])).toEqual(['total', 'unloaded'])
  expect(await host.ask('Counter', 'ann', 'add', [1])).toBe(5)
  await host.ask('Counter', 'bob', 'unload')
  await eventually(() => host.activeCount).toBe(0)
})

test('a told message that fails is a dead letter', async () => {
  const stage = await stageWith()
  stage.actors.host.tell('Counter', 'ann', 'fail')
  await eventually(() => stage.actors.deadLetters(':host', ':host', 10)).toMatchObject([
    { class: 'Counter', name: 'ann', method: 'fail', reason: 'RangeError: no' },
  ])
})

test('an alarm rings, and state survives the runtime, whose services cannot see it', async () => {
  const data = await makeDataDir()
  const start = async (): Promise<Runtime> => {
    const runtime = await Runtime.create({
      data,
      gateway: { port: 0 },
      admin: { port: 0 },
      log: { level: 'silent' },
      cells: { spares: 0 },
    })
    onTestFinished(() => runtime.stop())
    return runtime.registerActor('Counter', Counter)
  }
  const first = await start()
  expect(await first.actors.get<Counter>('Counter', 'ann').add(3)).toBe(3)
  await first.actors.ask('Counter', 'ann', 'later', [Date.now()])
  await first.stop()
  const second = await start()
  await second.start()
  expect(await second.actors.ask('Counter', 'ann', 'add', [1])).toBe(4)
  await eventually(() => second.actors.ask('Counter', 'ann', 'keys', [{ prefix: 'rang' }])).toEqual(['rang'])
  expect(await codeOf(second.actor(':host/:host', 'Counter', 'ann').ask('add', [1]))).toBe(
    'VELA_SERVICE_NOT_FOUND',
  )
})
