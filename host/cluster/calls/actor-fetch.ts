/**
 * A request of another node to an actor that lives here: a carried call, served by the host's half of actors as a request of a guest would be.
 * The body that is wanted is asked of the other node, and the answer's is sent as that node grants.
 */
import { BODY, INITIAL_CREDIT, INLINE_BODY_LIMIT } from '../../../guest-sdk/kernel/messages.ts'
import {
  GuestFacingError,
  type CapabilityCall,
  type CapabilityResult,
} from '../../capabilities/capability.ts'
import { ByteQueue } from '../../cells/byte-queue.ts'
import { SocketRelay } from '../../cells/relay.ts'
import { VelaError, type ErrorCode, ERRORS } from '../../core/errors.ts'
import type { CarriedCall, CarriedHead } from './carried-call.ts'
import type { Frame, Stream, StreamHandler } from './streams.ts'

export type FetchHere = (from: CapabilityCall, request: unknown) => Promise<CapabilityResult>

const COMPLETE = 1
const NOWHERE = { gone: false, onGone: () => () => undefined }

/** What a carried request says of itself, as the kernel would read it; undefined: it is none. */
function readInvoke(invoke: string): { readonly request: object; readonly kind: number } | undefined {
  try {
    const [, , , method, url, headers, kind] = JSON.parse(invoke) as unknown[]
    return typeof kind === 'number' ? { request: { method, url, headers }, kind } : undefined
  } catch {
    return undefined
  }
}

export function serveFetch(
  stream: Stream,
  call: CarriedCall,
  head: CarriedHead,
  fetchHere: FetchHere,
): StreamHandler {
  const gone = new AbortController()
  call.onCancel = () => gone.abort()
  const invoke = readInvoke(head.invoke)
  let credit = INITIAL_CREDIT
  let granted: (() => void) | undefined
  const parts =
    invoke?.kind === BODY.stream
      ? new ByteQueue(
          (bytes) => call.wants(bytes),
          () => call.wants(0),
        )
      : undefined

  /** Nothing of it is taken before the actor is known to be here: it could not be sent elsewhere then. */
  const wanted =
    parts === undefined
      ? undefined
      : {
          [Symbol.asyncIterator]() {
            call.wants(INITIAL_CREDIT)
            return parts
          },
        }

  const sendBody = async (body: AsyncIterable<Uint8Array>): Promise<void> => {
    try {
      for await (const part of body) {
        for (let at = 0; at < part.length; at += INLINE_BODY_LIMIT) {
          while (credit <= 0 && !gone.signal.aborted)
            await new Promise<void>((resolve) => (granted = resolve))
          // Leaving the loop closes what the parts come from.
          if (gone.signal.aborted) return
          const slice = Buffer.from(part.subarray(at, at + INLINE_BODY_LIMIT))
          credit -= slice.length
          call.data(slice, BODY.bytes)
        }
      }
      call.end(false)
    } catch {
      call.end(true)
    }
  }

  const answer = async ({ value, body, relay }: CapabilityResult): Promise<void> => {
    if (relay instanceof SocketRelay) return call.join(relay)
    const { status, headers } = value as unknown as { readonly status: number; readonly headers: string[] }
    if (body === undefined) return call.head(status, headers, BODY.none, '', true)
    if (body instanceof Uint8Array)
      return call.head(status, headers, BODY.bytes, Buffer.from(body).toString('latin1'), false)
    call.head(status, headers, BODY.stream, '', false)
    await sendBody(body)
  }

  const run = async (): Promise<void> => {
    if (invoke === undefined) return call.failed('VELA_NODE_LOST', 'The request to an actor cannot be read')
    const from: CapabilityCall = {
      origin: NOWHERE,
      method: 'fetch',
      args: [],
      body: wanted ?? (invoke.kind === BODY.none ? undefined : Buffer.from(head.body, 'latin1')),
      requestId: head.requestId,
      deadlineMs: Infinity,
      // The call is one deeper than who makes it.
      depth: head.depth - 1,
      signal: gone.signal,
    }
    try {
      await answer(await fetchHere(from, invoke.request))
    } catch (thrown) {
      if (thrown instanceof VelaError && thrown.details['moved'] === true) {
        stream.say('moved')
        return stream.close()
      }
      const code = thrown instanceof VelaError || thrown instanceof GuestFacingError ? thrown.code : undefined
      const known =
        code !== undefined && Object.hasOwn(ERRORS, code) ? (code as ErrorCode) : 'VELA_CAPABILITY_FAILED'
      call.failed(known, thrown instanceof Error && code !== undefined ? thrown.message : '')
    }
  }
  void run()

  return {
    heard(frame: Frame) {
      const [one] = frame.args
      if (frame.verb === 'grant' && typeof one === 'number') {
        credit += one
        granted?.()
      } else if (frame.verb === 'body' && parts !== undefined) {
        if (frame.body.length > 0) parts.push(frame.body)
        if (one !== 0) parts.end(one !== COMPLETE)
        return
      }
      call.heard(frame)
      if (gone.signal.aborted) granted?.()
    },
    lost() {
      call.lost()
      granted?.()
    },
  }
}
