/** What holds an actor, and for how long: the kernel's half of actors by itself, with a clock that the test moves. */
import { expect, test } from 'vitest'
import { activation, createKernel, Log, settle, type Kernel } from './kernel-support.ts'

class Hanging extends Log {
  static options: object = { handleMs: 1000, mailbox: { capacity: 2 }, supervision: { backoffMs: 0 } }
  hang(): Promise<never> {
    return new Promise(() => undefined)
  }
}

async function live(kernel: Kernel, name = 'a'): Promise<void> {
  const made = kernel.namespace.ask(name, 'add', [name])
  kernel.asked.at(-1)?.answer({ here: activation(1) })
  await made
}

/** Asks for all to leave; whether they have. */
function passivate({ port }: Kernel): () => boolean {
  let isOver = false
  const nothing = (): void => undefined
  port.passivate(
    { id: 1, value: () => void (isOver = true), response: nothing, threw: nothing, hold: () => nothing },
    '[]',
  )
  return () => isOver
}

const codeOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.catch(({ code }: { code: string }) => code)

test('who comes first after the time is over does not meet the full mailbox of one that hangs', async () => {
  const kernel = createKernel(Hanging)
  const { namespace, entered } = kernel
  await live(kernel)
  const hung = codeOf(namespace.ask('a', 'hang'))
  await settle()
  const waiting = [namespace.ask('a', 'add', [1]), namespace.ask('a', 'add', [2])]
  await settle()
  expect(await codeOf(namespace.ask('a', 'add', [3]))).toBe('VELA_ACTOR_MAILBOX_FULL')
  // No timer fires between entries without a turn in flight: the message itself brings the later time.
  entered(1000)
  const next = namespace.ask('a', 'add', [4])
  expect(await hung).toBe('VELA_ACTOR_DEADLINE')
  expect([...(await Promise.all(waiting)), await next]).toEqual([[1], [1, 2], [1, 2, 4]])
})

test('passivation waits no longer than that for a method, and no longer again for onPassivate', async () => {
  class Never extends Hanging {
    onPassivate(): Promise<never> {
      return this.hang()
    }
  }
  const kernel = createKernel(Never)
  await live(kernel, 'a')
  await live(kernel, 'b')
  const hung = codeOf(kernel.namespace.ask('a', 'hang'))
  await settle()
  const isOver = passivate(kernel)
  await kernel.advance(900)
  expect(isOver()).toBe(false)
  await kernel.advance(150)
  expect(await hung).toBe('VELA_ACTOR_DEADLINE')
  expect(isOver()).toBe(false)
  await kernel.advance(1050)
  expect(isOver()).toBe(true)
})

test('an upgrade that never settles refuses what waits, and stores nothing', async () => {
  class Upgrading extends Hanging {
    static override options: object = { handleMs: 1000, version: 2 }
    upgrade(): Promise<never> {
      return this.hang()
    }
  }
  const kernel = createKernel(Upgrading)
  const asked = codeOf(kernel.namespace.ask('a', 'add', [1]))
  kernel.asked[0]?.answer({ here: activation(1, [['k', '1']]) })
  await settle()
  await kernel.advance(1050)
  expect(await asked).toBe('VELA_ACTOR_UPGRADE_FAILED')
  expect(kernel.asked.map(({ method }) => method)).not.toContain('write')
})

test('actors that are each other’s parents are stopped together', async () => {
  class Family extends Hanging {
    static override options: object = { supervision: { strategy: 'stop' } }
    adopt(name: string): void {
      const { children } = this.ctx as unknown as { children: { get(Class: string, name: string): object } }
      children.get('A', name)
    }
    fail(): void {
      throw new Error('failed')
    }
  }
  const kernel = createKernel(Family)
  const { namespace, asked } = kernel
  for (const name of ['a', 'b']) await live(kernel, name)
  await namespace.ask('a', 'adopt', ['b'])
  await namespace.ask('b', 'adopt', ['a'])
  await codeOf(namespace.ask('a', 'fail'))
  await settle()
  expect(asked.filter(({ method }) => method === 'released').map(({ args }) => args[0])).toEqual(['a', 'b'])
})

