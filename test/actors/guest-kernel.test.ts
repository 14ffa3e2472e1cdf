/** The kernel's half of actors by itself: the host is the test, and decides when it answers what. */
import { expect, test } from 'vitest'
import { encodeValue } from '../../guest-sdk/async/codec.ts'
import { activation, createKernel, Log, settle, type Namespace } from './kernel-support.ts'

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

test('nothing overtakes a message in the moment between its being placed here and its standing in the mailbox', async () => {
  for (let hops = 0; hops < 12; hops++) {
    const { namespace, asked } = createKernel(Log)
    const first = namespace.ask('a', 'add', ['first'])
    asked[0]?.answer({ here: activation(1) })
    for (let hop = 0; hop < hops; hop++) await Promise.resolve()
    const second = namespace.ask('a', 'add', ['second'])
    asked[1]?.answer({ here: null })
    await first
    expect(await second, `after ${hops} microtasks`).toEqual(['first', 'second'])
  }
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

test.each(['here', 'elsewhere'])(
  'what an actor sends behind its writes keeps its order, to one that lives %s',
  async (where) => {
    const entry = Promise.withResolvers<void>()
    class Relay extends Log {
      readonly env: { readonly A: Namespace }
      constructor(ctx: object, env: object) {
        super(ctx)
        this.env = env as { readonly A: Namespace }
      }
      async relay(): Promise<void> {
        await this.ctx.storage.put('x', 1)
        const sent = [1]
        const first = this.env.A.ask('b', 'add', sent)
        // A copy has been made already.
        sent[0] = -1
        await entry.promise
        await this.ctx.storage.put('y', 1)
        await Promise.all([first, this.env.A.ask('b', 'add', [2])])
      }
    }
    const { namespace, asked, endEntry } = createKernel(Relay)
    for (const name of where === 'here' ? ['a', 'b'] : ['a']) {
      const made = namespace.ask(name, 'add', [0])
      asked.at(-1)?.answer({ here: activation(1) })
      await made
    }
    const relayed = namespace.ask('a', 'relay')
    await endEntry()
    entry.resolve()
    await settle()
    const seen: unknown[] = []
    for (let index = 0; index < 10; index++) {
      for (const { method, args, answer } of asked) {
        if (method === 'ask' && args[0] === 'b' && where === 'elsewhere') {
          if (!seen.includes(args[2])) seen.push(args[2])
          answer({ value: '0' })
        }
        if (method === 'write') answer(null)
      }
      await endEntry()
    }
    await relayed
    if (where === 'elsewhere') expect(seen).toEqual(['[1]', '[2]'])
    else expect(await namespace.ask('b', 'add', [3])).toEqual([0, 1, 2, 3])
  },
)

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
