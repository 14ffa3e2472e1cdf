/**
 * The guest's side of one WebSocket connection: messages out under the credit that the host gives, messages in with
 * credit given back when the guest has had them. A slow client makes `bufferedAmount` grow, and one that stays slow
 * loses its connection: what waits in the isolate for one socket is bounded.
 */
import { typedArrayByteLength } from '../web/intrinsics.ts'
import { byteString, emitInOrder, SMALL_BYTES } from './body-sender.ts'
import { BODY, CLOSE, FROM_GUEST, SOCKET_MESSAGE_COST, SOCKET_WINDOW } from './messages.ts'
import type { Native } from './native.ts'
import type { Outbox } from './outbox.ts'
import { sendResponse } from './respond.ts'
import type { ResponseParts, SocketEnd } from './web-contract.ts'

/** What `send` may leave waiting in the isolate (characters or bytes); a message that finds nothing waiting may be larger. */
const MAX_BUFFERED = 1_048_576
const MAX_WAITING = 16_384
/** RFC 6455: a server that is overloaded asks to try again later. */
const TRY_AGAIN_LATER = 1013
const ABNORMAL = 1006
const GRANT = SOCKET_WINDOW / 4

export interface Socket {
  /** A message of the client. */
  message(kind: number, bytes: string): void
  closed(code: number, how: number, reason: string): void
  /** The host gave leave for more. */
  credit(amount: number): void
  /** The host has forgotten it. */
  cancel(): void
}

export interface SocketDeps {
  readonly outbox: Outbox
  readonly native: Native
  readonly limitBytes: number
  /** Runs guest code on behalf of the turn. */
  readonly run: (work: () => void) => void
  /** The guest has heard of the end; once. */
  readonly onEnd: () => void
}

interface Waiting {
  readonly data: string | Uint8Array
  readonly length: number
  next: Waiting | undefined
}

/** Answers with the response that carries `end`, and joins that to the connection. */
export function openSocket(id: number, parts: ResponseParts, end: SocketEnd, deps: SocketDeps): Socket {
  const { outbox, native, limitBytes } = deps
  let credit = SOCKET_WINDOW
  let first: Waiting | undefined
  let last: Waiting | undefined
  let waiting = 0
  let buffered = 0
  let closing: { code: number; reason: string } | undefined
  let closeSaid = false
  let overflowed = false
  let over = false
  let taken = 0

  const say = (data: string | Uint8Array, length: number): void => {
    credit -= length + SOCKET_MESSAGE_COST
    if (typeof data === 'string') outbox.add(`[${FROM_GUEST.message},${id},${BODY.text},${length}]`, data)
    else if (length <= SMALL_BYTES) {
      const text = byteString(data)
      outbox.add(`[${FROM_GUEST.message},${id},${BODY.bytes},${text.length}]`, text)
    } else {
      outbox.add(`[${FROM_GUEST.message},${id},${BODY.stream},${length}]`, '')
      emitInOrder(outbox, native, id, data)
    }
  }

  const flush = (): void => {
    for (; first !== undefined && credit > 0; first = first.next) {
      waiting--
      buffered -= first.length
      say(first.data, first.length)
    }
    if (first !== undefined) return
    last = undefined
    if (closing === undefined || closeSaid) return
    closeSaid = true
    outbox.add(`[${FROM_GUEST.close},${id},${closing.code},${closing.reason.length}]`, closing.reason)
  }

  const overflow = (): false => {
    overflowed = true
    first = undefined
    waiting = 0
    buffered = 0
    closing = { code: TRY_AGAIN_LATER, reason: 'The client takes messages too slowly' }
    flush()
    return false
  }

  const give = (amount: number): void => {
    taken += amount
    if (taken < GRANT || over) return
    outbox.add(`[${FROM_GUEST.credit},${id},${taken}]`, '')
    taken = 0
  }

  const finish = (): void => {
    if (over) return
    over = true
    first = undefined
    last = undefined
    waiting = 0
    buffered = 0
    deps.onEnd()
  }

  const closed = (code: number, how: number, reason: string): void => {
    if (over) return
    const failed = overflowed || how === CLOSE.failed
    const shown = overflowed ? TRY_AGAIN_LATER : code
    end.closed({ code: shown, reason, clean: how === CLOSE.clean && !overflowed, failed }, finish)
  }

  sendResponse(id, parts, { outbox, native, limitBytes, pending: () => false, onEnd: () => undefined })
  end.connect({
    send(data) {
      if (closing !== undefined || over) return false
      const length = typeof data === 'string' ? data.length : typedArrayByteLength(data)
      if (length > limitBytes) {
        throw new RangeError(
          `The message has ${length} bytes; at most ${limitBytes} are allowed (limits.socketMessageBytes)`,
        )
      }
      if (first === undefined && credit > 0) {
        say(data, length)
        return true
      }
      if ((waiting > 0 && buffered + length > MAX_BUFFERED) || waiting === MAX_WAITING) return overflow()
      const item = { data, length, next: undefined }
      waiting++
      buffered += length
      if (last === undefined) first = item
      else last.next = item
      last = item
      return true
    },
    close(code, reason) {
      if (closing !== undefined || over) return
      closing = { code, reason }
      flush()
    },
    get bufferedAmount() {
      return buffered
    },
    run: deps.run,
  })

  return {
    message: (kind, bytes) =>
      end.receive(kind === BODY.text, bytes, () => give(bytes.length + SOCKET_MESSAGE_COST)),
    closed,
    credit(amount) {
      credit += amount
      flush()
    },
    cancel: () => closed(ABNORMAL, CLOSE.abrupt, ''),
  }
}
