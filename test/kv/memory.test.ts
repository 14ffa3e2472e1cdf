/** The two parts before the store thread that decide between tenants: the cache's shares and the lanes' turns. */
import { describe, expect, test } from 'vitest'
import { createCache, type Cached } from '../../host/kv/cache.ts'
import { createLanes } from '../../host/kv/lanes.ts'

const entry = (size: number): Cached => ({
  value: new Uint8Array(size),
  metadata: null,
  version: 1,
  expiresAtMs: null,
})

describe('the cache', () => {
  test('stays within its bytes, and keeps what is used rather than what is not', () => {
    const cache = createCache(100_000)
    cache.set('acme', 'hot', entry(1000))
    for (let index = 0; index < 5000; index++) {
      cache.set('acme', `cold ${index}`, index % 7 === 0 ? null : entry(index % 3000))
      expect(cache.bytes).toBeLessThanOrEqual(100_000)
      expect(cache.get('acme', 'hot')).toBeDefined()
    }
    expect(cache.get('acme', 'cold 0')).toBeUndefined()
    cache.set('acme', 'too large', entry(100_000))
    expect(cache.get('acme', 'too large')).toBeUndefined()
    cache.dropTenant('acme')
    expect(cache.bytes).toBe(0)
  })

  test('does not let one tenant push out what another keeps within its share', () => {
    const cache = createCache(100_000)
    for (let index = 0; index < 10; index++) cache.set('quiet', `key ${index}`, entry(1000))
    for (let index = 0; index < 10_000; index++) {
      cache.set('loud', `key ${index}`, entry(1000))
      cache.get('loud', `key ${index}`)
    }
    for (let index = 0; index < 10; index++) expect(cache.get('quiet', `key ${index}`)).toBeDefined()
    for (let index = 0; index < 100; index++) cache.set('late', `key ${index}`, entry(1000))
    const kept = Array.from({ length: 100 }, (_, index) => cache.get('late', `key ${index}`))
    expect(kept.filter((cached) => cached !== undefined).length).toBeGreaterThan(20)
    expect(cache.bytes).toBeLessThanOrEqual(100_000)
  })
})

describe('lanes', () => {
  /** Calls that end when they are told to, and the order in which they began. */
  function calls(): { began: string[]; start(name: string): () => Promise<string>; end(): Promise<void> } {
    const began: string[] = []
    const ends: (() => void)[] = []
    return {
      began,
      start: (name) => () => {
        began.push(name)
        const { promise, resolve } = Promise.withResolvers<string>()
        ends.push(() => resolve(name))
        return promise
      },
      async end() {
        ends.shift()?.()
        await new Promise(setImmediate)
      },
    }
  }

  test('take turns, each in its own order, within a window of calls and bytes', async () => {
    const lanes = createLanes({ windowCalls: 2, windowBytes: 100, laneCalls: 10 })
    const { began, start, end } = calls()
    const results = [
      ...['a1', 'a2', 'a3', 'a4'].map((name) => lanes.run('a', 10, start(name))),
      ...['b1', 'b2'].map((name) => lanes.run('b', 10, start(name))),
      lanes.run('c', 500, start('c1')),
      lanes.run('b', 10, start('b3')),
    ]
    const idle = lanes.idle().then(() => began.length)
    expect(began).toEqual(['a1', 'a2'])
    await end()
    expect(began).toEqual(['a1', 'a2', 'a3'])
    await end()
    expect(began).toEqual(['a1', 'a2', 'a3', 'b1'])
    await end()
    await end()
    // More than the window alone: it waits until nothing else is under way, and then goes.
    expect(began.slice(4)).toEqual(['c1'])
    for (let left = 0; left < 4; left++) await end()
    expect(began.slice(5)).toEqual(['a4', 'b2', 'b3'])
    expect(await Promise.all(results)).toEqual(['a1', 'a2', 'a3', 'a4', 'b1', 'b2', 'c1', 'b3'])
    expect(await idle).toBe(8)
  })

  test('go on after a call that failed, and refuse what is over their length', async () => {
    const lanes = createLanes({ windowCalls: 1, windowBytes: 100, laneCalls: 2 })
    const failing = lanes.run('a', 1, () => Promise.reject(new Error('no')))
    const waiting = [1, 2].map((number) => lanes.run('a', 1, () => Promise.resolve(number)))
    await expect(lanes.run('a', 1, () => Promise.resolve(3))).rejects.toMatchObject({
      code: 'VELA_TENANT_QUOTA_EXCEEDED',
    })
    await expect(failing).rejects.toThrow('no')
    expect(await Promise.all(waiting)).toEqual([1, 2])
    await lanes.idle()
  })
})
