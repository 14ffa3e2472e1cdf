/**
 * Sends a body in parts that never run further ahead than the credit the host gave: the response of a turn, or what goes
 * with a call of a capability. A slow receiver slows the guest.
 * Threat: a chunk is the guest's, and so are its properties and the prototypes behind it. How long it is, and whether it is
 * bytes at all, is asked of the captured getters, or a guest could write messages of its own.
 */
import { typedArrayByteLength, typedArrayName } from '../web/intrinsics.ts'
import { engineBytes, WORTHWHILE_BYTES } from './engine-bytes.ts'
import { BODY, FROM_GUEST, INITIAL_CREDIT, INLINE_BODY_LIMIT } from './messages.ts'
import { PromiseOf, charCodeAt, fromCharCode, slice } from './primordials.ts'
import type { Native } from './native.ts'
import type { Outbox } from './outbox.ts'
import type { BodyReader, ResponseParts } from './web-contract.ts'

/** Bytes above this go by a BYTES frame (one native copy), below it as characters. */
export const SMALL_BYTES = 1024
const PART_LENGTH = 65_536

export interface Sender {
  /** The host gave leave for more. */
  credit(bytes: number): void
  /** Nobody waits for the rest. */
  cancel(reason: unknown): void
}

export interface BodySenderDeps {
  readonly outbox: Outbox
  readonly native: Native
  /** Largest body (bytes), and what to call it when it is larger. */
  readonly limitBytes: number
  readonly limitMessage: (limitBytes: number) => string
  readonly onEnd: (error: unknown) => void
}

/** What of a body goes inline with its message, as kind and characters, and what has to follow in parts. */
export interface SplitBody {
  readonly kind: number
  readonly text: string
  readonly rest: BodyReader | undefined
}

export function splitBody(body: ResponseParts['body']): SplitBody {
  if (body === null) return NO_BODY
  if ('text' in body) {
    const { text } = body
    if (text.length <= INLINE_BODY_LIMIT) return { kind: BODY.text, text, rest: undefined }
    return { kind: BODY.stream, text: '', rest: textParts(text) }
  }
  if ('bytes' in body) {
    const { bytes } = body
    if (typedArrayByteLength(bytes) <= SMALL_BYTES)
      return { kind: BODY.bytes, text: byteString(bytes), rest: undefined }
    return { kind: BODY.stream, text: '', rest: byteParts(bytes) }
  }
  return { kind: BODY.stream, text: '', rest: body.stream.getReader() }
}

const NO_BODY: SplitBody = { kind: BODY.none, text: '', rest: undefined }

/** Bytes leave by themselves, so what was said before them leaves first. */
export function emitInOrder(outbox: Outbox, native: Native, id: number, bytes: Uint8Array): void {
  const said = outbox.drain()
  if (said !== undefined) native.flush(said)
  native.emit(id, bytes)
}

/** Begins at once; a part is text, bytes, or (from a hostile stream) anything. */
export function sendParts(id: number, reader: BodyReader, deps: BodySenderDeps): Sender {
  const { outbox, native } = deps
  let credit = INITIAL_CREDIT
  let sent = 0
  let over = false
  let resume: (() => void) | undefined

  const send = (part: unknown): void => {
    if (typeof part !== 'string' && typedArrayName(part) !== 'Uint8Array') {
      throw new TypeError('A body stream must produce Uint8Array chunks; encode text with TextEncoder')
    }
    const length = typeof part === 'string' ? part.length : typedArrayByteLength(part)
    credit -= length
    sent += length
    if (sent > deps.limitBytes) throw new RangeError(deps.limitMessage(deps.limitBytes))
    if (typeof part === 'string') outbox.add(`[${FROM_GUEST.data},${id},${BODY.text},${length}]`, part)
    else if (length === 0) return
    else if (length <= SMALL_BYTES) {
      outbox.add(`[${FROM_GUEST.data},${id},${BODY.bytes},${length}]`, byteString(part as Uint8Array))
    } else emitInOrder(outbox, native, id, part as Uint8Array)
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
      finish(1, thrown ?? new Error('The body stream failed'))
      giveUp(thrown)
    }
  }

  const wake = (): void => {
    resume?.()
    resume = undefined
  }
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
  const length = typedArrayByteLength(bytes)
  let at = 0
  return listReader(() => {
    if (at >= length) return undefined
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

export function byteString(bytes: Uint8Array): string {
  const length = typedArrayByteLength(bytes)
  if (engineBytes !== undefined && length > WORTHWHILE_BYTES) return engineBytes.toText(bytes)
  let text = ''
  for (let at = 0; at < length; at++) text += fromCharCode(bytes[at] as number)
  return text
}
