/** The capability: what a guest's calls do, and what they cannot do. */
import { afterAll, describe, expect, test } from 'vitest'
import { openKv } from '../../host/kv/store.ts'
import type { JsonValue } from '../../host/registry/types.ts'
import { brokered, bytes, callOf, guestOf, open, textOf } from './support.ts'

let now = 1_700_000_000_500
const kv = await openKv({ dataDir: null, now: () => now, maxValueBytes: 1_000_000 })
afterAll(() => kv.close())

let tenants = 0
const newTenant = (): string => `tenant-${++tenants}`

describe('a guest', () => {
  test('puts, gets, lists and deletes with the names and shapes of Workers KV', async () => {
    const guest = guestOf(kv, `${newTenant()}/shop`)
    expect(await guest.call('get', ['key'])).toEqual({ value: null, bytes: bytes('') })
    const put = await guest.call('put', ['key', { metadata: { a: 1 }, expirationTtl: 60 }], bytes('välue'))
    const { version } = put.value as { version: number }
    const expiration = 1_700_000_061
    expect(await guest.call('get', ['key'])).toEqual({
      value: { metadata: { a: 1 }, version, expiration },
      bytes: bytes('välue'),
    })
    await guest.call('put', ['plain', null], undefined)
    expect(await guest.call('getMany', [['plain', 'none', 'key']])).toEqual({
      value: [
        { size: 0, metadata: null, version: version + 1, expiration: null },
        null,
        { size: 6, metadata: { a: 1 }, version, expiration },
      ],
      bytes: bytes('välue'),
    })
    expect((await guest.call('list')).value).toEqual({
      keys: [
        { name: 'key', version, expiration, metadata: { a: 1 } },
        { name: 'plain', version: version + 1 },
      ],
      list_complete: true,
    })
    now += 60_000
    expect((await guest.call('get', ['key'])).value).toBeNull()
    expect((await guest.call('delete', ['plain'])).value).toEqual({ deleted: true })
    expect((await guest.call('delete', ['plain', {}])).value).toEqual({ deleted: false })
    await guest.call('put', ['until', { expiration: Math.ceil(now / 1000) + 1, expirationTtl: null }])
    expect((await guest.call('get', ['until'])).value).toMatchObject({
      expiration: Math.ceil(now / 1000) + 1,
    })
  })

  test('pages with a cursor, and is refused one that no list returned', async () => {
    const guest = guestOf(kv, `${newTenant()}/shop`)
    for (const key of ['a', 'b', 'c']) await guest.call('put', [key])
    const first = (await guest.call('list', [{ limit: 2 }])).value as { cursor: string }
    expect(first).toMatchObject({ keys: [{ name: 'a' }, { name: 'b' }], list_complete: false })
    const rest = await guest.call('list', [{ limit: 2, cursor: first.cursor }])
    expect(rest.value).toMatchObject({ keys: [{ name: 'c' }], list_complete: true })
    expect(rest.value).not.toHaveProperty('cursor')
    for (const cursor of ['?', 'gIA', 'YQ==', 7])
      await expect(guest.call('list', [{ cursor }])).rejects.toMatchObject({ code: 'VELA_KV_BAD_REQUEST' })
  })

  test('compares and sets with ifVersion, null and 0 for a key that is not there', async () => {
    const guest = guestOf(kv, `${newTenant()}/shop`)
    const conflict = { code: 'VELA_KV_CONFLICT' }
    const { version } = (await guest.call('put', ['key', { ifVersion: null }])).value as { version: number }
    await expect(guest.call('put', ['key', { ifVersion: null }])).rejects.toMatchObject(conflict)
    await expect(guest.call('put', ['key', { ifVersion: 0 }])).rejects.toMatchObject({
      ...conflict,
      message: `The key is at version ${version}.`,
    })
    await expect(guest.call('delete', ['key', { ifVersion: version + 1 }])).rejects.toMatchObject(conflict)
    await guest.call('put', ['key', { ifVersion: version }])
    await expect(guest.call('delete', ['key', { ifVersion: version }])).rejects.toMatchObject(conflict)
  })

  test.each<[string, JsonValue[]]>([
    ['get', []],
    ['get', [['key']]],
    ['get', [{ toString: 'key' }]],
    ['get', ['']],
    ['get', ['k'.repeat(513)]],
    ['get', ['\ud800']],
    ['getMany', ['key']],
    ['getMany', [Array.from({ length: 101 }, () => 'key')]],
    ['getMany', [['key', null]]],
    ['put', [null]],
    ['put', ['key', 'options']],
    ['put', ['key', []]],
    ['put', ['key', { expirationTtl: 0.5 }]],
    ['put', ['key', { expirationTtl: '60' }]],
    ['put', ['key', { expirationTtl: 1e300 }]],
    ['put', ['key', { expiration: 1 }]],
    ['put', ['key', { expiration: 'tomorrow' }]],
    ['put', ['key', { metadata: 'm'.repeat(1023) }]],
    ['put', ['key', { ifVersion: '1' }]],
    ['put', ['key', { ifVersion: -1 }]],
    ['delete', ['key', 7]],
    ['list', [{ limit: 0 }]],
    ['list', [{ limit: 1e9 }]],
    ['list', [{ limit: '10' }]],
    ['list', [{ prefix: 7 }]],
    ['list', [{ prefix: '\udc00' }]],
    ['list', ['prefix']],
  ])('is refused %s(%j) with VELA_KV_BAD_REQUEST', async (method, args) => {
    const guest = guestOf(kv, `${newTenant()}/shop`)
    await expect(guest.call(method, args, bytes('x'))).rejects.toMatchObject({ code: 'VELA_KV_BAD_REQUEST' })
    expect((await guest.call('list')).value).toEqual({ keys: [], list_complete: true })
  })

  test('finds no method but these, whatever the name', async () => {
    const guest = guestOf(kv, `${newTenant()}/shop`)
    for (const method of ['', 'retire', 'constructor', '__proto__', 'toString', 'usage', 'deleteTenant'])
      await expect(guest.call(method, ['key'])).rejects.toMatchObject({ code: 'VELA_METHOD_NOT_FOUND' })
  })

  test('with a binding that only reads cannot write', async () => {
    const tenant = newTenant()
    await guestOf(kv, `${tenant}/shop`).call('put', ['key'], bytes('x'))
    const reader = guestOf(kv, `${tenant}/shop`, { R: { access: 'read' } })
    expect((await reader.call('get', ['key'])).bytes).toEqual(bytes('x'))
    const denied = { code: 'VELA_CAPABILITY_DENIED' }
    await expect(reader.call('put', ['key'], bytes('y'))).rejects.toMatchObject(denied)
    await expect(reader.call('delete', ['key'])).rejects.toMatchObject(denied)
    expect((await reader.call('get', ['key'])).bytes).toEqual(bytes('x'))
  })

  test('shares a namespace with services of its tenant that name it, and with nobody else', async () => {
    const [mine, other] = [newTenant(), newTenant()]
    const asked = { CARTS: { namespace: 'carts' } }
    await guestOf(kv, `${mine}/shop`, asked).call('put', ['key'], bytes('mine'))
    expect((await guestOf(kv, `${mine}/mail`, asked).call('get', ['key'])).bytes).toEqual(bytes('mine'))
    expect((await guestOf(kv, `${mine}/shop`).call('get', ['key'])).value).toBeNull()
    expect((await guestOf(kv, `${mine}/carts`).call('get', ['key'])).bytes).toEqual(bytes('mine'))
    expect((await guestOf(kv, `${other}/shop`, asked).call('get', ['key'])).value).toBeNull()
    expect((await guestOf(kv, `${other}/carts`).call('list')).value).toMatchObject({ keys: [] })
  })

  test('learns nothing of the host when the store fails', async () => {
    const store = await open()
    const guest = brokered(store)
    await guest('put', ['key'])
    await store.close()
    for (const method of ['get', 'put', 'delete', 'list']) {
      const args = method === 'list' ? [] : ['key']
      await expect(guest(method, args)).rejects.toMatchObject({
        code: 'VELA_STORE_FAILED',
        message: 'The store could not read or write',
      })
    }
  })
})

