/**
 * The actors whose state this host has at hand: folded from their logs into the in-memory store, each with the place in its log that the next
 * change stands behind. Invariants: what is at hand is what the log says, or it is dropped (`drop`) and folded anew; work on one actor is done one
 * after the other.
 */
import {
  ACTOR_OVERHEAD_BYTES,
  ENTRY_OVERHEAD_BYTES,
  keyOf,
  type ActorAddress,
  type Entry,
  type StateChange,
} from '../../concurrency/actors/types.ts'
import type { ActorStore } from '../../concurrency/actors/store/store.ts'
import { VelaError } from '../../core/errors.ts'
import type { ActorLog } from './log.ts'
import type { Owner } from './owners.ts'
import { createFold, encodeRecord, epochBody, snapshotBody, type ActorState, type Folded } from './records.ts'
import { entriesOf } from './state-pages.ts'

export interface Kept {
  readonly owner: Owner
  readonly address: ActorAddress
  /** In the in-memory store; null: it has nothing there. */
  row: number | null
  /** Of the last message of its log. */
  sequence: number
  /** Behind the last snapshot. */
  messages: number
  logBytes: number
  /** Of the quota. */
  bytes: number
  alarmMs: number | null
}

export interface KeptActors {
  /** One thing after the other for each actor. */
  run<Value>(address: ActorAddress, work: () => Promise<Value>): Promise<Value>
  get(address: ActorAddress): Kept | undefined
  /** By its row in the store. */
  at(row: number): Kept | undefined
  /** Takes the actor over: from here on no other host, and nothing that this one sent before, can write its log. Within `run`. */
  take(owner: Owner): Promise<Kept>
  /** It is where the change has left it. */
  moved(kept: Kept, row: number | null, bytes: number): void
  /** Its log has become long: all of it goes, for one snapshot. Within `run`. */
  shorten(kept: Kept): Promise<void>
  /** What is at hand may not be what the log says any more. */
  drop(kept: Kept): void
  values(): IterableIterator<Kept>
  /** Bytes at hand of a tenant. */
  bytesOf(tenant: string): number
}

export interface KeptDeps {
  readonly log: ActorLog
  readonly cache: ActorStore
  readonly self: string
  readonly onFailure: (what: string, thrown: unknown) => void
}

/** Handed to the store at once. */
const CHUNK_CHARACTERS = 2 * 1024 * 1024
const MOST_TRIES = 5
const NO_LIMIT: number = Number.MAX_SAFE_INTEGER
const CLEAR: StateChange = { version: null, puts: [], deletes: [], deleteAll: true, alarmMs: null }

