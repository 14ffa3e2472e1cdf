/** What a namespace keeps, and in which order its calls take effect. */
import { afterAll, describe, expect, test } from 'vitest'
import { openKv } from '../../host/kv/store.ts'
import { MAX_METADATA_BYTES } from '../../host/kv/types.ts'
import type { KvNamespace } from '../../host/kv/types.ts'
import type { JsonValue } from '../../host/registry/types.ts'
import { makeDataDir } from '../data-dir.ts'
import { bytes, decode, open, textOf } from './support.ts'

const shared = await openKv({ dataDir: null })
afterAll(() => shared.close())

let tenants = 0
/** Of a tenant that nobody else has. */
const space = (): KvNamespace => shared.namespace(`tenant-${++tenants}`, 'shop')

describe('a value', () => {
  test('comes back byte for byte, from the disk and from memory, whatever its bytes and size', async () => {
    const store = await open({ cacheBytes: 0 })
    const all = Buffer.from(Array.from({ length: 256 }, (_, index) => index))
    for (const value of [
      Buffer.alloc(0),
      all,
      Buffer.alloc(65_536, 1),
      Buffer.alloc(65_537, 2),
      Buffer.alloc(3_000_000, 'ab'),
    ]) {
      for (const namespace of [store.namespace('acme', 'shop'), space()]) {
        await namespace.put('key', value)
        const entry = await namespace.get('key')
        expect(Buffer.compare(entry?.value ?? bytes('gone'), value)).toBe(0)
      }
    }
  })

  test('is what was given at the call, also if the caller uses its buffer again', async () => {
    const namespace = space()
    const buffer = bytes('before')
    const putting = namespace.put('key', buffer)
    buffer.write('after!')
    await putting
    expect(await textOf(namespace, 'key')).toBe('before')
  })

  test('may come in parts, and takes effect when it is whole', async () => {
    const namespace = space()
    await namespace.put('key', bytes('old'))
    const { promise: gate, resolve: pass } = Promise.withResolvers<void>()
    async function* parts(): AsyncGenerator<Uint8Array> {
      yield bytes('ne')
      await gate
      yield bytes('w')
    }
    const putting = namespace.put('key', parts())
    expect(await textOf(namespace, 'key')).toBe('old')
    pass()
    await putting
    expect(await textOf(namespace, 'key')).toBe('new')
  })

  test('carries metadata, and a version that grows with every put of the tenant, after a delete too', async () => {
    const namespace = space()
    const metadata: JsonValue = { __proto__x: 1, list: [null, 'ü', 1.5], ['__proto__']: 'own' }
    const first = await namespace.put('key', bytes('1'), { metadata })
    expect(JSON.parse((await namespace.get('key'))?.metadata ?? '')).toEqual(metadata)
    expect(await namespace.delete('key')).toEqual({ deleted: true })
    expect(await namespace.delete('key')).toEqual({ deleted: false })
    const other = await shared.namespace(namespace.tenant, 'other').put('key', bytes('2'))
    const again = await namespace.put('key', bytes('3'))
    expect(other.version).toBeGreaterThan(first.version)
    expect(again.version).toBeGreaterThan(other.version)
    expect((await namespace.get('key'))?.metadata).toBeNull()
    const list = await namespace.list()
    expect(list.keys).toEqual([{ name: 'key', metadata: null, version: again.version, expiresAtMs: null }])
  })

  test('and everything with it is still there after the store was closed and opened', async () => {
    const dataDir = await makeDataDir()
    const first = await open({ dataDir })
    const { version } = await first.namespace('acme', 'shop').put('key', bytes('value'), {
      metadata: 'mark',
      expiresAtMs: 4e12,
    })
    await first.close()
    const entry = await (await open({ dataDir })).namespace('acme', 'shop').get('key')
    expect(entry).toMatchObject({ metadata: '"mark"', version, expiresAtMs: 4e12 })
  })
})

