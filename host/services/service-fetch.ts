/** An HTTP request from one service to another, as a call of the second: what `env.api.fetch(request)` becomes. */
import { isAscii } from 'node:buffer'
import { BODY, HANDLER, INLINE_BODY_LIMIT, TO_GUEST } from '../../guest-sdk/kernel/messages.ts'
import { GuestFacingError, type CapabilityCall, type CapabilityResult } from '../capabilities/capability.ts'
import { asciiJson } from '../cells/ascii-json.ts'
import { ByteQueue } from '../cells/byte-queue.ts'
import type { Call, GuestError, TurnLink } from '../cells/call.ts'
import { SocketRelay } from '../cells/relay.ts'
import { ERRORS, type ErrorCode } from '../core/errors.ts'
import { ProtocolViolation } from '../../sandbox/protocol/frame-reader.ts'
import { LAST, type BodyPump } from '../http/request-body.ts'

export interface ServiceFetch {
  readonly call: Call
  readonly result: Promise<CapabilityResult>
}

/** What the kernel answers for an actor that it does not hold (docs/protocol.md). */
const NOT_HERE = '0'
const METHOD = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}$/

/** An actor of the service, as the invoke message names it. */
export interface FetchedActor {
  readonly class: string
  readonly name: string
  /** JSON, or `''`. */
  readonly activation: string
}

export interface ServiceFetchOptions {
  /** Left out: the first argument of the call. */
  readonly request?: unknown
  /** Whose `fetch`; left out: the service's own. Asked for when the message is written. */
  readonly actor?: () => FetchedActor
  /** The guest does not have the actor and has done nothing; the result rejects with VELA_CELL_LOST. */
  readonly onAbsent?: () => void
}

/** Throws GuestFacingError for a request that is malformed. */
export function createServiceFetch(
  from: CapabilityCall,
  requestId: string,
  onThrew: (error: GuestError) => void,
  { request = from.args[0], actor, onAbsent }: ServiceFetchOptions = {},
): ServiceFetch {
  const { method, url, headers } = readRequest(request)
  const whole = from.body instanceof Buffer && from.body.length <= INLINE_BODY_LIMIT ? from.body : undefined
  const streamed = whole === undefined ? from.body : undefined
  const text = whole?.toString('latin1') ?? ''
  const kind =
    whole === undefined
      ? streamed === undefined
        ? BODY.none
        : BODY.stream
      : isAscii(whole)
        ? BODY.text
        : BODY.bytes
  const { promise, resolve, reject } = Promise.withResolvers<CapabilityResult>()
  let link: TurnLink | undefined
  let answer: ByteQueue | undefined
  let pump: BodyPump | undefined
  /** The WebSocket that it was answered with; of another guest's, `passed`. */
  let relay: SocketRelay | undefined
  let passed: SocketRelay | undefined
  let over = false

  const finish = (broken: boolean): void => {
    over = true
    answer?.end(broken)
  }
  const fail = (code: ErrorCode, detail: string): void => {
    if (relay !== undefined) {
      over = true
      return relay.failed(code, detail)
    }
    const { exposed, title } = ERRORS[code]
    if (answer === undefined)
      reject(new GuestFacingError('Error', detail !== '' && exposed ? detail : title, code))
    finish(true)
  }
  const cancel = (): void => {
    passed?.drop()
    if (over) return
    finish(true)
    link?.cancel('VELA_TURN_CANCELED')
  }
  from.signal.addEventListener('abort', cancel, { once: true })

  const call: Call = {
    requestId,
    body: text,
    get canceled() {
      return over
    },
    startedMs: performance.now(),
    depth: from.depth + 1,
    attempts: 0,
    encode(id) {
      const rest = `"${method}",${asciiJson(url)},${asciiJson(headers)},${kind},${text.length},"${requestId}"`
      const whose = actor?.()
      if (whose === undefined) return `[${TO_GUEST.invoke},${id},${HANDLER.fetch},${rest}]`
      const { class: className, name, activation } = whose
      return `[${TO_GUEST.invoke},${id},${HANDLER.actorFetch},${rest},"${className}",${asciiJson(name)},${asciiJson(activation)}]`
    },
    attach(turn) {
      link = turn
      if (streamed !== undefined) pump ??= pumpParts(streamed, (part, last) => link?.sendBody(part, last))
    },
    head(status, answerHeaders, bodyKind, body) {
      if (relay !== undefined || answer !== undefined) throw new ProtocolViolation('A call is answered twice')
      const value = { status, headers: [...answerHeaders] }
      if (status === 101) {
        if (link === undefined) return
        relay = new SocketRelay(answerHeaders, link)
        return resolve({ value, relay })
      }
      if (bodyKind !== BODY.stream) {
        over = true
        const bytes =
          bodyKind === BODY.none ? undefined : Buffer.from(body, bodyKind === BODY.bytes ? 'latin1' : 'utf8')
        return resolve({ value, body: bytes })
      }
      answer = new ByteQueue((bytes) => link?.grant(bytes), cancel)
      resolve({ value, body: answer })
    },
    data(part, partKind) {
      if (relay !== undefined) return relay.data(part, partKind)
      answer?.push(
        typeof part === 'string'
          ? Buffer.from(part, partKind === BODY.bytes ? 'latin1' : 'utf8')
          : Buffer.from(part),
      )
    },
    end(broken) {
      relay?.end(broken)
      finish(broken)
    },
    value(json) {
      if (over) return
      if (json !== NOT_HERE || onAbsent === undefined)
        return fail('VELA_GUEST_BAD_RESPONSE', 'The handler answered with a value')
      onAbsent()
      fail('VELA_CELL_LOST', 'The cell does not have the actor')
    },
    threw(error) {
      if (over) return
      onThrew(error)
      if (error.code === 'VELA_ROUTE_NOT_FOUND')
        fail('VELA_METHOD_NOT_FOUND', 'The service has no fetch handler')
      else fail('VELA_GUEST_THREW', 'The service failed')
    },
    failed: fail,
    wants(bytes) {
      if (relay === undefined) pump?.wants(bytes)
      else relay.wants(bytes)
    },
    socket: {
      message: (messageKind, body, size) => relay?.message(messageKind, body, size),
      close: (code, reason) => relay?.close(code, reason),
    },
    shut: (code, reason) => relay?.shut(code, reason),
    join(other) {
      if (over || relay !== undefined) return other.drop()
      passed = other
      over = true
      resolve({ value: { status: 101, headers: [...other.headers] }, relay: other })
    },
  }
  return { call, result: promise }
}