export function createKeptActors({ log, cache, self, onFailure }: KeptDeps): KeptActors {
  const kept = new Map<string, Kept>()
  const rows = new Map<number, Kept>()
  const tails = new Map<string, Promise<unknown>>()
  const tenants = new Map<string, number>()

  const count = (tenant: string, bytes: number): void => {
    const sum = (tenants.get(tenant) ?? 0) + bytes
    if (sum === 0) tenants.delete(tenant)
    else tenants.set(tenant, sum)
  }

  const run = <Value>(address: ActorAddress, work: () => Promise<Value>): Promise<Value> => {
    const key = keyOf(address)
    const before = tails.get(key)
    const done = before === undefined ? work() : before.then(work)
    const tail = done
      .catch(() => undefined)
      .then(() => {
        if (tails.get(key) === tail) tails.delete(key)
      })
    tails.set(key, tail)
    return done
  }

  /** Its epoch stands in the log, behind all that was there. */
  const claimLog = async (owner: Owner): Promise<Folded> => {
    const parts = encodeRecord('epoch', owner.epoch, epochBody(self, owner.address), log.maxPayload)
    // Most that are taken for the first time have no log.
    let folded = createFold().folded
    for (let tries = 0; tries < MOST_TRIES; tries++) {
      if (folded.epoch > owner.epoch) throw moved()
      try {
        const bytes = sizeOf(owner.address, folded)
        const { last } = await log.append(owner.place, parts, { after: folded.sequence, bytes })
        return { ...folded, sequence: last, messages: folded.messages + 1 }
      } catch (thrown) {
        if (!(thrown instanceof VelaError) || thrown.code !== 'VELA_ACTOR_FENCED') throw thrown
      }
      folded = await log.read(owner.place)
    }
    throw moved()
  }

  /** The row in the store. */
  const fill = async (
    address: ActorAddress,
    { version, entries, alarmMs }: Folded,
  ): Promise<number | null> => {
    if (entries.size === 0 && alarmMs === null) return null
    let row: number | null = null
    let puts: Entry[] = []
    let characters = 0
    let first = true
    const flush = async (): Promise<void> => {
      const change = { version, puts, deletes: [], deleteAll: first, alarmMs: first ? alarmMs : undefined }
      row = await cache.change(address, row, change, NO_LIMIT)
      first = false
      puts = []
      characters = 0
    }
    for (const entry of entries) {
      puts.push(entry)
      characters += entry[0].length + entry[1].length
      if (characters > CHUNK_CHARACTERS) await flush()
    }
    if (puts.length > 0 || first) await flush()
    return row
  }

  const moveTo = (one: Kept, row: number | null, bytes: number): void => {
    if (one.row !== row) {
      if (one.row !== null) rows.delete(one.row)
      if (row !== null) rows.set(row, one)
      one.row = row
    }
    count(one.address.tenant, bytes - one.bytes)
    one.bytes = bytes
  }

  const forget = (one: Kept): void => {
    const key = keyOf(one.address)
    if (kept.get(key) !== one) return
    kept.delete(key)
    if (one.row !== null) rows.delete(one.row)
    count(one.address.tenant, -one.bytes)
    const { row, address } = one
    if (row === null) return
    // Behind what is under way, and before it is folded anew.
    run(address, () => cache.change(address, row, CLEAR, NO_LIMIT)).catch((thrown: unknown) =>
      onFailure('an actor could not be dropped', thrown),
    )
  }

  const stateOf = async ({ address, row, alarmMs }: Kept): Promise<unknown> => {
    const { version } = await cache.load(address)
    const entries = row === null ? new Map<string, string>() : await entriesOf(cache, address.tenant, row)
    return snapshotBody({ version, entries, alarmMs })
  }

  return {
    run,
    get: (address) => kept.get(keyOf(address)),
    at: (row) => rows.get(row),
    async take(owner) {
      const { address } = owner
      const folded = await claimLog(owner)
      const one: Kept = {
        owner,
        address,
        row: null,
        sequence: folded.sequence,
        messages: folded.messages,
        logBytes: folded.bytes,
        bytes: 0,
        alarmMs: folded.alarmMs,
      }
      const row = await fill(address, folded)
      kept.set(keyOf(address), one)
      moveTo(one, row, sizeOf(address, folded))
      return one
    },
    moved: moveTo,
    async shorten(one) {
      const { place, epoch } = one.owner
      const parts = encodeRecord('snapshot', epoch, await stateOf(one), log.maxPayload)
      const isOne = parts.length === 1
      const after = { after: one.sequence, bytes: one.bytes, replaces: isOne }
      const { first, last } = await log.append(place, parts, after)
      one.sequence = last
      one.messages = parts.length
      one.logBytes = 0
      if (!isOne) await log.purge(place, first)
    },
    drop: forget,
    values: () => kept.values(),
    bytesOf: (tenant) => tenants.get(tenant) ?? 0,
  }
}

/** As the store counts it. */
export function sizeOf({ name }: ActorAddress, { entries, alarmMs }: ActorState): number {
  if (entries.size === 0 && alarmMs === null) return 0
  let bytes = ACTOR_OVERHEAD_BYTES + Buffer.byteLength(name)
  for (const [key, value] of entries)
    bytes += ENTRY_OVERHEAD_BYTES + Buffer.byteLength(key) + Buffer.byteLength(value)
  return bytes
}

/** The actor is to be looked for again; nothing was done. */
export function moved(): VelaError {
  return new VelaError('VELA_ACTOR_FENCED', 'Another host has the actor; nothing was done', {
    details: { moved: true },
  })
}
