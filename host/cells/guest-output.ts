/**
 * Reads what a guest said in one OUTPUT frame. Everything in it is hostile: what does not fit the protocol is a
 * violation, and the cell that sent it is killed.
 */
import { BODY, FIRST_CALL_ID, FROM_GUEST, LAST_CALL_ID } from '../../guest-sdk/kernel/messages.ts'
import { ProtocolViolation } from '../../sandbox/protocol/frame-reader.ts'
import type { GuestError } from './call.ts'

export interface OutputHandler {
  response(
    id: number,
    status: number,
    headers: readonly string[],
    kind: number,
    body: string,
    pending: boolean,
  ): void
  value(id: number, json: string | undefined, pending: boolean): void
  threw(id: number, error: GuestError, pending: boolean): void
  data(id: number, part: string, kind: number): void
  end(id: number, broken: boolean): void
  settled(id: number): void
  credit(id: number, bytes: number): void
  timer(dueMs: number): void
  call(
    id: number,
    grant: number,
    method: string,
    argsJson: string,
    kind: number,
    body: string,
    turn: number,
  ): void
  drop(id: number): void
  /** Of kind BODY.stream: `size` bytes follow. */
  message(id: number, kind: number, body: string, size: number): void
  close(id: number, code: number, reason: string): void
  /** The turn is answered with the WebSocket that a call was answered with. */
  forward(id: number, call: number, pending: boolean): void
}

export function readOutput(text: string, handler: OutputHandler): void {
  const end = text.indexOf('\n')
  const messages = end < 0 ? undefined : parse(text.slice(0, end))
  if (!Array.isArray(messages)) throw new ProtocolViolation('Output is no list of messages')
  let at = end + 1
  const take = (size: number): string => {
    const from = at
    at += size
    if (at > text.length) throw new ProtocolViolation('Output is shorter than its messages say')
    return size === 0 ? '' : text.slice(from, at)
  }
  for (const message of messages as unknown[]) {
    if (!Array.isArray(message)) throw new ProtocolViolation('A message is no list')
    readMessage(message as unknown[], take, handler)
  }
}

function readMessage(message: unknown[], take: (size: number) => string, handler: OutputHandler): void {
  const id = natural(message[1])
  switch (message[0]) {
    case FROM_GUEST.response: {
      const kind = bodyKind(message[4])
      const body = take(natural(message[5]))
      if (message[2] === 101 && kind !== BODY.none)
        throw new ProtocolViolation('A response that is an upgrade has a body')
      return handler.response(id, statusOf(message[2]), headersOf(message[3]), kind, body, message[6] === 1)
    }
    case FROM_GUEST.value: {
      const json = take(natural(message[3]))
      return handler.value(id, message[2] === BODY.none ? undefined : json, message[4] === 1)
    }
    case FROM_GUEST.threw:
      return handler.threw(id, errorOf(parse(take(natural(message[2])))), message[3] === 1)
    case FROM_GUEST.data: {
      const kind = bodyKind(message[2])
      return handler.data(id, take(natural(message[3])), kind)
    }
    case FROM_GUEST.end:
      return handler.end(id, message[2] !== 0)
    case FROM_GUEST.settled:
      return handler.settled(id)
    case FROM_GUEST.credit:
      return handler.credit(id, natural(message[2]))
    case FROM_GUEST.timer:
      return handler.timer(id)
    case FROM_GUEST.call: {
      const args = take(natural(message[4]))
      const kind = bodyKind(message[5])
      const body = take(natural(message[6]))
      return handler.call(
        callId(id),
        natural(message[2]),
        nameOf(message[3]),
        args,
        kind,
        body,
        natural(message[7]),
      )
    }
    case FROM_GUEST.message: {
      const kind = bodyKind(message[2])
      const size = natural(message[3])
      return handler.message(id, kind, kind === BODY.stream ? '' : take(size), size)
    }
    case FROM_GUEST.forward:
      return handler.forward(id, callId(natural(message[2])), message[3] === 1)
    case FROM_GUEST.close:
      return handler.close(id, closeCode(message[2]), closeReason(take(natural(message[3]))))
    case FROM_GUEST.drop:
      return handler.drop(callId(id))
    default:
      throw new ProtocolViolation('A message has an unknown kind')
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new ProtocolViolation('A message is no JSON')
  }
}

function natural(value: unknown): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
    throw new ProtocolViolation('A message lacks a natural number')
  }
  return value
}

function callId(id: number): number {
  if (id < FIRST_CALL_ID || id > LAST_CALL_ID) throw new ProtocolViolation('A call has an id that is none')
  return id
}

function nameOf(value: unknown): string {
  if (typeof value !== 'string' || value.length > MAX_NAME) throw new ProtocolViolation('A name is malformed')
  return value
}

const MAX_NAME = 1024

function bodyKind(value: unknown): number {
  const kind = natural(value)
  if (kind > BODY.stream) throw new ProtocolViolation('A body has an unknown kind')
  return kind
}

function statusOf(value: unknown): number {
  const status = natural(value)
  if (status !== 101 && (status < 200 || status > 599))
    throw new ProtocolViolation(`A response has the status ${status}`)
  return status
}

/** What may stand in a close frame (RFC 6455), or 0 for none. */
function closeCode(value: unknown): number {
  const code = natural(value)
  const isReserved = code === 1004 || code === 1005 || code === 1006
  if (code === 0 || (code >= 1000 && code <= 1014 && !isReserved) || (code >= 3000 && code <= 4999))
    return code
  throw new ProtocolViolation(`A socket is closed with the code ${code}`)
}

function closeReason(reason: string): string {
  if (Buffer.byteLength(reason) > 123) throw new ProtocolViolation('A socket is closed with a long reason')
  return reason
}

/** Lower case, as the kernel's Headers keep them. */
const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9a-z-]+$/
// oxlint-disable-next-line no-control-regex -- what may not stand in a header value is just that
const HEADER_VALUE = /^[^\u0000-\u0008\u000a-\u001f\u007f\u0100-\uffff]*$/

/** The kernel has checked them; a broken-out cell has not. */
function headersOf(value: unknown): readonly string[] {
  if (!Array.isArray(value) || value.length % 2 !== 0)
    throw new ProtocolViolation('Headers are no list of pairs')
  for (let at = 0; at < value.length; at += 2) {
    const name: unknown = value[at]
    const text: unknown = value[at + 1]
    if (
      typeof name !== 'string' ||
      typeof text !== 'string' ||
      !HEADER_NAME.test(name) ||
      !HEADER_VALUE.test(text)
    ) {
      throw new ProtocolViolation('A header is malformed')
    }
  }
  return value as string[]
}

export function errorOf(value: unknown): GuestError {
  if (typeof value !== 'object' || value === null) throw new ProtocolViolation('An error is no object')
  const { name, message, stack, code } = value as Record<string, unknown>
  return {
    name: typeof name === 'string' ? name : 'Error',
    message: typeof message === 'string' ? message : '',
    ...(typeof stack === 'string' ? { stack } : {}),
    ...(typeof code === 'string' ? { code } : {}),
  }
}
