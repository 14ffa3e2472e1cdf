/**
 * What a namespace may answer from memory. A write drops what is known of its key before it leaves, and nothing is
 * remembered of it while it is under way, so that reads follow it to the store; a read is remembered only if no write of
 * its key began since it left. So memory is right in whatever order promises settle, and never older than what was
 * acknowledged.
 */
import type { Cache, Cached } from './cache.ts'
import { SMALL_VALUE_BYTES } from './types.ts'

export interface Recall {
  /** undefined: the store must be asked. */
  get(key: string): Cached | undefined
  /** Before a read of keys leaves. */
  beginRead(keys: readonly string[]): ReadMark
  /** Before a write of a key leaves. */
  beginWrite(key: string): WriteMark
  /** Remembers nothing any more. */
  stop(): void
}

export interface ReadMark {
  found(key: string, cached: Cached): void
  end(): void
}

export interface WriteMark {
  /** `now`: what is there, if the write succeeded. */
  end(now: Cached | undefined): void
}

export interface RecallOptions {
  readonly cache: Cache
  readonly tenant: string
  readonly namespace: string
  readonly now: () => number
}

export function createRecall({ cache, tenant, namespace, now }: RecallOptions): Recall {
  const writes = new Map<string, { count: number; last: WriteMark }>()
  const reads = new Map<string, ReadMark>()
  let stopped = false

  // NUL is in no name of a namespace, so no key can be taken for one of another namespace.
  const idOf = (key: string): string => `${namespace}\0${key}`

  const remember = (key: string, cached: Cached): void => {
    if (stopped || (cached !== null && cached.value.length > SMALL_VALUE_BYTES)) return
    cache.set(tenant, idOf(key), cached)
  }

  return {
    get(key) {
      const cached = cache.get(tenant, idOf(key))
      if (cached === undefined || cached === null || cached.expiresAtMs === null) return cached
      return cached.expiresAtMs <= now() ? null : cached
    },

    beginRead(keys) {
      const mark: ReadMark = {
        found(key, cached) {
          if (reads.get(key) === mark) remember(key, cached)
        },
        end() {
          for (const key of keys) if (reads.get(key) === mark) reads.delete(key)
        },
      }
      for (const key of keys) if (!writes.has(key)) reads.set(key, mark)
      return mark
    },

    beginWrite(key) {
      const mark: WriteMark = {
        end(cached) {
          const state = writes.get(key)
          if (state === undefined) return
          state.count -= 1
          if (state.count > 0) return
          writes.delete(key)
          // Of several at once only the last one asked tells what is there.
          if (state.last === mark && cached !== undefined) remember(key, cached)
        },
      }
      const state = writes.get(key)
      if (state === undefined) writes.set(key, { count: 1, last: mark })
      else {
        state.count += 1
        state.last = mark
      }
      reads.delete(key)
      cache.drop(tenant, idOf(key))
      return mark
    },

    stop() {
      stopped = true
    },
  }
}
