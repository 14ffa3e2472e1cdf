/**
 * The payloads of messages between nodes: a letter that says what it is, a header in JSON up to the first newline, and a body of any
 * bytes. What NATS would not carry at once goes in numbered parts, which are joined here.
 * Threats: a damaged message, or one of another version, is dropped and never throws; parts whose rest never comes are forgotten after a
 * while, and what waits for its rest is bounded.
 */
import { GuestFacingError } from '../../capabilities/capability.ts'
import type { JsonValue } from '../../registry/types.ts'
import { ERRORS, VelaError, type ErrorCode } from '../../core/errors.ts'
import type { PeerMessage, PeerReceived } from './types.ts'

export const KIND = { request: 'R', answer: 'A', error: 'E', message: 'M', part: 'P' } as const
export type Kind = (typeof KIND)[keyof typeof KIND]

const MAX_MESSAGE_BYTES = 64 * 1024 * 1024
const MAX_HELD_BYTES = 256 * 1024 * 1024
const MAX_AGE_MS = 30_000
/** NATS counts the subjects, too. */
const ROOM_BYTES = 1024
const NEWLINE = 10
const EMPTY = Buffer.alloc(0)

/** Throws VELA_CAPABILITY_BAD_CALL for a message over 64 MiB. */
export function encodeWhole(kind: Kind, { header, body }: PeerMessage): Buffer {
  const head = `${kind}${JSON.stringify(header)}\n`
  const whole =
    body === undefined || typeof body === 'string'
      ? Buffer.from(body === undefined ? head : head + body)
      : Buffer.concat([Buffer.from(head), body])
  if (whole.length <= MAX_MESSAGE_BYTES) return whole
  throw new VelaError(
    'VELA_CAPABILITY_BAD_CALL',
    'A message to another host may have 64 MiB at most; send less at once',
  )
}

/** The payloads to publish, in order. Throws what `encodeWhole` throws. */
export function encodeMessage(kind: Kind, message: PeerMessage, maxPayload: number): readonly Buffer[] {
  const whole = encodeWhole(kind, message)
  const most = maxPayload - ROOM_BYTES
  if (whole.length <= most) return [whole]
  const parts: Buffer[] = []
  const count = Math.ceil(whole.length / most)
  for (let index = 0; index < count; index++) {
    const part = whole.subarray(index * most, (index + 1) * most)
    parts.push(Buffer.concat([Buffer.from(`${KIND.part}[${index},${count}]\n`), part]))
  }
  return parts
}

export interface Decoded extends PeerReceived {
  readonly kind: string
}

/** undefined: it cannot be read. */
export function decodeMessage(payload: Uint8Array): Decoded | undefined {
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength)
  const end = bytes.indexOf(NEWLINE)
  if (end < 1) return undefined
  try {
    const header: unknown = JSON.parse(bytes.toString('utf8', 1, end))
    const body = end + 1 === bytes.length ? EMPTY : bytes.subarray(end + 1)
    return { kind: String.fromCharCode(bytes[0] ?? 0), header, body }
  } catch {
    return undefined
  }
}

interface Held {
  readonly parts: Buffer[]
  readonly startedMs: number
  readonly count: number
  bytes: number
}

export interface Assembler {
  /** The message, once its last part has come. `key`: what its parts have in common. */
  take(key: string, payload: Uint8Array): Decoded | undefined
  clear(): void
}

export function createAssembler(now: () => number): Assembler {
  const held = new Map<string, Held>()
  let heldBytes = 0

  const forget = (key: string, one: Held): void => {
    heldBytes -= one.bytes
    held.delete(key)
  }

  const takePart = (key: string, { header, body }: Decoded): Decoded | undefined => {
    const [index, count] = Array.isArray(header) ? (header as unknown[]) : []
    if (typeof index !== 'number' || typeof count !== 'number') return undefined
    if (index === 0) {
      const before = held.get(key)
      if (before !== undefined) forget(key, before)
      for (const [other, one] of held) if (now() - one.startedMs > MAX_AGE_MS) forget(other, one)
      held.set(key, { parts: [], startedMs: now(), count, bytes: 0 })
    }
    const one = held.get(key)
    // A gap: the connection was lost in between.
    if (one === undefined) return undefined
    const isNext = one.parts.length === index && one.count === count
    const isTooMuch = one.bytes + body.length > MAX_MESSAGE_BYTES + ROOM_BYTES
    if (!isNext || isTooMuch || heldBytes + body.length > MAX_HELD_BYTES) {
      forget(key, one)
      return undefined
    }
    one.parts.push(body)
    one.bytes += body.length
    heldBytes += body.length
    if (one.parts.length < count) return undefined
    forget(key, one)
    const whole = decodeMessage(Buffer.concat(one.parts))
    return whole?.kind === KIND.part ? undefined : whole
  }

  return {
    take(key, payload) {
      const decoded = decodeMessage(payload)
      return decoded?.kind === KIND.part ? takePart(key, decoded) : decoded
    },
    clear() {
      held.clear()
      heldBytes = 0
    },
  }
}

/** An error for the other side: no stack, nothing of the host but what its words say. */
export function describeError(thrown: unknown): JsonValue {
  if (thrown instanceof GuestFacingError) {
    const { name, message, code = null, details = null } = thrown
    return { guest: true, name, message, code, details }
  }
  if (thrown instanceof VelaError) {
    const details = plain(thrown.details)
    return { guest: false, name: thrown.name, message: thrown.message, code: thrown.code, details }
  }
  return {
    guest: false,
    name: 'VelaError',
    message: 'The other host failed at it',
    code: 'VELA_NODE_LOST',
    details: null,
  }
}

export function readError(header: unknown): VelaError | GuestFacingError {
  const given = (typeof header === 'object' && header !== null ? header : {}) as Record<string, unknown>
  const message = typeof given['message'] === 'string' ? given['message'] : 'The other host failed at it'
  const code = typeof given['code'] === 'string' ? given['code'] : undefined
  const details = given['details'] ?? undefined
  if (given['guest'] === true) {
    const name = typeof given['name'] === 'string' ? given['name'] : 'Error'
    return new GuestFacingError(name, message, code, details as JsonValue | undefined)
  }
  const known = code !== undefined && Object.hasOwn(ERRORS, code) ? (code as ErrorCode) : 'VELA_NODE_LOST'
  const isObject = typeof details === 'object' && details !== null && !Array.isArray(details)
  return new VelaError(known, message, isObject ? { details: details as Record<string, unknown> } : {})
}

function plain(details: Readonly<Record<string, unknown>>): JsonValue {
  try {
    return JSON.parse(JSON.stringify(details)) as JsonValue
  } catch {
    return null
  }
}