describe('a prefix', () => {
  const keys = ['a', 'a/', 'a/b', 'a/\u{10ffff}', 'a0', '../a', 'b', 'ä/b', 'a\0', '\0', '\uffff', 'a/../b']

  test('cannot be left by any key, prefix or cursor', async () => {
    const tenant = newTenant()
    const whole = guestOf(kv, `${tenant}/shop`)
    for (const key of keys) await whole.call('put', [key], bytes(`of ${key}`))
    const inner = guestOf(kv, `${tenant}/shop`, { EU: { prefix: 'a/' } })
    const seen = keys.filter((key) => key.startsWith('a/') && key !== 'a/')
    const hostile = [
      '',
      '..',
      '../',
      '../a',
      '/',
      '\0',
      'a',
      'a/',
      'b',
      '\u{10ffff}',
      '__proto__',
      '%2e%2e/',
      'a/../..',
    ]
    const cursorOf = (text: string): string => Buffer.from(text).toString('base64url')
    for (const name of [...hostile, ...keys]) {
      if (name !== '') {
        const expected = keys.includes(`a/${name}`) ? `of a/${name}` : ''
        expect([name, (await inner.call('get', [name])).bytes.toString()]).toEqual([name, expected])
      }
      for (const reverse of [false, true]) {
        const listed = await inner.call('list', [{ prefix: '', cursor: cursorOf(name), reverse }])
        const narrowed = await inner.call('list', [{ prefix: name, reverse }])
        for (const { value } of [listed, narrowed]) {
          for (const { name: found } of (value as { keys: { name: string }[] }).keys)
            expect(['', ...seen.map((key) => key.slice(2))]).toContain(found)
        }
      }
    }
    expect((await inner.call('getMany', [['b', '../b', 'a/b']])).value).toMatchObject([{}, { size: 9 }, null])
    for (const name of hostile.filter((name) => name !== '')) {
      await inner.call('put', [name], bytes('inner'))
      await inner.call('delete', [name])
    }
    const namespace = kv.namespace(tenant, 'shop')
    for (const key of keys.filter((key) => !key.startsWith('a/')))
      expect([key, await textOf(namespace, key)]).toEqual([key, `of ${key}`])
  })

  test('and a key cannot make one letter of two halves at their seam, and count together', async () => {
    const tenant = newTenant()
    expect(() => guestOf(kv, `${tenant}/shop`, { A: { prefix: '\ud83d' } })).toThrow(/surrogates/)
    const inner = guestOf(kv, `${tenant}/shop`, { A: { prefix: 'p'.repeat(256) } })
    await inner.call('put', ['k'.repeat(256)])
    await expect(inner.call('put', ['k'.repeat(257)])).rejects.toMatchObject({ code: 'VELA_KV_BAD_REQUEST' })
  })
})

