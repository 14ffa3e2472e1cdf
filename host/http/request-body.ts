/**
 * The body of a request on its way to the guest. A small body of known length is gathered and travels with the
 * invoke; everything else is sent in parts, and only as many as the guest asked for, so that nothing piles up here.
 */
import { isAscii } from 'node:buffer'
import type { IncomingMessage } from 'node:http'
import { BODY, INLINE_BODY_LIMIT } from '../../guest-sdk/kernel/messages.ts'

export interface InlineBody {
  readonly kind: number
  readonly text: string
}

export const NO_BODY: InlineBody = { kind: BODY.none, text: '' }
export const STREAMED_BODY: InlineBody = { kind: BODY.stream, text: '' }

export const isInline = (bodyBytes: number): boolean => bodyBytes > 0 && bodyBytes <= INLINE_BODY_LIMIT

/** Calls `done` with the whole body; never if the client breaks off. */
export function gatherBody(request: IncomingMessage, done: (body: InlineBody) => void): void {
  let first: Buffer | undefined
  let more: Buffer[] | undefined
  request.on('data', (chunk: Buffer) => {
    if (first === undefined) first = chunk
    else (more ??= [first]).push(chunk)
  })
  request.on('end', () => {
    const bytes = more === undefined ? first : Buffer.concat(more)
    if (bytes === undefined || bytes.length === 0) return done(NO_BODY)
    done({ kind: isAscii(bytes) ? BODY.text : BODY.bytes, text: bytes.toString('latin1') })
  })
}

export interface BodyPump {
  /** The guest wants so many more bytes; 0: it wants none any more, the rest is thrown away. */
  wants(bytes: number): void
}

export interface BodyPumpOptions {
  readonly limitBytes: number
  readonly send: (part: string, last: number) => void
  readonly onTooLarge: () => void
}

/** `last` of TO_GUEST.data. */
export const LAST = { more: 0, complete: 1, broken: 2 } as const

export function pumpBody(request: IncomingMessage, options: BodyPumpOptions): BodyPump {
  let wanted = 0
  let received = 0
  let discarding = false
  request.pause()
  request.on('data', (chunk: Buffer) => {
    received += chunk.length
    if (discarding) return
    if (received > options.limitBytes) {
      discarding = true
      request.resume()
      options.send('', LAST.broken)
      return options.onTooLarge()
    }
    wanted -= chunk.length
    options.send(chunk.toString('latin1'), LAST.more)
    if (wanted <= 0) request.pause()
  })
  request.on('end', () => {
    if (!discarding) options.send('', LAST.complete)
  })
  request.on('error', () => options.send('', LAST.broken))
  request.on('aborted', () => options.send('', LAST.broken))
  request.pause()
  return {
    wants(bytes) {
      if (bytes === 0) discarding = true
      wanted += bytes
      if (wanted > 0 || discarding) request.resume()
    },
  }
}
