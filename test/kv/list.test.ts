/** Lists: their order, their pages, and what may change meanwhile. */
import { afterAll, expect, test } from 'vitest'
import { openKv } from '../../host/kv/store.ts'
import type { KvListOptions, KvNamespace } from '../../host/kv/types.ts'
import { bytes } from './support.ts'

let now = 1_000_000
const store = await openKv({ dataDir: null, now: () => now })
afterAll(() => store.close())

let tenants = 0
async function spaceWith(keys: readonly string[], ttlMs?: number): Promise<KvNamespace> {
  const namespace = store.namespace(`tenant-${++tenants}`, 'shop')
  const options = ttlMs === undefined ? {} : { ttlMs }
  for (let start = 0; start < keys.length; start += 1000) {
    const some = keys.slice(start, start + 1000)
    await Promise.all(some.map((key) => namespace.put(key, bytes('x'), options)))
  }
  return namespace
}

/** All pages; `between` runs after each. */
async function pages(
  namespace: KvNamespace,
  options: KvListOptions,
  between: () => Promise<unknown> = async () => undefined,
): Promise<string[][]> {
  const found: string[][] = []
  let after: string | undefined
  do {
    const page = await namespace.list({ ...options, after })
    found.push(page.keys.map(({ name }) => name))
    after = page.after ?? undefined
    await between()
  } while (after !== undefined)
  return found
}

const HOSTILE = [
  '\0',
  '\0\0',
  ' ',
  '..',
  '../a',
  '/',
  '__proto__',
  'a',
  'a\0',
  'a\0b',
  'a/',
  'a/b',
  'aa',
  'constructor',
  '\x7f',
  'ÿ',
  '\uffff',
  '\u{10ffff}',
  '\u{10ffff}x',
  'é',
  'e\u0301',
]

const byBytes = (a: string, b: string): number => Buffer.compare(bytes(a), bytes(b))

test('hostile names are names like others, in the order of their bytes both ways, on pages of any size', async () => {
  const namespace = await spaceWith(HOSTILE)
  const sorted = HOSTILE.toSorted(byBytes)
  for (const limit of [1, 2, 7, 21, 1000]) {
    expect((await pages(namespace, { limit })).flat()).toEqual(sorted)
    expect((await pages(namespace, { limit, reverse: true })).flat()).toEqual(sorted.toReversed())
  }
  for (const key of HOSTILE) expect(await namespace.get(key)).not.toBeNull()
})

test('a prefix selects exactly the keys that begin with it, also with the cursor of another prefix', async () => {
  const namespace = await spaceWith(HOSTILE)
  for (const prefix of ['', 'a', 'a/', 'a\0', '\0', 'é', 'e', '\uffff', '\u{10ffff}', 'b']) {
    const expected = HOSTILE.filter((key) => key.startsWith(prefix)).sort(byBytes)
    expect([prefix, (await pages(namespace, { prefix, limit: 2 })).flat()]).toEqual([prefix, expected])
    expect([prefix, (await pages(namespace, { prefix, limit: 2, reverse: true })).flat()]).toEqual([
      prefix,
      expected.toReversed(),
    ])
    for (const after of HOSTILE) {
      for (const reverse of [false, true]) {
        const { keys } = await namespace.list({ prefix, after, reverse })
        const behind = expected.filter((key) => (reverse ? byBytes(key, after) < 0 : byBytes(key, after) > 0))
        expect(keys.map(({ name }) => name).sort(byBytes)).toEqual(behind)
      }
    }
  }
})

test('keys that come and go between pages neither repeat nor hide others', async () => {
  const keys = Array.from({ length: 50 }, (_, index) => `key ${String(index).padStart(3, '0')}`)
  const namespace = await spaceWith(keys)
  let round = 0
  const found = await pages(namespace, { limit: 7 }, async () => {
    round += 1
    await namespace.put(`a new one before all ${round}`, bytes('x'))
    await namespace.put(`key 0${round}0 and a half`, bytes('x'))
    await namespace.delete(keys[round] ?? '')
  })
  const names = found.flat()
  expect(new Set(names).size).toBe(names.length)
  const stayed = keys.filter((_, index) => index === 0 || index > round)
  expect(stayed.filter((key) => !names.includes(key))).toEqual([])
})

test('a page is as large as its limit, a thousand at most, and the last one says so', async () => {
  const keys = Array.from({ length: 1001 }, (_, index) => String(index))
  const namespace = await spaceWith(keys)
  expect((await pages(namespace, {})).map((page) => page.length)).toEqual([1000, 1])
  expect((await pages(namespace, { prefix: '99' })).map((page) => page.length)).toEqual([11])
  expect((await pages(namespace, { limit: 500 })).map((page) => page.length)).toEqual([500, 500, 1])
  await namespace.delete('0')
  expect((await pages(namespace, {})).map((page) => page.length)).toEqual([1000])
})

test('a page is bounded in bytes, and a list over many expired keys in keys looked at; both go on', async () => {
  const keys = Array.from({ length: 400 }, (_, index) => `key ${index}`)
  const heavy = await spaceWith([])
  await Promise.all(keys.map((key) => heavy.put(key, bytes('x'), { metadata: 'm'.repeat(1000) })))
  const sizes = (await pages(heavy, {})).map((page) => page.length)
  expect(sizes.length).toBeGreaterThan(1)
  expect(sizes.reduce((sum, size) => sum + size)).toBe(400)

  const brief = await spaceWith(
    Array.from({ length: 5000 }, (_, index) => `brief ${index}`),
    1000,
  )
  await brief.put('lasting', bytes('x'))
  now += 2000
  const found = await pages(brief, { limit: 10 })
  expect(found.length).toBeGreaterThan(1)
  expect(found.flat()).toEqual(['lasting'])
  expect((await pages(brief, { limit: 10, reverse: true })).flat()).toEqual(['lasting'])
})
