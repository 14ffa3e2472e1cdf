/**
 * The durable state of one of the host's own actors. Writes are handed to the store in the order they are made, and reads see
 * them; what an actor answers waits until they are durable, so awaiting each of them is not needed.
 */
import { decodeValue, encodeValue } from '../../../../guest-sdk/async/codec.ts'
import { VelaError } from '../../../core/errors.ts'
import type { ActorStore, Loaded } from '../store/store.ts'
import { fitsIn, MAX_KEY_BYTES, MAX_LIST_LIMIT, MAX_VALUE_BYTES } from '../types.ts'
import type { ActorAddress, StateChange } from '../types.ts'

export interface HostListOptions {
  /** The first key that may be in it. */
  readonly start?: string
  /** The first key that may not. */
  readonly end?: string
  readonly prefix?: string
  /** At most 1,000, which it is if left out. */
  readonly limit?: number
  readonly reverse?: boolean
}

/**
 * Values may be whatever `encodeValue` takes: JSON, Date, Map, Set, BigInt, bytes, errors. A key has at most 512 bytes, a
 * value 128 KiB as text; else TypeError or RangeError at once. What is returned resolves when it is durable, and rejects with VELA_STORE_*.
 */
export interface HostStorage {
  get(key: string): Promise<unknown>
  put(key: string, value: unknown): Promise<void>
  /** Several at once: all of them or none. */
  putAll(entries: Readonly<Record<string, unknown>>): Promise<void>
  delete(...keys: string[]): Promise<void>
  /** In the order of their keys' bytes. */
  list(options?: HostListOptions): Promise<Map<string, unknown>>
  /** All entries; the alarm stays. */
  deleteAll(): Promise<void>
  /** `alarm()` is called then (epoch milliseconds), at least once; it replaces the one that was set before. */
  setAlarm(atMs: number | Date): Promise<void>
  /** Epoch milliseconds; null: none. */
  getAlarm(): number | null
  deleteAlarm(): Promise<void>
}

export interface OwnedStorage {
  readonly storage: HostStorage
  /** Resolves when all that was written is durable; rejects with VELA_ACTOR_STORAGE_FAILED if some of it is not. */
  settle(): Promise<void>
  /** The alarm rings: as far as the actor can tell it is not set any more. */
  alarmRings(): void
}

const NOTHING: StateChange = {
  version: null,
  puts: [],
  deletes: [],
  deleteAll: false,
  alarmMs: undefined,
}

export function createHostStorage(
  store: Pick<ActorStore, 'change' | 'read' | 'list'>,
  address: ActorAddress,
  loaded: Loaded,
  onAlarm: (atMs: number) => void,
): OwnedStorage {
  let { row, alarmMs } = loaded
  let failure: VelaError | undefined
  const pending = new Set<Promise<unknown>>()
  /** Everything there is, if that is little. */
  const cache = loaded.complete ? new Map(loaded.entries) : undefined

  const handOver = (change: Partial<StateChange>): Promise<number | null> =>
    failure === undefined
      ? store.change(address, row, { ...NOTHING, ...change }, Number.MAX_SAFE_INTEGER)
      : Promise.reject(failure)

  const write = (change: Partial<StateChange>, then?: () => void): Promise<void> => {
    // Behind a write that failed no other may follow, or half of what was done would be kept.
    const work = handOver(change).then((now) => {
      row = now
      then?.()
    })
    // Which handles a failure, so that the host does not end for a write that nobody awaits; the answer fails then.
    const tracked = work
      .catch((thrown: unknown) => {
        failure ??= new VelaError('VELA_ACTOR_STORAGE_FAILED', 'What the actor wrote could not be stored', {
          cause: thrown,
        })
      })
      .finally(() => pending.delete(tracked))
    pending.add(tracked)
    return work
  }

  const put = (entries: readonly (readonly [string, unknown])[]): Promise<void> => {
    const puts = entries.map(([key, value]) => [checkKey(key), encode(key, value)] as const)
    for (const [key, text] of puts) cache?.set(key, text)
    return write({ puts })
  }

  const storage: HostStorage = {
    async get(key) {
      checkKey(key)
      const text = cache === undefined ? await readOne(key) : cache.get(key)
      return text === undefined ? undefined : decodeValue(text)
    },
    put: (key, value) => put([[key, value]]),
    putAll: (entries) => put(Object.entries(entries)),
    delete(...keys) {
      keys.forEach(checkKey)
      for (const key of keys) cache?.delete(key)
      return write({ deletes: [...new Set(keys)] })
    },
    async list({ start, end, prefix = '', limit = MAX_LIST_LIMIT, reverse = false } = {}) {
      // Behind the writes that were made, so that a row that is being made is known.
      await Promise.all(pending)
      if (row === null) return new Map()
      const range = { start: start ?? null, end: end ?? null, prefix, limit, reverse }
      const { entries, more } = await store.list(address.tenant, row, range)
      if (more) throw new RangeError('The list has more than 4 MiB; ask for less at once')
      return new Map(entries.map(([key, text]) => [key, decodeValue(text)]))
    },
    deleteAll() {
      cache?.clear()
      return write({ deleteAll: true })
    },
    setAlarm(at) {
      const atMs = Math.floor(Number(at))
      if (!Number.isSafeInteger(atMs) || atMs < 0) throw new RangeError('setAlarm: not a time')
      alarmMs = atMs
      return write({ alarmMs: atMs }, () => onAlarm(atMs))
    },
    getAlarm: () => alarmMs,
    deleteAlarm() {
      alarmMs = null
      return write({ alarmMs: null })
    },
  }

  const readOne = async (key: string): Promise<string | undefined> => {
    await Promise.all(pending)
    if (row === null) return undefined
    const { entries } = await store.read(address.tenant, row, [key])
    return entries[0]?.[1]
  }

  return {
    storage,
    async settle() {
      while (pending.size > 0) await Promise.all(pending)
      if (failure !== undefined) throw failure
    },
    alarmRings() {
      alarmMs = null
    },
  }
}

function checkKey(key: string): string {
  if (typeof key === 'string' && key !== '' && fitsIn(key, MAX_KEY_BYTES)) return key
  throw new TypeError(`A key is a string of 1 to ${MAX_KEY_BYTES} bytes in UTF-8, without lone surrogates`)
}

function encode(key: string, value: unknown): string {
  const text = encodeValue(value)
  if (fitsIn(text, MAX_VALUE_BYTES)) return text
  throw new RangeError(`The value of ${key} has more than ${MAX_VALUE_BYTES} bytes as text`)
}