/** Takes parts from the caller only as the called one asks for them. */
function pumpParts(
  parts: Buffer | AsyncIterable<Buffer>,
  send: (part: string, last: number) => void,
): BodyPump {
  const source = Symbol.asyncIterator in parts ? parts[Symbol.asyncIterator]() : slices(parts)
  let wanted = 0
  let running = false
  let over = false
  const run = async (): Promise<void> => {
    running = true
    try {
      while (wanted > 0 && !over) {
        const { done, value } = await source.next()
        if (done === true) {
          over = true
          return send('', LAST.complete)
        }
        wanted -= value.length
        send(value.toString('latin1'), LAST.more)
      }
    } catch {
      over = true
      send('', LAST.broken)
    } finally {
      running = false
    }
  }
  return {
    wants(bytes) {
      if (bytes === 0) {
        over = true
        void source.return?.()
      }
      wanted += bytes
      if (!running && !over) void run()
    },
  }
}

async function* slices(bytes: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += INLINE_BODY_LIMIT)
    yield bytes.subarray(at, at + INLINE_BODY_LIMIT)
}

/** The kernel has made it of a Request; a broken-out cell has not. */
function readRequest(value: unknown): { method: string; url: string; headers: string[] } {
  const { method, url, headers } = (typeof value === 'object' && value !== null ? value : {}) as Record<
    string,
    unknown
  >
  if (
    typeof method !== 'string' ||
    !METHOD.test(method) ||
    typeof url !== 'string' ||
    !URL.canParse(url) ||
    !Array.isArray(headers) ||
    headers.length % 2 !== 0 ||
    !headers.every((text) => typeof text === 'string')
  ) {
    throw new GuestFacingError('TypeError', 'fetch: the request is malformed', 'VELA_CAPABILITY_BAD_CALL')
  }
  return { method, url, headers }
}
