/**
 * `ctx.storage` as a guest sees it: names and meaning are those of Durable Objects. Everything given to it is the guest's; keys and
 * values are checked and encoded here, so what waits behind is small, whole and a text.
 */
import { StringOf, isArray, toPromise } from '../primordials.ts'
import type { ActorErrors } from './errors.ts'
import { utf8Length } from '../../async/intrinsics.ts'
import { fillMap } from './intrinsics.ts'
import type { Entry, Range } from './ranges.ts'
import type { ActorStorage } from './storage.ts'

export interface Codec {
  encodeValue(value: unknown): string
  decodeValue(text: string): unknown
  cloneValue<Value>(value: Value): Value
}

export interface StorageApiDeps {
  readonly storage: ActorStorage
  readonly codec: Codec
  readonly errors: ActorErrors
  /** Throws if this belongs to an instance that was given up, or to a transaction that is over. */
  readonly check: () => void
}

const MAX_KEY_BYTES = 512
const MAX_VALUE_BYTES = 131_072
const MOST_KEYS = 128
const LATEST_MS = 8.64e15

export class Storage {
  readonly #deps: StorageApiDeps

  constructor(deps: StorageApiDeps) {
    this.#deps = deps
  }

  async get(key: unknown): Promise<unknown> {
    const { storage } = this.#open()
    if (!isArray(key)) {
      const text = storage.get(this.#key(key))
      return this.#decode(typeof text === 'object' && text !== null ? await text : text)
    }
    const keys = this.#keys(key)
    const texts: (string | null | Promise<string | null>)[] = []
    for (let index = 0; index < keys.length; index++) texts[index] = storage.get(keys[index] as string)
    const found = new Map<string, unknown>()
    for (let index = 0; index < keys.length; index++) {
      const text = await texts[index]
      if (typeof text === 'string') fillMap(found, keys[index] as string, this.#decode(text))
    }
    return found
  }

  async put(key: unknown, value: unknown = undefined): Promise<void> {
    const { storage } = this.#open()
    if (typeof key !== 'object' || key === null) return storage.put(this.#key(key), this.#encode(value))
    const names = Object.keys(key)
    const texts: [string, string][] = []
    // Nothing is put before all is known to be good.
    for (let index = 0; index < names.length; index++) {
      const name = names[index] as string
      texts[index] = [this.#key(name), this.#encode((key as Record<string, unknown>)[name])]
    }
    for (let index = 0; index < texts.length; index++) storage.put(...(texts[index] as [string, string]))
  }

  async delete(key: unknown): Promise<unknown> {
    const { storage } = this.#open()
    const remove = (name: string): Promise<string | null> => {
      const before = toPromise(storage.get(name))
      storage.put(name, null)
      return before
    }
    if (!isArray(key)) return (await remove(this.#key(key))) !== null
    const keys = this.#keys(key)
    const before: Promise<string | null>[] = []
    for (let index = 0; index < keys.length; index++) before[index] = remove(keys[index] as string)
    let count = 0
    for (let index = 0; index < keys.length; index++) if ((await before[index]) !== null) count++
    return count
  }

  async list(options: unknown = undefined): Promise<Map<string, unknown>> {
    const { storage } = this.#open()
    const entries = await storage.list(this.#range(options))
    const found = new Map<string, unknown>()
    for (let index = 0; index < entries.length; index++) {
      const [key, text] = entries[index] as Entry
      fillMap(found, key, this.#decode(text))
    }
    return found
  }

  async deleteAll(): Promise<void> {
    this.#open().storage.deleteAll()
  }

  async transaction(work: unknown): Promise<unknown> {
    const deps = this.#open()
    if (typeof work !== 'function') throw new TypeError('storage.transaction: a function')
    const { storage } = deps
    const changes = storage.begin()
    let state: 'open' | 'over' | 'given up' = 'open'
    const check = (): void => {
      deps.check()
      if (state !== 'open') throw new TypeError('storage.transaction: it is over')
    }
    const inner = new Transaction({ ...deps, check }, () => {
      state = 'given up'
    })
    try {
      const result: unknown = await (work as (inner: object) => unknown)(inner)
      deps.check()
      if (state === 'open' && !storage.commit(changes))
        throw deps.errors.stopped('The transaction was given up: the actor lost its state')
      return result
    } finally {
      state = 'over'
      storage.rollBack(changes)
    }
  }

  async getAlarm(): Promise<number | null> {
    return this.#open().storage.getAlarm()
  }

  async setAlarm(at: unknown): Promise<void> {
    const atMs = Math.trunc(Number(at))
    if (!(atMs >= 0 && atMs <= LATEST_MS))
      throw new RangeError('storage.setAlarm: a Date, or milliseconds since the epoch')
    this.#open().storage.setAlarm(atMs)
  }

  async deleteAlarm(): Promise<void> {
    this.#open().storage.setAlarm(null)
  }

  async sync(): Promise<void> {
    await this.#open().storage.gate()
  }

  get [Symbol.toStringTag](): string {
    return 'ActorStorage'
  }

  #open(): StorageApiDeps {
    this.#deps.check()
    return this.#deps
  }

  #key(key: unknown): string {
    if (typeof key !== 'string' || key === '')
      throw new TypeError('storage: a key is a string that is not empty')
    const bytes = utf8Length(key)
    if (bytes > MAX_KEY_BYTES)
      throw this.#deps.errors.badCall(`storage: a key has at most ${MAX_KEY_BYTES} bytes, this one ${bytes}`)
    return key.toWellFormed()
  }

  #keys(keys: readonly unknown[]): string[] {
    if (keys.length > MOST_KEYS) throw this.#deps.errors.badCall(`storage: at most ${MOST_KEYS} keys a call`)
    const list: string[] = []
    for (let index = 0; index < keys.length; index++) list[index] = this.#key(keys[index])
    return list
  }

  #encode(value: unknown): string {
    if (value === undefined) throw new TypeError('storage.put: the value is missing')
    const text = this.#deps.codec.encodeValue(value)
    // A character is three bytes at most.
    const bytes = text.length * 3 > MAX_VALUE_BYTES ? utf8Length(text) : 0
    if (bytes <= MAX_VALUE_BYTES) return text
    throw this.#deps.errors.badCall(
      `storage.put: a value has at most ${MAX_VALUE_BYTES} bytes encoded, this one ${bytes}`,
    )
  }

  #decode(text: string | null): unknown {
    return text === null ? undefined : this.#deps.codec.decodeValue(text)
  }

  #range(options: unknown): Range {
    if (options === undefined) return {}
    if (typeof options !== 'object' || options === null) throw new TypeError('storage.list: an object')
    const given = options as Record<keyof Range | 'startAfter', unknown>
    const { start, startAfter, end, prefix, limit, reverse } = given
    if (limit !== undefined && !(typeof limit === 'number' && limit >= 1 && limit % 1 === 0))
      throw new RangeError('storage.list: limit is a whole number from 1')
    if (start !== undefined && startAfter !== undefined)
      throw new TypeError('storage.list: start or startAfter, not both')
    const from = startAfter === undefined ? start : `${StringOf(startAfter)}\0`
    return {
      ...(from === undefined ? {} : { start: StringOf(from) }),
      ...(end === undefined ? {} : { end: StringOf(end) }),
      ...(prefix === undefined ? {} : { prefix: StringOf(prefix) }),
      ...(limit === undefined ? {} : { limit }),
      ...(reverse === true ? { reverse: true } : {}),
    }
  }
}

class Transaction extends Storage {
  readonly #giveUp: () => void

  constructor(deps: StorageApiDeps, giveUp: () => void) {
    super(deps)
    this.#giveUp = giveUp
  }

  /** Nothing of it will be stored. */
  rollback(): void {
    this.#giveUp()
  }
}
