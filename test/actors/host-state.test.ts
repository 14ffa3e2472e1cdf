/** State as a guest's kernel reads and writes it through its grant; the guest may send anything. */
import { expect, test } from 'vitest'
import { createActorsKind } from '../../host/capabilities/actors.ts'
import { AskProblem } from '../../host/capabilities/capability.ts'
import { MAX_DEAD_LETTERS, MEBIBYTE } from '../../host/concurrency/actors/types.ts'
import type { JsonValue } from '../../host/registry/types.ts'
import { callOf, cart, change, codeOf, guestAt, makeHome, makeStage } from './host-support.ts'

const activated = async (
  options: Parameters<typeof guestAt>[2] = {},
): Promise<{
  stage: Awaited<ReturnType<typeof makeStage>>
  home: ReturnType<typeof makeHome>
  guest: ReturnType<typeof guestAt>
  epoch: number
}> => {
  const stage = await makeStage()
  const home = makeHome()
  stage.homes.push(home)
  const guest = guestAt(stage, home, options)
  const sent = (await guest('ask', 'ann', 'get', '[]', {})) as unknown as { here: { epoch: number } }
  return { stage, home, guest, epoch: sent.here.epoch }
}

test('a change is put, deleted and replaced as a whole', async () => {
  const { stage, guest, epoch } = await activated()
  await guest('write', 'ann', epoch, change({ a: '1', b: '2', c: '3' }))
  await guest('write', 'ann', epoch, change({ d: '4' }, { deletes: ['a', 'never'] }))
  expect(await guest('read', 'ann', epoch, ['a', 'b', 'd'])).toEqual([
    ['b', '2'],
    ['d', '4'],
  ])
  await guest('write', 'ann', epoch, change({ e: '5' }, { deleteAll: true, version: 2 }))
  expect(await stage.store.load(cart('ann'))).toMatchObject({ version: 2, entries: [['e', '5']] })
})

test('a list keeps the order of bytes, its range and its limit', async () => {
  const { guest, epoch } = await activated()
  await guest('write', 'ann', epoch, change({ b: '2', a: '1', 'a/2': '5', 'a/1': '4', é: '6', c: '3' }))
  const keys = async (range: JsonValue): Promise<string[]> =>
    ((await guest('list', 'ann', epoch, range)) as [string, string][]).map(([key]) => key)
  expect(await keys({})).toEqual(['a', 'a/1', 'a/2', 'b', 'c', 'é'])
  expect(await keys({ reverse: true, limit: 2 })).toEqual(['é', 'c'])
  expect(await keys({ prefix: 'a/' })).toEqual(['a/1', 'a/2'])
  expect(await keys({ start: 'a/2', end: 'c' })).toEqual(['a/2', 'b'])
  expect(await keys({ prefix: 'a', start: 'a/1', end: 'b', reverse: true })).toEqual(['a/2', 'a/1'])
  expect(await keys({ start: 'z', end: 'a' })).toEqual([])
})

test('a list over many pages of the store has every key once', async () => {
  const { guest, epoch } = await activated()
  const names = Array.from({ length: 300 }, (_, index) => `k${String(index).padStart(4, '0')}`)
  await guest('write', 'ann', epoch, change(Object.fromEntries(names.map((name) => [name, '1']))))
  const list = (await guest('list', 'ann', epoch, { limit: 1000 })) as [string, string][]
  expect(list.map(([key]) => key)).toEqual(names)
  const back = (await guest('list', 'ann', epoch, { limit: 250, reverse: true })) as [string, string][]
  expect(back.map(([key]) => key)).toEqual(names.toReversed().slice(0, 250))
})

test('small state comes whole with the activation, larger state is read by key', async () => {
  const { stage, guest, epoch } = await activated()
  await guest('write', 'ann', epoch, change({ a: JSON.stringify('x'.repeat(60_000)) }))
  expect((await stage.store.load(cart('ann'))).entries).toHaveLength(1)
  await guest('write', 'ann', epoch, change({ b: JSON.stringify('x'.repeat(10_000)) }))
  expect(await stage.store.load(cart('ann'))).toMatchObject({ complete: false, entries: [], version: 1 })
  expect(await guest('read', 'ann', epoch, ['b'])).toHaveLength(1)
})

test('a change that is too long for an argument comes as a body', async () => {
  const { home, stage, guest, epoch } = await activated()
  const big = change(Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`k${i}`, 'x'.repeat(100_000)])))
  const capability = createActorsKind(stage.actors).open(
    { class: 'Cart', service: null, quotaMb: null },
    { tenant: 'acme', service: 'shop', version: 'v1' },
  )
  const parts = async function* (): AsyncGenerator<Buffer> {
    const bytes = Buffer.from(JSON.stringify(big))
    for (let at = 0; at < bytes.length; at += 65_536) yield Promise.resolve(bytes.subarray(at, at + 65_536))
  }
  await capability.call(callOf(home, 'write', ['ann', epoch, null], { body: parts() }))
  expect(await guest('list', 'ann', epoch, {})).toHaveLength(20)
  const endless = async function* (): AsyncGenerator<Buffer> {
    for (;;) yield Promise.resolve(Buffer.alloc(MEBIBYTE, 0x20))
  }
  const call = callOf(home, 'write', ['ann', epoch, null], { body: endless() })
  expect(await codeOf(Promise.resolve(capability.call(call)))).toBe('VELA_CAPABILITY_BAD_CALL')
})

