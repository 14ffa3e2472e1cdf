/**
 * The registry's bucket: read whole by a watch into a view, changed by compare-and-set only. A write whose answer is lost is neither
 * done nor not done: it is read back, and if that cannot be said either, its caller is told so and the watch brings what is true.
 */
import { randomBytes } from 'node:crypto'
import type { KV, KvWatchEntry } from '@nats-io/kv'
import { VelaError } from '../../core/errors.ts'
import type { Log } from '../../core/log.ts'
import { isWrongSequence } from '../../nats/api-errors.ts'
import type { Nats } from '../../nats/nats.ts'
import { openBucket, stateOf } from '../buckets.ts'
import { watchBucket } from '../bucket-watch.ts'
import { decodeMeta, encode, type Key, keys, parseKey } from './records.ts'
import { createView, type View } from './view.ts'

export interface TruthDeps {
  readonly nats: Nats
  readonly log: Log
  /** A key has another value than this host knew; undefined: the whole view is another. */
  readonly onChange: (key: Key | undefined) => void
}

export interface Truth {
  readonly view: View
  /** The view is whole: all there was when the watch was opened has been read. */
  readonly isWhole: boolean
  /** Resolves when it is, rejects VELA_CLUSTER_UNAVAILABLE at the deadline. */
  whenWhole(deadlineMs: number): Promise<void>
  /** Revision and value of a key as the bucket has it now; revision 0: there never was one. Rejects VELA_CLUSTER_UNAVAILABLE. */
  read(key: string): Promise<{ readonly revision: number; readonly bytes: Uint8Array | undefined }>
  /**
   * Sets the key if it has that revision; resolves to the new one, which the view then shows. Rejects VELA_CLUSTER_CONFLICT
   * when somebody else was first, VELA_CLUSTER_UNAVAILABLE when it cannot be said.
   */
  write(key: string, revision: number, text: string): Promise<number>
  /** Deletes the key, whatever it holds. */
  remove(key: string): Promise<void>
  /** A bucket for what is not watched. */
  versions(): Promise<KV>
  /** Until the view shows the key's present state. */
  catchUp(key: string): Promise<void>
  /** The cluster's id, made by the first host that asks; `isNew` says that it was this one. */
  identify(): Promise<{ readonly id: string; readonly isNew: boolean }>
  /** Reads everything again if the watch has fallen behind. */
  check(): Promise<void>
  close(): void
}

const TIMEOUT_MS = 5000

