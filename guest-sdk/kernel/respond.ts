/**
 * Sends a response: small bodies inline with the head, large and streaming ones in parts that never run further
 * ahead than the credit the host gave, so that a slow client slows the guest.
 */
import { BODY, FROM_GUEST, INITIAL_CREDIT, INLINE_BODY_LIMIT } from './messages.ts'
import { PromiseOf, charCodeAt, fromCharCode, slice, stringify } from './primordials.ts'
import type { Native } from './native.ts'
import type { Outbox } from './outbox.ts'
import type { BodyReader, ResponseParts } from './web-contract.ts'

/** Bytes above this go by a BYTES frame (one native copy), below it as characters. */
const SMALL_BYTES = 1024
const PART_LENGTH = 65_536

export interface Sender {
  /** The host gave leave for more. */
  credit(bytes: number): void
  /** Nobody waits for the rest. */
  cancel(reason: unknown): void
}

export interface SendDeps {
  readonly outbox: Outbox
  readonly native: Native
  readonly limitBytes: number
  /** Is work left (waitUntil) once the response has gone? */
  readonly pending: () => boolean
  readonly onEnd: (error: unknown) => void
}

/** Starts sending; `undefined` when all of it went at once. */
export function sendResponse(id: number, parts: ResponseParts, deps: SendDeps): Sender | undefined {
  const { body } = parts
  if (body === null) return sendHead(id, parts, BODY.none, '', deps)
  if ('text' in body) {
    if (body.text.length <= INLINE_BODY_LIMIT) return sendHead(id, parts, BODY.text, body.text, deps)
    return sendParts(id, parts, textParts(body.text), deps)
  }
  if ('bytes' in body) {
    if (body.bytes.length <= SMALL_BYTES) return sendHead(id, parts, BODY.bytes, byteString(body.bytes), deps)
    return sendParts(id, parts, byteParts(body.bytes), deps)
  }
  return sendParts(id, parts, body.stream.getReader(), deps)
}

function sendHead(id: number, parts: ResponseParts, kind: number, text: string, deps: SendDeps): undefined {
  const { headers } = parts
  let list = ''
  for (let at = 0; at < headers.length; at++)
    list += (at === 0 ? '' : ',') + (stringify(headers[at]) as string)
  const pending = deps.pending() ? 1 : 0
  deps.outbox.add(
    `[${FROM_GUEST.response},${id},${parts.status},[${list}],${kind},${text.length},${pending}]`,
    text,
  )
  return undefined
}

/** A part is text, bytes, or (from a hostile stream) anything. */
function sendParts(id: number, parts: ResponseParts, reader: BodyReader, deps: SendDeps): Sender {
  const { outbox, native } = deps
  let credit = INITIAL_CREDIT
  let sent = 0
  let over = false
  let resume: (() => void) | undefined

  const send = (part: unknown): void => {
    if (typeof part !== 'string' && !(part instanceof Uint8Array)) {
      throw new TypeError('A response stream must produce Uint8Array chunks; encode text with TextEncoder')
    }
    credit -= part.length
    sent += part.length
    if (sent > deps.limitBytes)
      throw new RangeError(`The response exceeds limits.responseBodyBytes (${deps.limitBytes})`)
    if (typeof part === 'string') outbox.add(`[${FROM_GUEST.data},${id},${BODY.text},${part.length}]`, part)
    else if (part.length === 0) return
    else if (part.length <= SMALL_BYTES) {
      outbox.add(`[${FROM_GUEST.data},${id},${BODY.bytes},${part.length}]`, byteString(part))
    } else {
      const said = outbox.drain()
      if (said !== undefined) native.flush(said)
      native.emit(id, part)
    }
  }

  /** The host is told once, and before the guest's own clean-up, which may take as long as it likes. */
  const finish = (broken: 0 | 1, error: unknown): void => {
    if (over) return
    over = true
    outbox.add(`[${FROM_GUEST.end},${id},${broken}]`, '')
    deps.onEnd(error)
  }
  const giveUp = (reason: unknown): void => {
    reader.cancel(reason).catch(() => undefined)
  }

  const pump = async (): Promise<void> => {
    try {
      for (;;) {
        if (credit <= 0) await new PromiseOf<void>((resolve) => (resume = resolve))
        if (over) return
        const { done, value } = await reader.read()
        if (over) return
        if (done) return finish(0, undefined)
        send(value)
      }
    } catch (thrown) {
      if (over) return
      finish(1, thrown ?? new Error('The response stream failed'))
      giveUp(thrown)
    }
  }

  const wake = (): void => {
    resume?.()
    resume = undefined
  }
  sendHead(id, parts, BODY.stream, '', deps)
  void pump()
  return {
    credit(bytes) {
      credit += bytes
      if (credit > 0) wake()
    },
    cancel(reason) {
      finish(1, undefined)
      // Now, and not when the pump comes by: it may be waiting for a chunk that never comes.
      giveUp(reason)
      wake()
    },
  }
}

/** Cuts between characters, never within a surrogate pair. */
function textParts(text: string): BodyReader {
  let at = 0
  return listReader(() => {
    if (at >= text.length) return undefined
    let end = at + PART_LENGTH
    if (end < text.length && (charCodeAt(text, end - 1) & 0xfc00) === 0xd800) end--
    const part = slice(text, at, end)
    at = end
    return part
  })
}

function byteParts(bytes: Uint8Array): BodyReader {
  let at = 0
  return listReader(() => {
    if (at >= bytes.length) return undefined
    const part = bytes.subarray(at, at + PART_LENGTH)
    at += PART_LENGTH
    return part
  })
}

function listReader(next: () => string | Uint8Array | undefined): BodyReader {
  return {
    async read() {
      const value = next()
      return value === undefined ? { done: true } : { done: false, value }
    },
    async cancel() {},
  }
}

function byteString(bytes: Uint8Array): string {
  let text = ''
  for (let at = 0; at < bytes.length; at++) text += fromCharCode(bytes[at] as number)
  return text
}