test('an actor whose first message cannot be made leaves when it is idle', async () => {
  class Idle extends Log {
    static options: object = { idleMs: 1000 }
  }
  const kernel = createKernel(Idle)
  const { port, asked } = kernel
  const said: unknown[] = []
  const nothing = (): void => undefined
  const turn = {
    id: 1,
    value: nothing,
    response: nothing,
    threw: (thrown: unknown) => said.push(thrown),
    hold: () => nothing,
  }
  port.call(turn, 'A', JSON.stringify(['a', 'ask', 'add', '{not a value', {}, activation(1)]))
  await settle()
  expect(said).toHaveLength(1)
  await kernel.advance(1000)
  expect(asked.map(({ method }) => method)).toEqual(['released'])
})

test('entries that were read are forgotten again: a state larger than memory can be read through', async () => {
  const value = 'x'.repeat(120_000)
  const kernel = createKernel(Log)
  const { namespace, asked, endEntry } = kernel
  const made = namespace.ask('a', 'add', [1])
  asked[0]?.answer({ here: { ...activation(1), complete: false } })
  await made
  const read = async (key: string): Promise<void> => {
    const reading = namespace.ask('a', 'read', [key])
    await endEntry()
    const last = asked.at(-1)
    if (last?.method === 'read') last.answer([[key, JSON.stringify(value)]])
    expect(await reading).toBe(value)
  }
  for (let index = 0; index < 20; index++) await read(`k${index}`)
  const before = asked.length
  await read('k19')
  expect(asked).toHaveLength(before)
  await read('k0')
  expect(asked).toHaveLength(before + 1)
})

test('what a WebSocket says after its actor has left keeps no turn open', async () => {
  class Room extends Log {
    accept(): void {
      const { ctx } = this as unknown as { ctx: { acceptWebSocket(socket: object): void } }
      ctx.acceptWebSocket(socket)
    }
  }
  const listeners = new Map<string, (event: object) => void>()
  const socket = {
    readyState: 1,
    accept: () => undefined,
    close: () => undefined,
    addEventListener: (type: string, listener: (event: object) => void) => listeners.set(type, listener),
  }
  const kernel = createKernel(Room)
  await live(kernel)
  await kernel.namespace.ask('a', 'accept')
  const isOver = passivate(kernel)
  await settle()
  expect(isOver()).toBe(true)
  // The client answers that it closes too.
  listeners.get('close')?.({ code: 1012, reason: '', wasClean: true })
  await settle()
  expect(kernel.held()).toBe(0)
})

test.each([0, 1.5, 300_001, '1000'])(
  'handleMs is a whole number of milliseconds, not %j',
  async (handleMs) => {
    class Bad extends Log {
      static options = { handleMs }
    }
    const { namespace, asked } = createKernel(Bad)
    const made = namespace.ask('a', 'add', [1])
    asked[0]?.answer({ here: activation(1) })
    await expect(made).rejects.toThrow('handleMs is a whole number from 1 to 300000')
  },
)

test('an actor that has gone is held by no timer', async () => {
  class Slow extends Hanging {
    static override options: object = { handleMs: 60_000, idleMs: 3_600_000 }
    async slowly(): Promise<void> {}
  }
  const kernel = createKernel(Slow)
  await live(kernel)
  await kernel.namespace.ask('a', 'slowly')
  // What watches over the deadlines of asks is of all actors, and over by now.
  await kernel.advance(11_000)
  expect(kernel.timersLeft()).toBeGreaterThan(0)
  const isOver = passivate(kernel)
  await settle()
  expect([isOver(), kernel.timersLeft()]).toEqual([true, 0])
})