describe('large values that a guest does not read', () => {
  test('are refused beyond its share, and given back when read, given up, aborted or closed', async () => {
    const tenant = newTenant()
    const guest = guestOf(kv, `${tenant}/shop`)
    const value = Buffer.alloc(1_000_000, 'v')
    await guest.call('put', ['key'], value)
    const hold = async (signal?: AbortSignal): Promise<AsyncIterable<Uint8Array>> => {
      const { body } = await guest.capability.call(callOf('get', ['key'], undefined, signal))
      return body as AsyncIterable<Uint8Array>
    }
    const fill = async (): Promise<AsyncIterable<Uint8Array>[]> => {
      const aborter = new AbortController()
      const held = [await hold(), await hold(), await hold(), await hold(aborter.signal)]
      await expect(hold()).rejects.toMatchObject({ code: 'VELA_TENANT_QUOTA_EXCEEDED' })
      expect(await textOf(kv.namespace('tenant-beside', 'shop'), 'key')).toBeNull()
      aborter.abort()
      held[3] = await hold()
      return held
    }
    const held = await fill()
    expect(Buffer.concat(await Array.fromAsync(held[0] ?? [])).equals(value)).toBe(true)
    for (const body of held.slice(1)) await body[Symbol.asyncIterator]().return?.()
    await fill()
    guest.capability.close()
    await fill()
  })
})
