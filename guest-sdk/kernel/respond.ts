/** Sends a response: small bodies inline with the head, large and streaming ones in parts behind it. */
import { sendParts, splitBody, type Sender } from './body-sender.ts'
import { FROM_GUEST } from './messages.ts'
import { stringify } from './primordials.ts'
import type { Native } from './native.ts'
import type { Outbox } from './outbox.ts'
import type { ResponseParts } from './web-contract.ts'

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
  const { kind, text, rest } = splitBody(parts.body)
  const { headers } = parts
  let list = ''
  for (let at = 0; at < headers.length; at++)
    list += (at === 0 ? '' : ',') + (stringify(headers[at]) as string)
  const pending = deps.pending() ? 1 : 0
  deps.outbox.add(
    `[${FROM_GUEST.response},${id},${parts.status},[${list}],${kind},${text.length},${pending}]`,
    text,
  )
  return rest === undefined ? undefined : sendParts(id, rest, { ...deps, limitMessage: tooLarge })
}

const tooLarge = (limitBytes: number): string =>
  `The response exceeds limits.responseBodyBytes (${limitBytes})`