export function openTruth({ nats, log, onChange }: TruthDeps): Truth {
  const name = `${nats.prefix}-registry`
  let view = createView()
  /** What a watch that was opened again has read so far. */
  let coming: { readonly view: View; last: number; seen: number } | undefined
  let whole = false
  let seen = 0
  const waiters = new Set<() => void>()

  const wake = (): void => {
    for (const waiter of waiters) waiter()
  }

  // Direct reads may be behind on a copy.
  const openFresh = (bucket: string): Promise<KV> => openBucket(nats, bucket, { allow_direct: false })
  let bucket: Promise<KV> | undefined
  const open = (): Promise<KV> => {
    bucket ??= openFresh(name).catch((error: unknown) => {
      bucket = undefined
      throw error
    })
    return bucket
  }

  const settle = (): void => {
    if (coming === undefined || coming.seen < coming.last) return
    view = coming.view
    seen = coming.seen
    coming = undefined
    whole = true
    onChange(undefined)
    wake()
  }

  const take = (entry: KvWatchEntry): void => {
    const bytes = entry.operation === 'PUT' ? entry.value : undefined
    if (coming !== undefined) {
      coming.view.put(entry.key, entry.revision, bytes)
      coming.seen = Math.max(coming.seen, entry.revision)
      return settle()
    }
    seen = Math.max(seen, entry.revision)
    const key = view.put(entry.key, entry.revision, bytes)
    if (key !== false) onChange(key)
    wake()
  }

  const watch = watchBucket({
    name,
    log,
    async open() {
      await nats.whenConnected()
      bucket = undefined
      const opened = await open()
      // Before the watch, so that it shows at least as much.
      const { last, messages } = await stateOf(nats, name)
      coming = { view: createView(), last: messages === 0 ? 0 : last, seen: 0 }
      return opened
    },
    look: () => stateOf(nats, name),
    onOpen: settle,
    onEntry: take,
  })

  const unavailable = (doing: string, cause: unknown): VelaError => {
    bucket = undefined
    return new VelaError(
      'VELA_CLUSTER_UNAVAILABLE',
      `NATS, which holds the cluster’s registry, did not answer while ${doing}. What serves goes on serving; try again.`,
      { cause },
    )
  }

  const ask = async <Result>(doing: string, work: (kv: KV) => Promise<Result>): Promise<Result> => {
    if (nats.state !== 'connected') throw unavailable(doing, undefined)
    try {
      return await work(await open())
    } catch (error) {
      if (error instanceof VelaError) throw error
      throw unavailable(doing, error)
    }
  }

  const read: Truth['read'] = async (key) => {
    const entry = await ask('reading', (kv) => kv.get(key))
    if (entry === null) return { revision: 0, bytes: undefined }
    return { revision: entry.revision, bytes: entry.operation === 'PUT' ? entry.value : undefined }
  }

  /** A connection that came back in between may have carried the write: what stands there tells. */
  const readBack = async (key: string, before: number, text: string, error: unknown): Promise<number> => {
    const now = await read(key)
    if (now.bytes !== undefined && Buffer.from(now.bytes).toString('utf8') === text) return now.revision
    if (now.revision !== before) throw conflict(key)
    throw unavailable('writing', error)
  }

  const until = async (holds: () => boolean, deadlineMs: number): Promise<void> => {
    if (holds()) return
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const check = (): void => {
      if (holds()) resolve()
    }
    const timer = setTimeout(() => reject(unavailable('being read', undefined)), deadlineMs)
    waiters.add(check)
    try {
      await promise
    } finally {
      clearTimeout(timer)
      waiters.delete(check)
    }
  }

  const catchUp = async (key: string): Promise<void> => {
    const { revision } = await read(key)
    await until(() => coming === undefined && seen >= revision, TIMEOUT_MS)
  }

  return {
    get view() {
      return view
    },
    get isWhole() {
      return whole
    },
    whenWhole: (deadlineMs) => until(() => whole, deadlineMs),
    read,
    async write(key, before, text) {
      let revision: number
      try {
        const kv = await open()
        if (nats.state !== 'connected') throw unavailable('writing', undefined)
        revision = await kv.put(key, text, { previousSeq: before, timeout: TIMEOUT_MS })
      } catch (error) {
        if (error instanceof VelaError) throw error
        if (isWrongSequence(error)) throw conflict(key)
        bucket = undefined
        revision = await readBack(key, before, text, error)
      }
      view.put(key, revision, Buffer.from(text))
      return revision
    },
    async remove(key) {
      await ask('deleting', (kv) => kv.delete(key))
      await catchUp(key)
    },
    versions: () => openFresh(`${nats.prefix}-versions`),
    catchUp,
    async identify() {
      const { revision, bytes } = await read(keys.meta)
      const known = bytes === undefined ? undefined : decodeMeta(bytes)
      if (known !== undefined) return { id: known.id, isNew: false }
      const id = randomBytes(16).toString('hex')
      try {
        await this.write(keys.meta, revision, encode({ id }))
        return { id, isNew: true }
      } catch (error) {
        if (error instanceof VelaError && error.code === 'VELA_CLUSTER_CONFLICT') return await this.identify()
        throw error
      }
    },
    async check() {
      if (nats.state === 'connected') await watch.check()
    },
    close() {
      watch.close()
      wake()
    },
  }
}

function conflict(key: string): VelaError {
  const place = parseKey(key)
  const what =
    place?.kind === 'service'
      ? `${place.tenant}/${place.service}`
      : place?.kind === 'tenant'
        ? place.tenant
        : 'This'
  return new VelaError(
    'VELA_CLUSTER_CONFLICT',
    `${what} was changed on another host at the same time, and that change stands. Look at what is there now, then try again.`,
  )
}
