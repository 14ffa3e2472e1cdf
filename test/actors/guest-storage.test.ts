/** `ctx.storage` within a guest: what is read and listed, transactions, limits, and that nothing is answered before it is durable. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startHost, type Host } from '../capabilities/support.ts'
import { describeEngines } from '../engines.ts'
import { deployActors, type Actors } from './guest-support.ts'

const SOURCE = `
export class A extends Actor {
  run(body) { return new (async () => {}).constructor('storage', 'ctx', 'env', body).call(this, this.ctx.storage, this.ctx, this.env) }
  leave() { this.ctx.passivate() }
  async increment() {
    const count = ((await this.ctx.storage.get('count')) ?? 0) + 1
    await this.ctx.storage.put('count', count)
    return count
  }
  async keep(key, value) { await this.ctx.storage.put(key, value); return value }
  async throwing() { await this.ctx.storage.put('kept', 1); throw new Error('after a write') }
}
`

describeEngines('the storage of actors', (engine) => {
  let host: Host
  let actors: Actors
  const inside = async (name: string, body: string): Promise<unknown> => {
    const outcome = await actors.ask(name, 'run', [body])
    if (outcome.code !== undefined) throw new Error(`${outcome.code}: ${outcome.message}`)
    return outcome.value
  }
  /** Out of memory, so that what is read next comes from the store. */
  const forget = async (name: string): Promise<void> => {
    expect(await actors.ask(name, 'leave')).toEqual({ value: null })
  }

  beforeAll(async () => {
    host = await startHost({ cells: { spares: 0 } })
    actors = await deployActors(host, 'acme/store', engine, SOURCE)
  })
  afterAll(() => host.runtime.stop())

  test('what was put is there after the actor has left memory, with its type', async () => {
    await inside(
      'types',
      `await storage.put({ at: new Date(5), map: new Map([[1, 'x']]), bytes: new Uint8Array([7]), text: 'ä\\n', nothing: null })`,
    )
    await forget('types')
    const seen = await inside(
      'types',
      `const [at, map, bytes] = [await storage.get('at'), await storage.get('map'), await storage.get('bytes')]
       const many = await storage.get(['text', 'nothing', 'missing'])
       return [at.getTime(), map.get(1), [...bytes], [...many], await storage.get('missing') === undefined]`,
    )
    expect(seen).toEqual([
      5,
      'x',
      [7],
      [
        ['text', 'ä\n'],
        ['nothing', null],
      ],
      true,
    ])
  })

  test('what is read is a copy', async () => {
    const seen = await inside(
      'copies',
      `const mine = { n: 1 }
       storage.put('k', mine); mine.n = 2
       const first = await storage.get('k'); first.n = 3
       return (await storage.get('k')).n`,
    )
    expect(seen).toBe(1)
  })

  test('delete says whether there was anything, also of what is not in memory', async () => {
    await inside('gone', `await storage.put({ a: 1, b: 2, c: 3 })`)
    await forget('gone')
    const seen = await inside(
      'gone',
      `return [await storage.delete('a'), await storage.delete('a'), await storage.delete(['b', 'x']), [...await storage.list()]]`,
    )
    expect(seen).toEqual([true, false, 1, [['c', 3]]])
    await forget('gone')
    expect(await inside('gone', `return [...(await storage.list()).keys()]`)).toEqual(['c'])
  })

  /** Large enough that not all of it comes with the activation. */
  const FILL = `for (let i = 0; i < 300; i++) storage.put('k' + String(i).padStart(3, '0'), { i, pad: 'x'.repeat(400) })`

  test('list gives ranges in order, of a state larger than comes at once, with what is not stored yet', async () => {
    await inside('large', `${FILL}; await storage.put({ '\\u{1F600}': 1, '\\uFFFD': 2 })`)
    await forget('large')
    const seen = await inside(
      'large',
      `storage.put('k0005', 'new'); storage.delete('k001'); storage.put('k298', 'changed')
       const keys = async (options) => [...(await storage.list(options)).keys()].join()
       return [
         await keys({ end: 'k004' }),
         await keys({ prefix: 'k29', reverse: true, limit: 3 }),
         (await storage.list({ start: 'k298' })).get('k298'),
         await keys({ startAfter: 'k298' }),
         (await storage.list()).size,
         await keys({ start: 'k000', limit: 2 }),
         await keys({ prefix: 'none' }),
       ]`,
    )
    expect(seen).toEqual([
      'k000,k0005,k002,k003',
      'k299,k298,k297',
      'changed',
      'k299,\uFFFD,\u{1F600}',
      302,
      'k000,k0005',
      '',
    ])
  })

  test('deleteAll leaves nothing, and what is put after it stays', async () => {
    await inside('clean', FILL)
    await forget('clean')
    await inside('clean', `await storage.deleteAll(); await storage.put('after', 1)`)
    expect(await inside('clean', `return [...await storage.list()]`)).toEqual([['after', 1]])
    await forget('clean')
    expect(
      await inside('clean', `return [...await storage.list(), await storage.get('k001') === undefined]`),
    ).toEqual([['after', 1], true])
  })

  test('a transaction that throws or is rolled back leaves no trace; one that returns is whole', async () => {
    await inside('tx', `await storage.put({ a: 1, b: 1 })`)
    const seen = await inside(
      'tx',
      `const thrown = await storage.transaction(async (txn) => {
         await txn.put('a', 2); await txn.delete('b'); await storage.put('c', 1); await storage.setAlarm(9e12)
         throw new Error('no')
       }).catch((error) => error.message)
       await storage.transaction(async (txn) => { await txn.put('a', 3); txn.rollback() })
       const between = [...await storage.list()]
       const result = await storage.transaction(async (txn) => {
         await txn.put('a', 4); await txn.delete('b')
         return [...await txn.list()]
       })
       return [thrown, between, result, await storage.getAlarm()]`,
    )
    expect(seen).toEqual([
      'no',
      [
        ['a', 1],
        ['b', 1],
      ],
      [['a', 4]],
      null,
    ])
    await forget('tx')
    expect(await inside('tx', `return [...await storage.list()]`)).toEqual([['a', 4]])
  })

  test('transactions do not nest, and are nothing when they are over', async () => {
    const seen = await inside(
      'nest',
      `let kept
       const nested = await storage.transaction(async (txn) => { kept = txn; await storage.transaction(() => 1) }).catch((error) => error.message)
       return [nested, await kept.get('x').catch((error) => error.message), await storage.transaction(() => 7)]`,
    )
    expect(seen).toEqual([expect.stringContaining('do not nest'), expect.stringContaining('over'), 7])
  })

  test('keys and values have limits, in bytes, and what is over them changes nothing', async () => {
    const seen = await inside(
      'limits',
      `const code = (promise) => promise.then(() => 'stored', (error) => error.code ?? error.name)
       return [
         await code(storage.put('é'.repeat(256), 1)), await code(storage.put('é'.repeat(257), 1)),
         await code(storage.put('v', 'x'.repeat(131070))), await code(storage.put('w', 'x'.repeat(131071))),
         await code(storage.put({ good: 1, ['x'.repeat(513)]: 2 })), await code(storage.put('', 1)),
         await code(storage.put('f', () => 1)), await code(storage.put('u')), await code(storage.put(7, 1)),
         [...(await storage.list()).keys()].length,
       ]`,
    )
    const tooLarge = 'VELA_CAPABILITY_BAD_CALL'
    expect(seen).toEqual([
      'stored',
      tooLarge,
      'stored',
      tooLarge,
      tooLarge,
      'TypeError',
      'VELA_VALUE_NOT_CLONEABLE',
      'TypeError',
      'TypeError',
      2,
    ])
  })

  test('an entry that writes more than a call’s arguments hold is stored whole', async () => {
    await inside(
      'huge',
      `for (let i = 0; i < 12; i++) storage.put('k' + i, '"'.repeat(60000)); await storage.sync()`,
    )
    await forget('huge')
    expect(await inside('huge', `return [...await storage.list()].map(([, value]) => value.length)`)).toEqual(
      Array.from({ length: 12 }, () => 60_000),
    )
  })

  test('an alarm is remembered, replaced and deleted', async () => {
    const seen = await inside(
      'alarm',
      `await storage.setAlarm(new Date(9e12)); const first = await storage.getAlarm()
       await storage.setAlarm(8e12); const second = await storage.getAlarm()
       await storage.deleteAlarm(); return [first, second, await storage.getAlarm(), await storage.setAlarm('x').catch((error) => error.name)]`,
    )
    expect(seen).toEqual([9e12, 8e12, null, 'RangeError'])
    await inside('alarm', `await storage.setAlarm(7e12)`)
    await forget('alarm')
    expect(await inside('alarm', `return await storage.getAlarm()`)).toBe(7e12)
  })

  test('a hundred increments at once are a hundred', async () => {
    const last = await actors.run(
      `return Math.max(...await Promise.all(Array.from({ length: 100 }, () => env.A.get('count').increment())))`,
    )
    expect(last).toBe(100)
    await forget('count')
    expect(await actors.ask('count', 'increment')).toEqual({ value: 101 })
  })

  test('what was written before a method threw stays written', async () => {
    expect(await actors.ask('threw', 'throwing')).toMatchObject({ message: 'after a write' })
    await forget('threw')
    expect(await inside('threw', `return await storage.get('kept')`)).toBe(1)
  })

  test('actors of one name in other services and classes meet nothing of it', async () => {
    await actors.ask('same', 'keep', ['secret', 'mine'])
    const other = await deployActors(host, 'globex/store', engine, SOURCE)
    expect(await other.ask('same', 'run', [`return [...await storage.list()]`])).toEqual({ value: [] })
  })
})