test('more than an answer may hold is refused, not sent', async () => {
  const { guest, epoch } = await activated()
  const large = (from: number): JsonValue =>
    change(Object.fromEntries(Array.from({ length: 7 }, (_, i) => [`k${from + i}`, 'x'.repeat(130_000)])))
  for (let from = 0; from < 42; from += 7) await guest('write', 'ann', epoch, large(from))
  const keys = Array.from({ length: 42 }, (_, i) => `k${i}`)
  expect(await codeOf(guest('read', 'ann', epoch, keys))).toBe('VELA_CAPABILITY_BAD_CALL')
  expect(await codeOf(guest('list', 'ann', epoch, {}))).toBe('VELA_CAPABILITY_BAD_CALL')
  expect(await guest('list', 'ann', epoch, { limit: 30 })).toHaveLength(30)
})

const HOSTILE: readonly (readonly [method: string, ...args: JsonValue[]])[] = [
  ['ask'],
  ['ask', 7, 'get', '[]'],
  ['ask', '', 'get', '[]'],
  ['ask', 'x'.repeat(513), 'get', '[]'],
  ['ask', '\ud800', 'get', '[]'],
  ['ask', 'bob', 'no method', '[]'],
  ['ask', 'bob', { toString: 'get' }, '[]'],
  ['ask', 'bob', 'get', ['[]']],
  ['ask', 'bob', 'get', '[]', []],
  ['ask', 'bob', 'get', '[]', { priority: 11 }],
  ['ask', 'bob', 'get', '[]', { priority: 0.5 }],
  ['ask', 'bob', 'get', '[]', { deadlineMs: -1 }],
  ['ask', 'bob', 'get', '[]', { deadlineMs: 'soon' }],
  ['write', 'ann', 'EPOCH', []],
  ['write', 'ann', 'EPOCH', { puts: {} }],
  ['write', 'ann', 'EPOCH', { puts: [['a']] }],
  ['write', 'ann', 'EPOCH', { puts: [['a', 7]] }],
  ['write', 'ann', 'EPOCH', { puts: [['', '1']] }],
  ['write', 'ann', 'EPOCH', { puts: [['a', '\ud800']] }],
  ['write', 'ann', 'EPOCH', { puts: [['a', '\u0000']] }],
  ['write', 'ann', 'EPOCH', { puts: [['k'.repeat(513), '1']] }],
  ['write', 'ann', 'EPOCH', { puts: [['a', 'x'.repeat(131_073)]] }],
  ['write', 'ann', 'EPOCH', { deletes: [null] }],
  ['write', 'ann', 'EPOCH', { version: 0.5 }],
  ['write', 'ann', 'EPOCH', { alarmMs: 1e300 }],
  ['write', 'ann', 'EPOCH', null],
  ['write', 'ann', 1.5, { puts: [] }],
  ['read', 'ann', 'EPOCH', 'a'],
  ['read', 'ann', 'EPOCH', Array.from({ length: 129 }, () => 'a')],
  ['list', 'ann', 'EPOCH', { limit: 0 }],
  ['list', 'ann', 'EPOCH', { start: 7 }],
  ['dead', 'ann', 7, 'threw', null],
  ['constructor'],
  ['__proto__'],
  ['nonsense', 'ann'],
]

test('whatever else a guest sends is refused as a bad call, and changes nothing', async () => {
  const { stage, guest, epoch } = await activated()
  for (const [method, ...args] of HOSTILE) {
    const filled = args.map((arg) => (arg === 'EPOCH' ? epoch : arg))
    expect([method, args, await codeOf(guest(method, ...filled))]).toEqual([
      method,
      args,
      'VELA_CAPABILITY_BAD_CALL',
    ])
  }
  expect(await stage.store.load(cart('ann'))).toMatchObject({ version: null, entries: [] })
  expect(await stage.store.usage('acme')).toEqual({ bytes: 0, actors: 0 })
})

test('the binding to another service’s class cannot touch state', async () => {
  const { stage, home, epoch } = await activated()
  const other = guestAt(stage, home, { service: 'acme/shop' })
  for (const method of ['read', 'list', 'write', 'released', 'dead'])
    expect(await codeOf(other(method, 'ann', epoch, {}))).toBe('VELA_CAPABILITY_BAD_CALL')
})

