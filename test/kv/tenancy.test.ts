/** Between tenants: names that are equal never meet, quotas are each tenant's own, and nobody waits long for another. */
import { afterAll, describe, expect, test } from 'vitest'
import { openKv } from '../../host/kv/store.ts'
import { KEY_OVERHEAD_BYTES } from '../../host/kv/types.ts'
import { makeDataDir } from '../data-dir.ts'
import { bytes, open, textOf } from './support.ts'

const store = await openKv({ dataDir: null })
afterAll(() => store.close())

let tenants = 0
const newTenant = (): string => `tenant-${++tenants}`

describe('equal names', () => {
  test('of tenants and of namespaces never meet, from memory or from the disk', async () => {
    for (const cacheBytes of [0, 1_000_000]) {
      const store = await open({ cacheBytes })
      const places = ['acme', 'globex', 'a', 'shop'].flatMap((tenant) =>
        ['shop', 'acme', 'a'].map((name) => store.namespace(tenant, name)),
      )
      for (const namespace of places)
        for (const key of ['key', 'shop', 'a\0key']) expect(await namespace.get(key)).toBeNull()
      await Promise.all(places.map((place) => place.put('key', bytes(`${place.tenant}/${place.name}`))))
      for (const place of places) {
        expect(await textOf(place, 'key')).toBe(`${place.tenant}/${place.name}`)
        expect((await place.list()).keys).toHaveLength(1)
      }
      for (const name of ['shop', 'acme', 'a'])
        expect(await store.namespace('late', name).get('key')).toBeNull()
      await store.namespace('acme', 'shop').delete('key')
      expect(await textOf(store.namespace('globex', 'shop'), 'key')).toBe('globex/shop')
      expect(await textOf(store.namespace('acme', 'acme'), 'key')).toBe('acme/acme')
    }
  })

  test('of the same tenant are one namespace', async () => {
    await store.namespace('acme', 'carts').put('key', bytes('shared'))
    expect(await textOf(store.namespace('acme', 'carts'), 'key')).toBe('shared')
  })

  test.each(['', '..', 'a/b', 'a\0b', 'A', '__proto__', 'a'.repeat(64), 'a.b', '*'])(
    'like %j are none',
    (name) => {
      expect(() => store.namespace('acme', name)).toThrow(/is not a namespace name/)
      expect(() => store.namespace(name, 'shop')).toThrow(/is not a tenant name/)
    },
  )
})

describe('the quota', () => {
  const refusal = { code: 'VELA_KV_QUOTA_EXCEEDED' }
  const quotaBytes = 1000

  test('counts keys, values and metadata of all namespaces of the tenant, and of no other', async () => {
    const tenant = newTenant()
    const [one, two] = [store.namespace(tenant, 'one'), store.namespace(tenant, 'two')]
    const room = quotaBytes - 2 * KEY_OVERHEAD_BYTES - 'k'.length * 2
    await one.put('k', Buffer.alloc(room - 100), { quotaBytes })
    await expect(two.put('k', Buffer.alloc(101), { quotaBytes })).rejects.toMatchObject(refusal)
    await expect(
      two.put('k', Buffer.alloc(90), { quotaBytes, metadata: 'a'.repeat(9) }),
    ).rejects.toMatchObject(refusal)
    await two.put('k', Buffer.alloc(90), { quotaBytes, metadata: 'a'.repeat(8) })
    expect(await store.usage(tenant)).toEqual({ bytes: quotaBytes, keys: 2 })
    await store.namespace(newTenant(), 'one').put('k', Buffer.alloc(800), { quotaBytes })
    await expect(one.put('l', Buffer.alloc(0), { quotaBytes })).rejects.toMatchObject(refusal)
    await one.put('k', Buffer.alloc(room - 100), { quotaBytes })
    await two.delete('k')
    await one.put('l', Buffer.alloc(90), { quotaBytes })
    expect((await store.usage(tenant)).keys).toBe(2)
  })

  test('is kept by many writers at once, and its count is right after all of them', async () => {
    const tenant = newTenant()
    const namespace = store.namespace(tenant, 'shop')
    const size = KEY_OVERHEAD_BYTES + 3 + 10
    const outcomes = await Promise.allSettled(
      Array.from({ length: 100 }, (_, index) =>
        namespace.put(`k${String(index).padStart(2, '0')}`, Buffer.alloc(10), { quotaBytes }),
      ),
    )
    const stored = outcomes.filter((outcome) => outcome.status === 'fulfilled').length
    expect(stored).toBe(Math.floor(quotaBytes / size))
    expect(await store.usage(tenant)).toEqual({ bytes: stored * size, keys: stored })
    expect((await namespace.list()).keys).toHaveLength(stored)
  })

  test('does not count what has expired against who wants to write', async () => {
    let now = 1_000_000
    const store = await open({ now: () => now })
    const namespace = store.namespace('acme', 'shop')
    await namespace.put('brief', Buffer.alloc(800), { quotaBytes, ttlMs: 1000 })
    await expect(namespace.put('next', Buffer.alloc(800), { quotaBytes })).rejects.toMatchObject(refusal)
    now += 1000
    await namespace.put('next', Buffer.alloc(800), { quotaBytes })
    expect((await store.usage('acme')).keys).toBe(1)
  })

  test('that was lowered lets a tenant make room', async () => {
    const tenant = newTenant()
    const namespace = store.namespace(tenant, 'shop')
    await namespace.put('key', Buffer.alloc(5000))
    await namespace.put('key', Buffer.alloc(4000), { quotaBytes })
    await expect(namespace.put('key', Buffer.alloc(4001), { quotaBytes })).rejects.toMatchObject(refusal)
  })

  test('bounds namespaces too', async () => {
    const tenant = newTenant()
    const outcomes = await Promise.allSettled(
      Array.from({ length: 101 }, (_, index) => store.namespace(tenant, `n${index}`).put('k', bytes('x'))),
    )
    expect(outcomes.filter((outcome) => outcome.status === 'rejected')).toMatchObject([{ reason: refusal }])
  })
})

