/**
 * The turns in flight in this guest: an invoke opens one; its result, and the end of what it left to waitUntil,
 * close it. Each settles exactly once, whatever the guest does.
 */
import { BODY, FROM_GUEST, HANDLER } from './messages.ts'
import { NumberMap, PromiseOf, stringify, subscribe } from './primordials.ts'
import type { GuestExports } from './exports.ts'
import { createInbound, type Inbound } from './inbound.ts'
import type { Native } from './native.ts'
import type { Outbox } from './outbox.ts'
import { sendResponse, type Sender } from './respond.ts'
import { describeThrown } from './thrown.ts'
import type { IncomingBody, ResponseParts, WebHooks } from './web-contract.ts'

interface Turn {
  readonly id: number
  readonly requestId: string
  waits: number
  responded: boolean
  abort: { signal: object; abort(reason: unknown): void } | undefined
  canceled: { reason: unknown } | undefined
  inbound: Inbound | undefined
  sender: Sender | undefined
}

export interface TurnsDeps {
  readonly native: Native
  readonly outbox: Outbox
  readonly web: WebHooks
  readonly exports: () => GuestExports
  readonly env: () => object
  readonly limitBytes: () => number
  readonly onError: (thrown: unknown, requestId: string) => void
}

export interface Turns {
  /** `take` cuts the next `size` characters off the bodies of this delivery. */
  invoke(message: readonly unknown[], take: (size: number) => string): void
  data(id: number, part: string, last: number): void
  credit(id: number, bytes: number): void
  cancel(id: number, code: string): void
  /** The request whose synchronous part runs now: what console lines are labelled with. */
  currentRequestId(): string
}

const MAX_WAITS = 1000

export function createTurns(deps: TurnsDeps): Turns {
  const { outbox, web } = deps
  const turns = new NumberMap<Turn>()
  let current = ''

  const open = (id: number, requestId: string): Turn => {
    const turn: Turn = {
      id,
      requestId,
      waits: 0,
      responded: false,
      abort: undefined,
      canceled: undefined,
      inbound: undefined,
      sender: undefined,
    }
    turns.set(id, turn)
    return turn
  }

  /** Runs the guest's part of a turn and settles with what it returned or threw. */
  const run = (turn: Turn, work: () => unknown, settle: (turn: Turn, value: unknown) => void): void => {
    const fail = (thrown: unknown): void => settleThrown(turn, thrown)
    const done = (value: unknown): void => {
      try {
        settle(turn, value)
      } catch (thrown) {
        fail(thrown)
      }
    }
    const outer = current
    current = turn.requestId
    try {
      const value = work()
      if (isThenable(value)) subscribe(PromiseOf.resolve(value), done, fail)
      else done(value)
    } catch (thrown) {
      fail(thrown)
    } finally {
      current = outer
    }
  }

  const close = (turn: Turn): void => {
    if (turn.waits === 0 && turn.responded && turn.sender === undefined) turns.delete(turn.id)
  }

  const settleThrown = (turn: Turn, thrown: unknown): void => {
    if (turn.responded) return deps.onError(thrown, turn.requestId)
    turn.responded = true
    const text = describeThrown(thrown)
    outbox.add(`[${FROM_GUEST.threw},${turn.id},${text.length},${turn.waits > 0 ? 1 : 0}]`, text)
    close(turn)
  }

  const settleResponse = (turn: Turn, value: unknown): void => {
    const parts = web.readResponse(value)
    if (parts === undefined) throw new BadResponse(value)
    checkLength(wholeLength(parts.body), deps.limitBytes())
    turn.responded = true
    if (turn.canceled !== undefined) {
      // Nobody would take a body's parts, so nobody would give credit for them.
      if (parts.body !== null && 'stream' in parts.body) {
        parts.body.stream
          .getReader()
          .cancel(turn.canceled.reason)
          .catch(() => undefined)
      }
      outbox.add(
        `[${FROM_GUEST.response},${turn.id},${parts.status},[],${BODY.none},0,${turn.waits > 0 ? 1 : 0}]`,
        '',
      )
      return close(turn)
    }
    turn.sender = sendResponse(turn.id, parts, {
      outbox,
      native: deps.native,
      limitBytes: deps.limitBytes(),
      pending: () => turn.waits > 0,
      onEnd: (error) => {
        turn.sender = undefined
        if (error !== undefined) deps.onError(error, turn.requestId)
        close(turn)
      },
    })
    close(turn)
  }

  const settleValue = (turn: Turn, value: unknown): void => {
    const json = value === undefined ? '' : stringify(value)
    if (typeof json !== 'string') throw new TypeError('The method returned a value that JSON cannot carry')
    checkLength(json.length, deps.limitBytes())
    turn.responded = true
    const kind = value === undefined ? BODY.none : BODY.text
    outbox.add(`[${FROM_GUEST.value},${turn.id},${kind},${json.length},${turn.waits > 0 ? 1 : 0}]`, json)
    close(turn)
  }

  const waitUntil = (turn: Turn, promise: unknown): void => {
    if (turn.waits >= MAX_WAITS) throw new RangeError(`waitUntil holds at most ${MAX_WAITS} promises a turn`)
    turn.waits++
    const settled = (): void => {
      turn.waits--
      if (turn.waits > 0 || !turn.responded) return
      outbox.add(`[${FROM_GUEST.settled},${turn.id}]`, '')
      close(turn)
    }
    subscribe(PromiseOf.resolve(promise), settled, (thrown) => {
      deps.onError(thrown, turn.requestId)
      settled()
    })
  }

  const abortOf = (turn: Turn): { signal: object; abort(reason: unknown): void } => {
    if (turn.abort === undefined) {
      turn.abort = web.createAbort()
      if (turn.canceled !== undefined) turn.abort.abort(turn.canceled.reason)
    }
    return turn.abort
  }

  const invokeFetch = (turn: Turn, message: readonly unknown[], take: (size: number) => string): void => {
    const handler = deps.exports().fetch
    const body = incomingBody(turn, message[6] as number, take(message[7] as number))
    const request = web.createRequest(
      message[3] as string,
      message[4] as string,
      message[5] as readonly string[],
      body,
      () => abortOf(turn).signal,
    )
    run(
      turn,
      () => {
        if (handler === undefined) throw new MethodMissing('fetch')
        return handler(request, deps.env(), new TurnContext(turn, waitUntil))
      },
      settleResponse,
    )
  }

  const incomingBody = (turn: Turn, kind: number, text: string): IncomingBody => {
    if (kind === BODY.none) return null
    if (kind !== BODY.stream) return { byteString: text, ascii: kind === BODY.text }
    turn.inbound = createInbound(turn.id, outbox)
    return turn.inbound
  }

  const invokeMethod = (turn: Turn, name: string, json: string): void => {
    const context = new TurnContext(turn, waitUntil)
    run(
      turn,
      () => {
        const method = deps.exports().method(name, deps.env(), context)
        if (method === undefined) throw new MethodMissing(name)
        return method(...(JSON.parse(json) as unknown[]))
      },
      settleValue,
    )
  }

  return {
    invoke(message, take) {
      const handler = message[2] as number
      const turn = open(message[1] as number, message[8] as string)
      if (handler === HANDLER.fetch) return invokeFetch(turn, message, take)
      const text = take(message[7] as number)
      if (handler === HANDLER.method) return invokeMethod(turn, message[3] as string, text)
      const { start, stop } = deps.exports()
      if (handler === HANDLER.start) run(turn, () => start?.(deps.env()), settleValue)
      else run(turn, () => stop?.(message[3] as string), settleValue)
    },
    data(id, part, last) {
      turns.get(id)?.inbound?.push(part, last)
    },
    credit(id, bytes) {
      turns.get(id)?.sender?.credit(bytes)
    },
    cancel(id, code) {
      const turn = turns.get(id)
      if (turn === undefined || turn.canceled !== undefined) return
      const reason = Object.assign(new Error('The request was canceled'), { name: 'AbortError', code })
      turn.canceled = { reason }
      turn.abort?.abort(reason)
      turn.inbound?.push('', 2)
      turn.sender?.cancel(reason)
    },
    currentRequestId: () => current,
  }
}

