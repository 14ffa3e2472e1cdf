/**
 * Follows a bucket for as long as the host lives: the last value of each key first, then each change, in the bucket's order. A watch
 * that ends is opened again from the start, so the same entry may come twice and a deletion may be missed: who stands on this compares
 * revisions and reads what is gone from the bucket itself.
 * A watch may also go deaf without ending (its consumer is gone, or the bucket was made anew and counts from the start): `look` finds out.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { KV, KvWatchEntry } from '@nats-io/kv'
import type { Log } from '../core/log.ts'
import { hedged } from '../nats/hedged.ts'
import type { BucketState } from './buckets.ts'

export interface BucketWatchDeps {
  readonly name: string
  /** Makes the bucket if it is not there (any more). */
  readonly open: () => Promise<KV>
  /** In order; one that throws is logged and skipped. */
  readonly onEntry: (entry: KvWatchEntry) => void
  /** Before the first entry of each watch. */
  readonly onOpen?: () => void
  /** What the bucket holds by now; left out, who watches has another way to notice that nothing comes. */
  readonly look?: () => Promise<BucketState>
  /** Between two looks; 5 s if left out. */
  readonly lookMs?: number
  readonly log: Log
}

export interface BucketWatch {
  /** Opens it anew: what it shows has fallen behind. */
  restart(): void
  /** Looks now, and restarts a watch that is behind and gets nothing. */
  check(): Promise<void>
  close(): void
}

const FIRST_DELAY_MS = 50
const MAX_DELAY_MS = 2000
const LOOK_MS = 5000
/** What was written before a look arrives within this, unless nothing does. */
const GRACE_MS = 1000

export function watchBucket(deps: BucketWatchDeps): BucketWatch {
  const { name, open, onEntry, onOpen, look, log } = deps
  let closed = false
  let stop: (() => void) | undefined
  let wake: (() => void) | undefined
  let fresh = false
  /** The bucket before the watch was opened, which shows at least as much. */
  let start: BucketState | undefined
  let seen = 0
  let received = 0

  const pause = (ms: number): Promise<void> =>
    new Promise((resolve) => {
      const timer = setTimeout(resolve, ms)
      timer.unref()
      wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })

  const take = (entry: KvWatchEntry): void => {
    received++
    seen = Math.max(seen, entry.revision)
    try {
      onEntry(entry)
    } catch (error) {
      log.error('entry of a bucket not understood', { bucket: name, key: entry.key, error })
    }
  }

  const follow = async (): Promise<void> => {
    const bucket = await open()
    const now = await look?.()
    if (closed) return
    const entries = await hedged(
      () => bucket.watch(),
      (late) => late.stop(),
    )
    stop = () => entries.stop()
    if (closed) return entries.stop()
    seen = 0
    received = 0
    start = now
    onOpen?.()
    fresh = true
    for await (const entry of entries) take(entry)
  }

  const run = async (): Promise<void> => {
    let delayMs = FIRST_DELAY_MS
    while (!closed) {
      fresh = false
      try {
        await follow()
      } catch (error) {
        log.debug('watch ended', { bucket: name, error })
      }
      stop = undefined
      start = undefined
      if (closed) return
      delayMs = fresh ? FIRST_DELAY_MS : Math.min(delayMs * 2, MAX_DELAY_MS)
      await pause(delayMs)
    }
  }

  const interrupt = (): void => {
    stop?.()
    wake?.()
  }

  const check = async (): Promise<void> => {
    const began = start
    if (began === undefined || look === undefined) return
    const before = received
    const now = await look()
    const isAnother = now.created !== began.created || now.last < Math.max(seen, began.last)
    const isWhole = seen >= began.last || received >= began.messages
    if (!isAnother) {
      if (isWhole && now.last <= Math.max(seen, began.last)) return
      await sleep(GRACE_MS, undefined, { ref: false })
      if (received !== before) return
    }
    if (start !== began || closed) return
    log.info('watch of a bucket opened anew', { bucket: name })
    interrupt()
  }

  void run()
  const looker =
    look === undefined
      ? undefined
      : setInterval(() => {
          check().catch((error: unknown) => log.debug('bucket not looked at', { bucket: name, error }))
        }, deps.lookMs ?? LOOK_MS).unref()
  return {
    restart: interrupt,
    check,
    close() {
      closed = true
      clearInterval(looker)
      interrupt()
    },
  }
}
