/**
 * The durable state of one activation, as the guest holds it: a cache of what the store has, and the changes that it does not
 * have yet. All changes of an entry leave as one write when the entry ends; one write is under way at a time, and what
 * comes meanwhile is the next. So what is durable is at every moment a state that the actor had.
 *
 * `gate()` is the output gate: whatever tells others of the state waits for it.
 */
import type { CallResult } from '../calls.ts'
import { stringify, subscribe } from '../primordials.ts'
import { Changes } from './changes.ts'
import type { ActorErrors } from './errors.ts'
import { TextMap, defer, quiet, type Deferred } from './intrinsics.ts'
import { select, type Entry, type Range } from './ranges.ts'
import { StoreReader } from './store-reader.ts'

/** What the host says when an actor begins to live here (docs/protocol.md). */
export interface Activated {
  readonly epoch: number
  readonly version: number | null
  readonly entries: readonly Entry[]
  readonly complete: boolean
  readonly alarmMs: number | null
}

export interface StorageDeps {
  readonly name: string
  readonly raw: (
    method: string,
    args: readonly unknown[],
    body?: { readonly text: string },
  ) => Promise<CallResult>
  readonly atEntryEnd: (callback: () => void) => void
  readonly wakeIn: (ms: number, callback: () => void) => void
  readonly errors: ActorErrors
  /** Version of the class, written with everything. */
  readonly version: number
  /** Writes were lost, and with them what the instance believes. */
  readonly onFailed: (error: unknown, isFenced: boolean) => void
  /** How many reads and transactions are under way: the input gate is closed meanwhile. */
  readonly onBusy: (change: 1 | -1) => void
  readonly onDirty: () => void
}

/** A change beyond this goes as the body of the call (characters). */
const INLINE_CHANGE = 262_144
/** What is kept of entries that the store has too (characters). */
const MAX_CACHE = 1_048_576
const RETRY_MS = 20

interface Flight {
  readonly changes: Changes
  readonly done: Deferred<void> | undefined
}

export class ActorStorage {
  readonly #deps: StorageDeps
  readonly epoch: number
  #cache = new TextMap<string | null>()
  #cached = 0
  #complete: boolean
  #alarmMs: number | null
  #pending = new Changes()
  #pendingDone: Deferred<void> | undefined
  #flight: Flight | undefined
  #overlay: Changes | undefined
  #isScheduled = false
  readonly #reader: StoreReader