/** What handlers get as `ctx`. Its fields are private: a guest must not reach the turn through it. */
class TurnContext {
  readonly #turn: Turn
  readonly #waitUntil: (turn: Turn, promise: unknown) => void
  constructor(turn: Turn, waitUntil: (turn: Turn, promise: unknown) => void) {
    this.#turn = turn
    this.#waitUntil = waitUntil
  }
  get requestId(): string {
    return this.#turn.requestId
  }
  get props(): object {
    return {}
  }
  waitUntil(promise: unknown): void {
    this.#waitUntil(this.#turn, promise)
  }
  passThroughOnException(): void {}
}

class BadResponse extends TypeError {
  readonly code = 'VELA_GUEST_BAD_RESPONSE'
  constructor(value: unknown) {
    const what = value === null ? 'null' : typeof value
    super(
      `The fetch handler must return a Response, but returned ${what === 'object' ? 'another object' : what}`,
    )
  }
}

class ResponseTooLarge extends RangeError {
  readonly code = 'VELA_GUEST_RESPONSE_TOO_LARGE'
}

function checkLength(length: number, limitBytes: number): void {
  if (length > limitBytes) {
    throw new ResponseTooLarge(`The response has ${length} bytes; limits.responseBodyBytes is ${limitBytes}`)
  }
}

/** What is known of the length before anything is sent; a stream is counted as it flows. */
const wholeLength = (body: ResponseParts['body']): number =>
  body === null ? 0 : 'text' in body ? body.text.length : 'bytes' in body ? body.bytes.length : 0

class MethodMissing extends TypeError {
  readonly code = 'VELA_METHOD_NOT_FOUND'
  constructor(name: string) {
    super(`The service exports no method ${name}`)
  }
}

const isThenable = (value: unknown): boolean =>
  (typeof value === 'object' || typeof value === 'function') && value !== null && !isPlainResponse(value)

/** A synchronous handler's Response has no `then`; anything else may be a promise or thenable. */
const isPlainResponse = (value: object): boolean => !('then' in value)