describe('a deleted tenant', () => {
  test('leaves nothing to a tenant of its name, nor to those who still hold its namespaces', async () => {
    const dataDir = await makeDataDir()
    const store = await open({ dataDir })
    const old = store.namespace('acme', 'shop')
    await Promise.all(Array.from({ length: 600 }, (_, index) => old.put(`key ${index}`, Buffer.alloc(100))))
    await store.namespace('globex', 'shop').put('key', bytes('other'))
    const late = old.put('late', bytes('x'))
    const deleting = store.deleteTenant('acme')
    const gone = { code: 'VELA_TENANT_NOT_FOUND' }
    await expect(async () => old.get('key 1')).rejects.toMatchObject(gone)
    await expect(old.put('key 1', bytes('x'))).rejects.toMatchObject(gone)
    await expect(old.list()).rejects.toMatchObject(gone)
    await Promise.all([late, deleting])
    const fresh = store.namespace('acme', 'shop')
    expect(await fresh.get('key 1')).toBeNull()
    expect(await fresh.get('late')).toBeNull()
    expect((await fresh.list()).keys).toEqual([])
    expect(await store.usage('acme')).toEqual({ bytes: 0, keys: 0 })
    await fresh.put('key', bytes('mine'))
    await store.sweep()
    expect(await textOf(fresh, 'key')).toBe('mine')
    expect(await store.tenants()).toEqual(['acme', 'globex'])
    await store.close()

    const again = await open({ dataDir })
    const { keys } = await again.namespace('acme', 'shop').list()
    expect(keys.map(({ name }) => name)).toEqual(['key'])
    expect(await textOf(again.namespace('globex', 'shop'), 'key')).toBe('other')
  })

  test('cannot be brought back by a value that was still arriving', async () => {
    const store = await open()
    const { promise: gate, resolve: pass } = Promise.withResolvers<void>()
    async function* slow(): AsyncGenerator<Uint8Array> {
      yield bytes('late')
      await gate
    }
    const putting = store.namespace('acme', 'shop').put('key', slow())
    await store.deleteTenant('acme')
    pass()
    await expect(putting).rejects.toMatchObject({ code: 'VELA_TENANT_NOT_FOUND' })
    expect(await store.tenants()).toEqual([])
  })
})

describe('a tenant that writes much', () => {
  test('delays the call of another by a turn, not by all that it has waiting', async () => {
    const loud = store.namespace('loud', 'shop')
    const quiet = store.namespace('quiet', 'shop')
    await Promise.all([loud.put('key', bytes('x')), quiet.put('key', bytes('x'))])
    let stored = 0
    const value = Buffer.alloc(4096)
    const writing = Array.from({ length: 3000 }, (_, index) =>
      loud.put(`key ${index}`, value).then(() => (stored += 1)),
    )
    await quiet.put('key', bytes('y'))
    expect(stored).toBeLessThan(1500)
    await Promise.all(writing)
    expect(stored).toBe(3000)
  })

  test('is refused what the host would have to hold beyond its share, typed, and can go on when it has ended', async () => {
    const store = await open({ maxValueBytes: 100_000 })
    const loud = store.namespace('loud', 'shop')
    const outcomes = Promise.allSettled(
      Array.from({ length: 10 }, (_, index) => loud.put(`key ${index}`, Buffer.alloc(100_000))),
    )
    await store.namespace('quiet', 'shop').put('key', Buffer.alloc(100_000))
    const refused = (await outcomes).filter((outcome) => outcome.status === 'rejected')
    expect(refused).toHaveLength(6)
    expect(refused[0]).toMatchObject({ reason: { code: 'VELA_TENANT_QUOTA_EXCEEDED' } })
    await loud.put('key', Buffer.alloc(100_000))
    const many = await Promise.allSettled(Array.from({ length: 6000 }, () => loud.put('key', bytes('x'))))
    const over = many.filter((outcome) => outcome.status === 'rejected')
    expect(over.length).toBeGreaterThan(1000)
    expect(over[0]).toMatchObject({ reason: { code: 'VELA_TENANT_QUOTA_EXCEEDED' } })
    expect(await textOf(loud, 'key')).toBe('x')
  })
})