  constructor(activated: Activated, deps: StorageDeps) {
    this.#deps = deps
    this.#reader = new StoreReader({
      ...deps,
      epoch: activated.epoch,
      // Written meanwhile, perhaps: then the store's is the older.
      onRead: (key, text) => {
        if (!this.#cache.has(key) && !this.#complete && this.#hasRoom()) this.#keep(key, text)
      },
    })
    this.epoch = activated.epoch
    this.#complete = activated.complete
    this.#alarmMs = activated.alarmMs
    const { entries } = activated
    for (let index = 0; index < entries.length; index++) {
      const [key, text] = entries[index] as Entry
      this.#keep(key, text)
    }
  }

  /** The output gate: undefined if everything is durable. Rejects if it never will be. */
  gate(): Promise<void> | undefined {
    if (!this.#pending.isEmpty) return (this.#pendingDone ??= quiet(defer())).promise
    const flight = this.#flight
    if (flight === undefined) return undefined
    if (flight.done !== undefined) return flight.done.promise
    const done = quiet(defer<void>())
    this.#flight = { ...flight, done }
    return done.promise
  }

  /** The encoded value, null if there is none; at once if it is known. */
  get(key: string): string | null | Promise<string | null> {
    const text = this.#lookUp(key)
    return text === undefined ? this.#reader.get(key) : text
  }

  /** `text` null: delete. */
  put(key: string, text: string | null): void {
    if (this.#overlay !== undefined) return this.#overlay.set(key, text)
    this.#pending.set(key, text)
    this.#keep(key, text)
    this.#schedule()
  }

  deleteAll(): void {
    const changes = new Changes()
    changes.all = true
    this.#make(changes)
  }

  getAlarm(): number | null {
    return this.#overlay?.alarmMs === undefined ? this.#alarmMs : this.#overlay.alarmMs
  }

  setAlarm(atMs: number | null): void {
    const changes = new Changes()
    changes.alarmMs = atMs
    this.#make(changes)
  }

  /** The host has sent it, and forgets it when it has been handled. */
  alarmCame(): void {
    this.#alarmMs = null
  }

  list(range: Range): readonly Entry[] | Promise<readonly Entry[]> {
    if (this.#complete || this.#overlay?.all === true) return select(range, this.#cache, this.#overlay)
    const layers: Changes[] = []
    if (this.#flight !== undefined) layers[0] = this.#flight.changes
    layers[layers.length] = this.#pending
    if (this.#overlay !== undefined) layers[layers.length] = this.#overlay
    return this.#reader.list(range, layers)
  }

  /** From here on changes are kept apart, until `commit` or `rollBack`. Throws if they are already. */
  begin(): Changes {
    if (this.#overlay !== undefined)
      throw new TypeError('storage.transaction: one is open already; transactions do not nest')
    this.#overlay = new Changes()
    this.#deps.onBusy(1)
    return this.#overlay
  }

  /** Makes the changes, all or none; false if they were given up meanwhile. */
  commit(changes: Changes, isUpgrade = false): boolean {
    if (!this.rollBack(changes)) return false
    changes.upgraded = isUpgrade
    if (!changes.isEmpty) this.#make(changes)
    return true
  }

  /** Forgets the changes that are kept apart: these, or any. */
  rollBack(changes: Changes | undefined = this.#overlay): boolean {
    if (changes === undefined || this.#overlay !== changes) return false
    this.#overlay = undefined
    this.#deps.onBusy(-1)
    return true
  }

  #lookUp(key: string): string | null | undefined {
    const overlay = this.#overlay
    if (overlay !== undefined) {
      const text = overlay.entries.get(key)
      if (text !== undefined) return text
      if (overlay.all) return null
    }
    const text = this.#cache.get(key)
    return text === undefined && this.#complete ? null : text
  }

  #keep(key: string, text: string | null): void {
    const before = this.#cache.get(key)
    this.#cached += (text?.length ?? 0) - (before?.length ?? 0) + (before === undefined ? key.length : 0)
    this.#cache.set(key, text)
  }

  /** Makes room if it may: what the store does not have yet must stay. */
  #hasRoom(): boolean {
    if (this.#cached <= MAX_CACHE) return true
    if (this.#flight !== undefined || !this.#pending.isEmpty) return false
    this.#forgetCache(false)
    return true
  }

  #forgetCache(complete: boolean): void {
    this.#cache = new TextMap()
    this.#cached = 0
    this.#complete = complete
  }

  #make(changes: Changes): void {
    if (this.#overlay !== undefined) return this.#overlay.add(changes)
    if (changes.all) this.#forgetCache(true)
    if (changes.alarmMs !== undefined) this.#alarmMs = changes.alarmMs
    changes.entries.each((text, key) => this.#keep(key, text))
    this.#pending.add(changes)
    this.#schedule()
  }

  #schedule(): void {
    if (this.#isScheduled || this.#flight !== undefined) return
    this.#isScheduled = true
    this.#deps.onDirty()
    this.#deps.atEntryEnd(() => {
      this.#isScheduled = false
      if (this.#flight !== undefined || this.#pending.isEmpty) return
      this.#flight = { changes: this.#pending, done: this.#pendingDone }
      this.#pending = new Changes()
      this.#pendingDone = undefined
      this.#write(this.#flight.changes)
    })
  }

  #write(changes: Changes): void {
    const { name, raw, version } = this.#deps
    const change = changes.toChange(version)
    const call =
      changes.characters > INLINE_CHANGE
        ? raw('write', [name, this.epoch, null], { text: stringify(change) as string })
        : raw('write', [name, this.epoch, change])
    subscribe(
      call,
      () => this.#written(),
      (reason) => this.#notWritten(changes, reason),
    )
  }

  #written(): void {
    const done = this.#flight?.done
    this.#flight = undefined
    if (!this.#pending.isEmpty) this.#schedule()
    else this.#hasRoom()
    done?.resolve()
  }

  #notWritten(changes: Changes, reason: unknown): void {
    const { code } = reason as { code?: unknown }
    // Refused at the door, so nothing of it was done.
    if (code === 'VELA_CAPABILITY_OVERLOADED') return this.#deps.wakeIn(RETRY_MS, () => this.#write(changes))
    const error = this.#deps.errors.storage(reason)
    const lost = [this.#flight?.done, this.#pendingDone]
    this.#flight = undefined
    this.#pending = new Changes()
    this.#pendingDone = undefined
    this.rollBack()
    this.#forgetCache(false)
    this.#deps.onFailed(error, code === 'VELA_ACTOR_FENCED')
    for (let index = 0; index < lost.length; index++) lost[index]?.reject(error)
  }
}
