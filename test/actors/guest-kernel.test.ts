/** The kernel's half of actors by itself: the host is the test, and decides when it answers what. */
import { expect, test } from 'vitest'
import { cloneValue, decodeValue, encodeValue } from '../../guest-sdk/async/codec.ts'
import { create } from '../../guest-sdk/capabilities/actors.ts'
import type { CallResult } from '../../guest-sdk/kernel/calls.ts'
import type { CapabilityKit, Power } from '../../guest-sdk/kernel/capabilities.ts'
import type { ActorsPort } from '../../guest-sdk/kernel/actors/port.ts'

interface Asked {
  readonly method: string
  readonly args: readonly unknown[]
  answer(value: unknown): void
  fail(code: string): void
}

interface Namespace {
  ask(name: string, method: string, args?: unknown[]): Promise<unknown>
  tell(name: string, method: string, args?: unknown[]): Promise<void>
}

/** A kernel without an engine: entries end when the test says so. */
function createKernel(Class: new (ctx: object, env: object) => object): {
  readonly namespace: Namespace
  readonly asked: Asked[]
  port: ActorsPort
  endEntry(): Promise<void>
} {
  const asked: Asked[] = []
  let atEnd: (() => void)[] = []
  let port: ActorsPort | undefined
  const call = (method: string, args: readonly unknown[]): Promise<CallResult> => {
    const { promise, resolve, reject } = Promise.withResolvers<CallResult>()
    asked.push({
      method,
      args,
      answer: (value) => resolve({ id: 0, value, body: null }),
      fail: (code) => reject(Object.assign(new Error(code), { code })),
    })
    return promise
  }
  const scope = { turn: () => 0, gate: () => undefined, deadlineMs: () => Infinity }
  const power: Power = { call, raw: call, scope }
  const kit = {
    web: {},
    createError: (name: string, message: string, code: string | undefined) =>
      Object.assign(new Error(message), { name, code }),
    atEntryEnd: (callback: () => void) => void atEnd.push(callback),
    now: () => 0,
    encodeValue,
    decodeValue,
    cloneValue,
    actors: {
      plug: (given: ActorsPort) => {
        port = given
      },
      classOf: (name: string) => (name === 'A' ? Class : undefined),
      hold: () => () => undefined,
      within: (_turn: number, work: () => void) => work(),
      currentTurn: () => 0,
      envOf: () => ({}),
      queueTask: (run: () => void) => void setImmediate(run),
      wakeAt: () => () => undefined,
      reportError: () => undefined,
      describeThrown: (thrown: unknown) => JSON.stringify({ name: 'Error', message: String(thrown) }),
    },
  } as unknown as CapabilityKit
  const namespace = create(kit)(power, { class: 'A', own: true }) as Namespace
  if (port === undefined) throw new Error('nothing was plugged in')
  return {
    namespace,
    asked,
    port,
    async endEntry() {
      await settle()
      const callbacks = atEnd
      atEnd = []
      for (const callback of callbacks) callback()
      await settle()
    },
  }
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
const activation = (epoch: number, entries: [string, string][] = []): object => ({
  epoch,
  version: 1,
  entries,
  complete: true,
  alarmMs: null,
})

interface Context {
  readonly storage: {
    get(key: string): Promise<unknown>
    put(key: string, value: unknown): Promise<void>
  }
}

class Log {
  readonly ctx: Context
  readonly log: unknown[] = []
  constructor(ctx: object) {
    this.ctx = ctx as Context
  }
  add(item: unknown): unknown[] {
    this.log.push(item)
    return this.log
  }
  async write(key: string, value: unknown): Promise<string> {
    await this.ctx.storage.put(key, value)
    return 'written'
  }
  read(key: string): Promise<unknown> {
    return this.ctx.storage.get(key)
  }
}

test('a message does not overtake one that is still on its way by the host', async () => {
  const { namespace, asked } = createKernel(Log)
  const first = namespace.ask('a', 'add', [1])
  const second = namespace.ask('a', 'add', [2])
  asked[0]?.answer({ here: activation(1) })
  expect(await first).toEqual([1])
  const third = namespace.ask('a', 'add', [3])
  await settle()
  expect(asked.map(({ method }) => method)).toEqual(['ask', 'ask', 'ask'])
  asked[1]?.answer({ here: null })
  asked[2]?.answer({ here: null })
  expect([await second, await third]).toEqual([
    [1, 2],
    [1, 2, 3],
  ])
  // Nothing is on its way any more: the host is not asked.
  expect(await namespace.ask('a', 'add', [4])).toEqual([1, 2, 3, 4])
  expect(asked).toHaveLength(3)
})

test('an answer waits for the write before it, and all writes of an entry are one', async () => {
  const { namespace, asked, endEntry } = createKernel(Log)
  const first = namespace.ask('a', 'add', [1])
  asked[0]?.answer({ here: activation(1) })
  await first
  let answered = 0
  const writing = ['x', 'y', 'x'].map((key, index) =>
    namespace.ask('a', 'write', [key, index]).then(() => answered++),
  )
  await endEntry()
  expect(asked.slice(1).map(({ method, args }) => [method, args])).toEqual([
    [
      'write',
      [
        'a',
        1,
        {
          version: 1,
          puts: [
            ['x', '2'],
            ['y', '1'],
          ],
          deletes: [],
        },
      ],
    ],
  ])
  expect(answered).toBe(0)
  // What is written meanwhile waits for its turn.
  const later = namespace.ask('a', 'write', ['z', 9])
  await endEntry()
  expect(asked).toHaveLength(2)
  asked[1]?.answer(null)
  await Promise.all(writing)
  await endEntry()
  expect(asked[2]?.args[2]).toMatchObject({ puts: [['z', '9']] })
  asked[2]?.answer(null)
  expect(await later).toBe('written')
})

test('an activation of a higher number takes the place of what is here; one that is known is ignored', async () => {
  const { namespace, asked, port } = createKernel(Log)
  const first = namespace.ask('a', 'add', [1])
  asked[0]?.answer({ here: activation(1, [['k', '"old"']]) })
  await first
  const said: unknown[] = []
  const turn = {
    id: 1,
    value: (json: string | undefined) => void said.push(json === undefined ? json : JSON.parse(json)),
    response: () => undefined,
    threw: (thrown: unknown) => void said.push((thrown as { code: string }).code),
    hold: () => () => undefined,
  }
  const send = async (method: string, args: unknown[], from: object | null, name = 'a'): Promise<unknown> => {
    port.call(turn, 'A', JSON.stringify([name, 'ask', method, encodeValue(args), {}, from]))
    await settle()
    return said.pop()
  }
  expect(await send('add', [2], activation(1))).toBe('[1,2]')
  expect(await send('add', [3], null)).toBe('[1,2,3]')
  expect(await send('read', ['k'], activation(2, [['k', '"new"']]))).toBe('"new"')
  expect(await send('add', [4], null)).toBe('[4]')
  // Not here: the number, which no result can be.
  expect(await send('add', [5], null, 'elsewhere')).toBe(0)
})

test('who is fenced answers nobody and keeps nothing', async () => {
  const { namespace, asked, endEntry } = createKernel(Log)
  const first = namespace.ask('a', 'add', [1])
  asked[0]?.answer({ here: activation(1) })
  await first
  const writing = namespace.ask('a', 'write', ['k', 1])
  await endEntry()
  asked[1]?.fail('VELA_ACTOR_FENCED')
  await expect(writing).rejects.toMatchObject({ code: 'VELA_ACTOR_FENCED' })
  // The next message asks the host where it lives.
  void namespace.ask('a', 'add', [2])
  await settle()
  expect(asked.at(-1)?.method).toBe('ask')
})

test('those that are to leave go on as long as one of them may need another, then all leave at once', async () => {
  const gate = Promise.withResolvers<void>()
  const left: string[] = []
  class Chained extends Log {
    async through(next: string): Promise<unknown> {
      await gate.promise
      return await namespace.ask(next, 'add', ['from here'])
    }
    onPassivate(): void {
      left.push((this.ctx as unknown as { id: { name: string } }).id.name)
    }
  }
  const { namespace, asked, port } = createKernel(Chained)
  for (const name of ['a', 'b']) {
    const made = namespace.ask(name, 'add', [name])
    asked.at(-1)?.answer({ here: activation(1) })
    await made
  }
  const running = namespace.ask('a', 'through', ['b'])
  await settle()
  let isOver = false
  const turn = {
    id: 1,
    value: () => void (isOver = true),
    response: () => undefined,
    threw: () => undefined,
    hold: () => () => undefined,
  }
  port.passivate(turn, '[]')
  await settle()
  expect([left, isOver]).toEqual([[], false])
  gate.resolve()
  expect(await running).toEqual(['b', 'from here'])
  await settle()
  expect([left.sort(), isOver]).toEqual([['a', 'b'], true])
  // They are the host's to place again.
  expect(asked).toHaveLength(2)
  void namespace.ask('b', 'add', ['again'])
  await settle()
  expect(asked).toHaveLength(3)
})
