/**
 * What stands in an actor's log, and how an actor is what its log says: `epoch` (a host has taken the actor over), `change` (one atomic
 * change of its state), `snapshot` (all of it; what stands before does not matter any more). A record that NATS would not carry at once
 * stands in parts, one behind the other; it counts when its last part is there, so a host that ends half-way leaves no half of a change.
 * The layout is `{"k", "e", "i", "n"}`, a newline, and the record's JSON. A record of a kind that is not known is of a newer Vela: the actor is
 * not served rather than served wrongly.
 */
import type { ActorAddress, StateChange } from '../../concurrency/actors/types.ts'
import { VelaError } from '../../core/errors.ts'
import { writeAddress } from './address.ts'

export type RecordKind = 'epoch' | 'change' | 'snapshot'

/** All of an actor that lasts. */
export interface ActorState {
  readonly version: number | null
  readonly entries: ReadonlyMap<string, string>
  readonly alarmMs: number | null
}

export interface Folded extends ActorState {
  /** Of the last host that took it over; 0: none has. */
  readonly epoch: number
  /** Of the last message; 0: there is none. */
  readonly sequence: number
  /** Messages and bytes behind the last snapshot. */
  readonly messages: number
  readonly bytes: number
}

/** For headers; names of classes and actors do not stand in it. */
const ROOM_BYTES = 2048
const NEWLINE = 10

/** The payloads of a record, to be appended in order. */
export function encodeRecord(
  kind: RecordKind,
  epoch: number,
  body: unknown,
  maxPayload: number,
): readonly Buffer[] {
  const bytes = Buffer.from(JSON.stringify(body))
  const most = maxPayload - ROOM_BYTES
  const count = Math.max(1, Math.ceil(bytes.length / most))
  const parts: Buffer[] = []
  for (let index = 0; index < count; index++) {
    const header = JSON.stringify({ k: kind, e: epoch, i: index, n: count })
    const part = bytes.subarray(index * most, (index + 1) * most)
    parts.push(Buffer.concat([Buffer.from(`${header}\n`), part]))
  }
  return parts
}

export const epochBody = (node: string, address: ActorAddress): unknown => ({
  node,
  actor: writeAddress(address),
})

export const changeBody = ({ version, puts, deletes, deleteAll, alarmMs }: StateChange): unknown => ({
  v: version,
  p: puts,
  d: deletes,
  ...(deleteAll ? { x: true } : {}),
  ...(alarmMs === undefined ? {} : { a: alarmMs }),
})

export const snapshotBody = ({ version, entries, alarmMs }: ActorState): unknown => ({
  v: version,
  p: [...entries],
  a: alarmMs,
})

export interface RecordHeader {
  readonly kind: RecordKind
  readonly epoch: number
  readonly index: number
  readonly count: number
}

/** Throws VELA_STORE_DAMAGED for what is no record. */
export function decodeRecord(payload: Uint8Array): { readonly header: RecordHeader; readonly body: Buffer } {
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength)
  const end = bytes.indexOf(NEWLINE)
  const header = parse(bytes.subarray(0, Math.max(0, end)))
  const { k: kind, e: epoch, i: index, n: count } = header
  if (kind !== 'epoch' && kind !== 'change' && kind !== 'snapshot')
    throw damaged('a record of an unknown kind')
  if (!isCount(epoch) || !isCount(index) || !isCount(count) || index >= count)
    throw damaged('a record whose header is not valid')
  return { header: { kind, epoch, index, count }, body: bytes.subarray(end + 1) }
}

export interface Fold {
  /** The next message of the log. Throws VELA_STORE_DAMAGED. */
  take(sequence: number, payload: Uint8Array): void
  readonly folded: Folded
}

export function createFold(): Fold {
  const entries = new Map<string, string>()
  let version: number | null = null
  let alarmMs: number | null = null
  let epoch = 0
  let lastSequence = 0
  let messages = 0
  let bytes = 0
  let kind: RecordKind = 'change'
  let parts: Buffer[] = []

  const apply = (body: Buffer): void => {
    if (kind === 'epoch') return
    const record = parse(body)
    if (kind === 'snapshot' || record['x'] === true) entries.clear()
    for (const key of listOf(record['d'] ?? [])) entries.delete(textOf(key))
    for (const put of listOf(record['p'])) {
      const [key, value] = listOf(put)
      entries.set(textOf(key), textOf(value))
    }
    version = numberOf(record['v'])
    if (Object.hasOwn(record, 'a')) alarmMs = numberOf(record['a'])
    if (kind === 'snapshot') [messages, bytes] = [0, 0]
  }

  return {
    take(sequence, payload) {
      const { header, body } = decodeRecord(payload)
      lastSequence = sequence
      messages += 1
      bytes += payload.length
      epoch = Math.max(epoch, header.epoch)
      if (header.index === 0) [kind, parts] = [header.kind, []]
      // The rest of a record whose beginning made room for a snapshot, or was given up.
      if (header.kind !== kind || parts.length !== header.index) {
        parts = []
        return
      }
      parts.push(body)
      if (parts.length < header.count) return
      const whole = parts.length === 1 ? body : Buffer.concat(parts)
      parts = []
      apply(whole)
    },
    get folded() {
      return { version, entries, alarmMs, epoch, sequence: lastSequence, messages, bytes }
    },
  }
}

const damaged = (what: string): VelaError =>
  new VelaError('VELA_STORE_DAMAGED', `The log of an actor has ${what}; was it written by a newer Vela?`)

function parse(bytes: Buffer): Record<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(bytes.toString())
  } catch {
    throw damaged('a record that cannot be read')
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>
  throw damaged('a record that is no object')
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0

function listOf(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value
  throw damaged('a record without its list')
}

function textOf(value: unknown): string {
  if (typeof value === 'string') return value
  throw damaged('an entry that is no text')
}

function numberOf(value: unknown): number | null {
  if (value === null || Number.isSafeInteger(value)) return value as number | null
  throw damaged('a number that is none')
}
