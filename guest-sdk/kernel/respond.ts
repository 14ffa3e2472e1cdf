/** Sends a response: small bodies inline with the head, large and streaming ones in parts behind it. */
import { byteParts, byteString, sendParts, SMALL_BYTES, textParts, type Sender } from './body-sender.ts'
import { BODY, FROM_GUEST, INLINE_BODY_LIMIT } from './messages.ts'
import { stringify } from './primordials.ts'
import type { Native } from './native.ts'
import type { Outbox } from './outbox.ts'
import type { BodyReader, ResponseParts } from './web-contract.ts'

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
    return sendStream(id, parts, textParts(body.text), deps)
  }
  if ('bytes' in body) {
    if (body.bytes.length <= SMALL_BYTES) return sendHead(id, parts, BODY.bytes, byteString(body.bytes), deps)
    return sendStream(id, parts, byteParts(body.bytes), deps)
  }
  return sendStream(id, parts, body.stream.getReader(), deps)
}

function sendStream(id: number, parts: ResponseParts, reader: BodyReader, deps: SendDeps): Sender {
  sendHead(id, parts, BODY.stream, '', deps)
  return sendParts(id, reader, { ...deps, limitMessage: tooLarge })
}

const tooLarge = (limitBytes: number): string =>
  `The response exceeds limits.responseBodyBytes (${limitBytes})`

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
