/**
 * V8's code caches of bundles, made by cells that run nothing (host/cells/supervisor.ts). V8 trusts a cache like
 * native code and checks little more than the source's length, so a cache is found only by the whole hash of its source,
 * and none is ever taken from outside. In memory, bounded, and made by a deploy: after a restart bundles compile from source.
 */
import { createHash } from 'node:crypto'

export interface CodeCaches {
  get(source: Buffer): Buffer | undefined
  /** Compiles if it pays and is not there yet; never rejects. */
  prepare(source: Buffer): Promise<void>
}

/** Smaller bundles compile as fast as a cache is read. */
const WORTH_BYTES = 16 * 1024
const BOUND_BYTES = 64 * 1024 * 1024

export function createCodeCaches(compile: (source: string) => Promise<Buffer>): CodeCaches {
  const caches = new Map<string, Buffer>()
  let bytes = 0
  const keyOf = (source: Buffer): string => createHash('sha256').update(source).digest('hex')

  const keep = (key: string, cache: Buffer): void => {
    caches.set(key, cache)
    bytes += cache.length
    for (const [oldest, old] of caches) {
      if (bytes <= BOUND_BYTES) break
      caches.delete(oldest)
      bytes -= old.length
    }
  }

  return {
    get(source) {
      if (source.length < WORTH_BYTES) return undefined
      const key = keyOf(source)
      const cache = caches.get(key)
      if (cache === undefined) return undefined
      caches.delete(key)
      caches.set(key, cache)
      return cache
    },
    async prepare(source) {
      if (source.length < WORTH_BYTES || caches.has(keyOf(source))) return
      try {
        const cache = await compile(source.toString())
        if (cache.length > 0) keep(keyOf(source), cache)
      } catch {
        // A service loads without a cache as well; only slower.
      }
    },
  }
}