describe('calls', () => {
  test('take effect in the order they were made, awaited or not', async () => {
    const namespace = space()
    const answers = await Promise.all([
      namespace.put('key', bytes('one')),
      textOf(namespace, 'key'),
      namespace.put('key', bytes('two')),
      textOf(namespace, 'key'),
      namespace.getMany(['key', 'none']),
      namespace.delete('key'),
      textOf(namespace, 'key'),
      namespace.list().then(({ keys }) => keys.length),
      namespace.put('key', bytes('three')),
    ])
    expect(answers[1]).toBe('one')
    expect(answers[3]).toBe('two')
    expect(answers[4].map((entry) => entry && decode(entry))).toEqual(['two', null])
    expect(answers.slice(5, 8)).toEqual([{ deleted: true }, null, 0])
    expect(await textOf(namespace, 'key')).toBe('three')
  })

  test('answer from memory only what is acknowledged: readers never see a value go back', async () => {
    const namespace = space()
    await namespace.put('key', bytes('0'))
    let acknowledged = 0
    let done = false
    const back: string[] = []
    const read = async (): Promise<void> => {
      let seen = 0
      while (!done) {
        const least = Math.max(seen, acknowledged)
        const now = Number(await textOf(namespace, 'key'))
        if (now < least) back.push(`${now} after ${least}`)
        seen = now
        await new Promise(setImmediate)
      }
    }
    const readers = Array.from({ length: 8 }, read)
    for (let number = 1; number <= 300; number++) {
      await namespace.put('key', bytes(String(number)))
      acknowledged = number
    }
    done = true
    await Promise.all(readers)
    expect(back).toEqual([])
  })

  test('that race on a few keys leave in memory what is in the store', async () => {
    const namespace = space()
    const keys = ['a', 'b', 'c']
    for (let round = 0; round < 40; round++) {
      const calls = Array.from({ length: 12 }, async (_, index) => {
        const key = keys[index % 3] ?? ''
        if (index % 4 === 0) return namespace.get(key)
        if (index % 7 === 0) return namespace.delete(key)
        if (index % 5 === 0) return namespace.put(key, bytes('x'), { ifVersion: 1 }).catch(() => null)
        return namespace.put(key, bytes(`${round} ${index}`))
      })
      await Promise.all(calls)
      const remembered = await Promise.all(keys.map((key) => textOf(namespace, key)))
      // A list always asks the store.
      const { keys: stored } = await namespace.list()
      const versions = await namespace.getMany(keys)
      expect(stored.map(({ name, version }) => [name, version])).toEqual(
        keys.flatMap((key, index) => {
          const version = versions[index]?.version
          return version === undefined ? [] : [[key, version]]
        }),
      )
      expect(remembered.filter((text) => text !== null)).toHaveLength(stored.length)
    }
  })
})

describe('compare-and-set', () => {
  test('of many writers that count loses none', async () => {
    const namespace = space()
    const increment = async (): Promise<void> => {
      for (;;) {
        const entry = await namespace.get('count')
        const next = bytes(String(entry === null ? 1 : Number(decode(entry)) + 1))
        try {
          await namespace.put('count', next, { ifVersion: entry?.version ?? 0 })
          return
        } catch (error) {
          expect(error).toMatchObject({ code: 'VELA_KV_CONFLICT' })
        }
      }
    }
    await Promise.all(
      Array.from({ length: 16 }, async () => {
        for (let count = 0; count < 10; count++) await increment()
      }),
    )
    expect(await textOf(namespace, 'count')).toBe('160')
  })

  test('fails with the version that is there, changes nothing, and cannot take a new value for an old one', async () => {
    const namespace = space()
    const { version: old } = await namespace.put('key', bytes('same'))
    await namespace.delete('key')
    await expect(namespace.put('key', bytes('x'), { ifVersion: old })).rejects.toMatchObject({
      code: 'VELA_KV_CONFLICT',
      details: { version: null },
    })
    const { version } = await namespace.put('key', bytes('same'), { ifVersion: 0 })
    for (const ifVersion of [0, old, version + 1]) {
      const refusal = { code: 'VELA_KV_CONFLICT', details: { version } }
      await expect(namespace.put('key', bytes('x'), { ifVersion })).rejects.toMatchObject(refusal)
      await expect(namespace.delete('key', { ifVersion })).rejects.toMatchObject(refusal)
    }
    expect(await textOf(namespace, 'key')).toBe('same')
    expect(await namespace.delete('key', { ifVersion: version })).toEqual({ deleted: true })
  })
})

