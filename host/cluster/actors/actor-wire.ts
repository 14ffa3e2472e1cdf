/**
 * A message to an actor on its way to another host, as the header and the body of a request between nodes. Deadlines cross as what is left
 * of them: the clocks of two hosts need not agree. What comes in is of another host, maybe of another version, and read with care.
 */
import { nowMs } from '../../cells/clock.ts'
import type { MessageKind } from '../../concurrency/actors/actor-call.ts'
import type { Letter, Sender } from '../../concurrency/actors/contract.ts'
import { DEFAULT_DEADLINE_MS, type ActorAddress } from '../../concurrency/actors/types.ts'
import { VelaError } from '../../core/errors.ts'
import type { JsonValue } from '../../registry/types.ts'
import type { PeerReceived } from '../peers/types.ts'
import { readAddress, writeAddress } from './address.ts'

export interface RemoteMessage {
  readonly address: ActorAddress
  readonly letter: Letter
  readonly requestId: string
  readonly depth: number
}

/** For a tell to stand in a mailbox. */
const TELL_MS = 30_000
const KINDS: ReadonlySet<string> = new Set<MessageKind>(['ask', 'tell', 'depth'])

/** Milliseconds that are left for the answer. */
export function leftOf({ kind, deadlineMs }: Letter, sender: Sender): number {
  const own =
    kind === 'tell' ? TELL_MS : deadlineMs === undefined ? DEFAULT_DEADLINE_MS : deadlineMs - nowMs()
  return Math.max(0, Math.min(own, sender.deadlineMs - performance.now()))
}

export function writeMessage(
  address: ActorAddress,
  { kind, method, priority, deadlineMs }: Letter,
  { requestId, depth }: Sender,
  leftMs: number,
): JsonValue {
  const within = kind === 'tell' ? (deadlineMs === undefined ? null : deadlineMs - nowMs()) : leftMs
  return [writeAddress(address), kind, method, priority ?? null, within, requestId, depth]
}

/** Throws VELA_NODE_LOST for what cannot be read. */
export function readMessage({ header, body }: PeerReceived): RemoteMessage {
  const [actor, kind, method, priority, within, requestId, depth] = Array.isArray(header)
    ? (header as unknown[])
    : []
  const address = readAddress(actor)
  if (
    address === undefined ||
    typeof kind !== 'string' ||
    !KINDS.has(kind) ||
    typeof method !== 'string' ||
    typeof requestId !== 'string' ||
    typeof depth !== 'number'
  )
    throw new VelaError('VELA_NODE_LOST', 'The message to an actor cannot be read; do the hosts differ?')
  return {
    address,
    letter: {
      kind: kind as MessageKind,
      method,
      argsText: body.toString(),
      priority: typeof priority === 'number' ? priority : undefined,
      deadlineMs: typeof within === 'number' ? nowMs() + within : undefined,
    },
    requestId,
    depth,
  }
}