test('names with slashes, NULs and __proto__ are names like others', async () => {
  const { stage, home, guest } = await activated()
  const names = ['a/b', 'a', '../x', '__proto__', 'nul\u0000', 'é', 'shop/Cart/ann']
  for (const [index, name] of names.entries()) {
    const sent = (await guest('ask', name, 'get', '[]', {})) as unknown as { here: { epoch: number } }
    await guest('write', name, sent.here.epoch, change({ '__proto__/k': String(index) }))
    expect(await guest('read', name, sent.here.epoch, ['__proto__/k'])).toEqual([
      ['__proto__/k', String(index)],
    ])
  }
  home.kill()
  for (const [index, name] of names.entries())
    expect((await stage.store.load(cart(name))).entries).toEqual([['__proto__/k', String(index)]])
})

test('the tenant’s quota holds over all its actors, counts a key once, and gives room back', async () => {
  const { stage, guest, epoch } = await activated({ quotaMb: 0.001 })
  expect(await codeOf(guest('write', 'ann', epoch, change({ a: 'x'.repeat(900) })))).toBe(
    'VELA_ACTOR_QUOTA_EXCEEDED',
  )
  expect(await stage.store.usage('acme')).toEqual({ bytes: 0, actors: 0 })
  await guest('write', 'ann', epoch, change({ a: 'x'.repeat(700) }))
  const { bytes } = await stage.store.usage('acme')
  // The same key many times over: neither more nor less than one of it.
  const lying = { puts: [], deletes: ['a', 'a', 'a', 'a'], version: 1 }
  await guest('write', 'ann', epoch, change({ b: '1' }))
  await guest('write', 'ann', epoch, lying)
  const left = await stage.store.usage('acme')
  expect(left.bytes).toBeLessThan(bytes)
  expect(left.bytes).toBeGreaterThan(0)
  const twice: JsonValue = {
    version: 1,
    puts: [
      ['c', 'x'.repeat(600)],
      ['c', 'y'],
    ],
    deletes: ['b', 'c'],
  }
  await guest('write', 'ann', epoch, twice)
  expect(await guest('list', 'ann', epoch, {})).toEqual([['c', 'y']])
  await guest('write', 'ann', epoch, { version: 1, deleteAll: true })
  expect(await stage.store.usage('acme')).toEqual({ bytes: 0, actors: 0 })
})

test('dead letters are kept, the latest first and no more than a thousand of a service', async () => {
  const { stage, guest } = await activated()
  const sent = Array.from({ length: MAX_DEAD_LETTERS + 5 }, (_, index) =>
    guest('dead', 'ann', `m${index}`, 'threw', index % 2 === 0 ? `[${index}]` : 'x'.repeat(10_000)),
  )
  await Promise.all(sent)
  const letters = await stage.actors.deadLetters('acme', 'shop', 5000)
  expect(letters).toHaveLength(MAX_DEAD_LETTERS)
  expect(letters[0]).toMatchObject({
    class: 'Cart',
    name: 'ann',
    method: `m${MAX_DEAD_LETTERS + 4}`,
    reason: 'threw',
    args: `[${MAX_DEAD_LETTERS + 4}]`,
  })
  expect(letters[1]?.args).toBeNull()
  expect(await stage.actors.status('acme', 'shop')).toMatchObject({
    active: { Cart: 1 },
    deadLetters: MAX_DEAD_LETTERS,
  })
})

test('what a manifest may ask for, and what a policy makes of it', async () => {
  const kind = createActorsKind((await makeStage()).actors)
  const place = { tenant: 'acme', service: 'shop', version: 'v1' }
  expect(kind.parse({ CART: { class: 'Cart' }, MAIL: { class: 'Box', service: 'globex/mail' } })).toEqual([
    {
      name: 'CART',
      options: { class: 'Cart', service: null, quotaMb: null },
      guest: { class: 'Cart', own: true },
    },
    {
      name: 'MAIL',
      options: { class: 'Box', service: 'globex/mail', quotaMb: null },
      guest: { class: 'Box', own: false },
    },
  ])
  for (const asked of [
    true,
    [],
    { CART: 'Cart' },
    { CART: {} },
    { CART: { class: 'no class' } },
    { CART: { class: 'Cart', service: 'a/b/c' } },
    { CART: { class: 'Cart', service: '../mail' } },
    { CART: { class: 'Cart', extra: 1 } },
  ] as JsonValue[])
    expect(() => kind.parse(asked)).toThrow(AskProblem)
  const own = { class: 'Cart', service: null, quotaMb: null }
  const foreign = { class: 'Box', service: 'globex/mail', quotaMb: null }
  expect(kind.narrow(own, {}, place)).toEqual(own)
  expect(kind.narrow({ ...own, service: 'mail' }, {}, place)).toMatchObject({ service: 'mail' })
  expect(kind.narrow(foreign, {}, place)).toHaveProperty('refused')
  expect(kind.narrow(foreign, { services: ['globex/shop'] }, place)).toHaveProperty('refused')
  expect(kind.narrow(foreign, { services: ['globex/*'] }, place)).toEqual(foreign)
  expect(kind.narrow(own, { quotaMb: 2 }, place)).toEqual({ ...own, quotaMb: 2 })
  expect(kind.checkPolicy({ quotaMb: -1 })).toContain('quotaMb')
  expect(kind.checkPolicy({ quotaMb: 5, services: ['a/b'] })).toBeUndefined()
})