describe('an expired key', () => {
  test('is gone at its moment for every call, before and after it is swept, from memory and from the disk', async () => {
    for (const cacheBytes of [0, 1_000_000]) {
      let now = 1_000_000
      const store = await open({ now: () => now, cacheBytes })
      const namespace = store.namespace('acme', 'shop')
      const { version } = await namespace.put('brief', bytes('value'), { ttlMs: 1000 })
      await namespace.put('lasting', bytes('value'), { expiresAtMs: 5_000_000 })
      now += 999
      expect((await namespace.get('brief'))?.expiresAtMs).toBe(1_001_000)
      now += 1
      const isGone = async (): Promise<void> => {
        expect(await namespace.get('brief')).toBeNull()
        expect(await namespace.getMany(['brief', 'lasting'])).toMatchObject([null, { version: version + 1 }])
        expect((await namespace.list()).keys.map(({ name }) => name)).toEqual(['lasting'])
        await expect(namespace.put('brief', bytes('x'), { ifVersion: version })).rejects.toMatchObject({
          code: 'VELA_KV_CONFLICT',
        })
      }
      await isGone()
      expect((await store.usage('acme')).keys).toBe(2)
      await store.sweep()
      expect((await store.usage('acme')).keys).toBe(1)
      await isGone()
      now = 4_000_000
      await namespace.put('brief', bytes('again'), { ifVersion: 0, ttlMs: 1000 })
      await namespace.put('brief', bytes('for good'))
      now += 10_000
      expect(await textOf(namespace, 'brief')).toBe('for good')
      now = 6_000_000
      expect(await namespace.delete('lasting')).toEqual({ deleted: false })
    }
  })

  test('is swept by the store itself, in steps that end', async () => {
    let now = 1_000_000
    const store = await open({ now: () => now, sweepEveryMs: 5 })
    const namespace = store.namespace('acme', 'shop')
    await Promise.all(
      Array.from({ length: 700 }, (_, index) => namespace.put(`key ${index}`, bytes('x'), { ttlMs: 1000 })),
    )
    expect((await store.usage('acme')).keys).toBe(700)
    now += 2000
    await expect.poll(() => store.usage('acme'), { timeout: 10_000 }).toEqual({ bytes: 0, keys: 0 })
  })
})

describe('what cannot be stored is refused with VELA_KV_BAD_REQUEST, and nothing is stored', () => {
  const refusal = { code: 'VELA_KV_BAD_REQUEST' }

  test.each([
    ['an empty key', ''],
    ['a key of 513 bytes', 'k'.repeat(513)],
    ['a key of 257 letters of two bytes', 'ü'.repeat(257)],
    ['half of a surrogate pair', 'a\ud800'],
    ['no string', 7 as unknown as string],
  ])('%s', async (_what, key) => {
    const namespace = space()
    await expect(namespace.put(key, bytes('x'))).rejects.toMatchObject(refusal)
    await expect(namespace.delete(key)).rejects.toMatchObject(refusal)
    await expect(async () => namespace.get(key)).rejects.toMatchObject(refusal)
    await expect(async () => namespace.getMany([key])).rejects.toMatchObject(refusal)
    expect((await namespace.list()).keys).toEqual([])
  })

  test('too large values, whole or in parts, too much metadata, and moments that are past or never', async () => {
    const store = await open({ maxValueBytes: 1000 })
    const namespace = store.namespace('acme', 'shop')
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (;;) yield Buffer.alloc(100)
    }
    await expect(namespace.put('key', Buffer.alloc(1001))).rejects.toMatchObject(refusal)
    await expect(namespace.put('key', endless())).rejects.toMatchObject(refusal)
    let deep: JsonValue = []
    for (let depth = 0; depth < 100_000; depth++) deep = [deep]
    for (const metadata of ['x'.repeat(MAX_METADATA_BYTES - 1), deep])
      await expect(namespace.put('key', bytes('x'), { metadata })).rejects.toMatchObject(refusal)
    for (const expiresAtMs of [0, Date.now(), -1, Infinity, NaN, 1e300])
      await expect(namespace.put('key', bytes('x'), { expiresAtMs })).rejects.toMatchObject(refusal)
    for (const ifVersion of [-1, 1.5, NaN, 2 ** 60])
      await expect(namespace.put('key', bytes('x'), { ifVersion })).rejects.toMatchObject(refusal)
    for (const limit of [0, 1001, 1.5, NaN])
      await expect(namespace.list({ limit })).rejects.toMatchObject(refusal)
    expect((await namespace.list()).keys).toEqual([])
    await namespace.put('key', Buffer.alloc(1000), { metadata: 'x'.repeat(MAX_METADATA_BYTES - 2) })
    await namespace.put('other', Buffer.alloc(1))
    await expect(async () => namespace.getMany(['key', 'other'])).rejects.toMatchObject(refusal)
  })
})
