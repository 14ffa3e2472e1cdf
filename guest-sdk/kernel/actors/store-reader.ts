/** Reads what the cache of an activation does not have: keys that are wanted in one entry together, lists by pages. */
import type { CallResult } from '../calls.ts'
import { subscribe } from '../primordials.ts'
import type { Changes } from './changes.ts'
import { TextMap, defer, quiet, type Deferred } from './intrinsics.ts'
import { after, merge, type Entry, type Range } from './ranges.ts'
import type { StorageDeps } from './storage.ts'

export interface StoreReaderDeps extends Pick<
  StorageDeps,
  'atEntryEnd' | 'errors' | 'name' | 'onBusy' | 'raw'
> {
  readonly epoch: number
  /** The store has this, or nothing (null), under the key. */
  readonly onRead: (key: string, text: string | null) => void
}

type Wanted = TextMap<Deferred<string | null>>

/** The host answers at most so many entries, and fewer if they are large. */
const PAGE = 1000
/** Of the largest values, so many fit into one answer. */
const MOST_LARGE = 16

export class StoreReader {
  readonly #deps: StoreReaderDeps
  #wanted: Wanted | undefined

  constructor(deps: StoreReaderDeps) {
    this.#deps = deps
  }

  get(key: string): Promise<string | null> {
    const wanted = (this.#wanted ??= this.#startReading())
    let waiting = wanted.get(key)
    if (waiting === undefined) wanted.set(key, (waiting = quiet(defer())))
    return waiting.promise
  }

  /** `layers`: changes that the store may not have yet, the later behind. */
  async list(range: Range, layers: readonly Changes[]): Promise<readonly Entry[]> {
    let changed = 0
    for (let index = 0; index < layers.length; index++) changed += (layers[index] as Changes).entries.size
    const most = range.limit === undefined ? Infinity : range.limit + changed
    const stored: Entry[] = []
    let rest = range
    let size = PAGE
    let more = true
    this.#deps.onBusy(1)
    try {
      while (more && stored.length < most) {
        const limit = most - stored.length < size ? most - stored.length : size
        const page = await this.#page({ ...rest, limit })
        if (page === undefined) {
          size = limit >> 1 > MOST_LARGE ? limit >> 1 : MOST_LARGE
          continue
        }
        for (let index = 0; index < page.length; index++) stored[stored.length] = page[index] as Entry
        more = page.length === limit
        const last = stored[stored.length - 1]
        if (last !== undefined) rest = after(range, last[0])
      }
    } finally {
      this.#deps.onBusy(-1)
    }
    return merge(range, stored, more, layers)
  }

  /** Undefined: it would be too large for an answer. */
  async #page(range: Range & { readonly limit: number }): Promise<readonly Entry[] | undefined> {
    const { errors, epoch, name, raw } = this.#deps
    try {
      return (await raw('list', [name, epoch, range])).value as readonly Entry[]
    } catch (thrown) {
      if (range.limit > MOST_LARGE && (thrown as { code?: unknown }).code === 'VELA_CAPABILITY_BAD_CALL')
        return undefined
      throw errors.storage(thrown)
    }
  }

  #startReading(): Wanted {
    const wanted: Wanted = new TextMap()
    this.#deps.onBusy(1)
    this.#deps.atEntryEnd(() => {
      this.#wanted = undefined
      let left = 1
      const over = (): void => {
        if (--left === 0) this.#deps.onBusy(-1)
      }
      const ask = (keys: readonly string[]): void => {
        left++
        subscribe(
          this.#deps.raw('read', [this.#deps.name, this.#deps.epoch, keys]),
          (result) => {
            this.#answer(wanted, keys, (result as CallResult).value as readonly Entry[])
            over()
          },
          (reason) => {
            const error = this.#deps.errors.storage(reason)
            for (let index = 0; index < keys.length; index++) wanted.get(keys[index] as string)?.reject(error)
            over()
          },
        )
      }
      let keys: string[] = []
      wanted.each((_waiting, key) => {
        keys[keys.length] = key
        if (keys.length < MOST_LARGE) return
        ask(keys)
        keys = []
      })
      if (keys.length > 0) ask(keys)
      over()
    })
    return wanted
  }

  #answer(wanted: Wanted, keys: readonly string[], entries: readonly Entry[]): void {
    const found = new TextMap<string>()
    for (let index = 0; index < entries.length; index++) {
      const [key, text] = entries[index] as Entry
      found.set(key, text)
    }
    for (let index = 0; index < keys.length; index++) {
      const key = keys[index] as string
      const text = found.get(key) ?? null
      this.#deps.onRead(key, text)
      wanted.get(key)?.resolve(text)
    }
  }
}
