/**
 * The turns in flight in this guest: an invoke opens one; its result, and the end of what it left to waitUntil,
 * close it. Each settles exactly once, whatever the guest does.
 */
import { BODY, FROM_GUEST, HANDLER } from './messages.ts'
import { NumberMap, PromiseOf, parse, stringify, subscribe } from './primordials.ts'
import type { GuestExports } from './exports.ts'
import { createInbound } from './inbound.ts'
import type { Native } from './native.ts'
import type { Outbox } from './outbox.ts'
import { sendResponse } from './respond.ts'
import { openSocket } from './sockets.ts'
import { describeThrown } from './thrown.ts'
import { ScheduledController, TurnContext } from './turn-context.ts'
import { newTurn, type Turn } from './turn-state.ts'
import { BadResponse, MethodMissing, checkLength, isThenable, wholeLength } from './turn-errors.ts'
import type { IncomingBody, WebHooks } from './web-contract.ts'

export interface TurnsDeps {
  readonly native: Native
  readonly outbox: Outbox
  readonly web: WebHooks
  readonly exports: () => GuestExports
  /** The `env` of a turn. */
  readonly env: (turn: number) => object
  readonly limitBytes: () => number
  /** Largest message of a socket (bytes). */
  readonly messageBytes: () => number
  readonly onError: (thrown: unknown, requestId: string) => void
  /** Nobody waits for the calls that a turn began: they reject with the reason. */
  readonly endCalls: (turn: number, reason: () => unknown) => void
}

export interface Turns {
  /** `take` cuts the next `size` characters off the bodies of this delivery. */
  invoke(message: readonly unknown[], take: (size: number) => string): void
  data(id: number, part: string, last: number): void
  /** A message of the client to a socket. */
  message(id: number, kind: number, bytes: string): void
  closed(id: number, code: number, how: number, reason: string): void
  credit(id: number, bytes: number): void
  cancel(id: number, code: string): void
  /** The request whose synchronous part runs now: what console lines are labelled with. */
  currentRequestId(): string
  /** The turn whose synchronous part runs now; 0: none. */
  currentTurn(): number
}

const MAX_WAITS = 1000

export function createTurns(deps: TurnsDeps): Turns {
  const { outbox, web } = deps
  const turns = new NumberMap<Turn>()
  let current: Turn | undefined

  const open = (id: number, requestId: string): Turn => {
    const turn = newTurn(id, requestId)
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
    try {
      within(turn, () => {
        const value = work()
        if (isThenable(value)) subscribe(PromiseOf.resolve(value), done, fail)
        else done(value)
      })
    } catch (thrown) {
      fail(thrown)
    }
  }

  const within = (turn: Turn, work: () => void): void => {
    const outer = current
    current = turn
    try {
      work()
    } finally {
      current = outer
    }
  }

  const close = (turn: Turn): void => {
    if (turn.waits > 0 || !turn.responded || turn.sender !== undefined) return
    turns.delete(turn.id)
    deps.endCalls(turn.id, () => web.createError('AbortError', TURN_OVER))
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
    if (parts.socket !== undefined) {
      turn.socket = openSocket(turn.id, parts, parts.socket, {
        outbox,
        native: deps.native,
        limitBytes: deps.messageBytes(),
        run: (work) => within(turn, work),
        onEnd: () => endSocket(turn),
      })
      return turn.canceled === undefined ? undefined : turn.socket.cancel()
    }
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

  /** The turn is over once waitUntil holds nothing any more. */
  const endSocket = (turn: Turn): void => {
    turn.socket = undefined
    turn.whenIdle = () => {
      turn.responded = true
      outbox.add(`[${FROM_GUEST.end},${turn.id},0]`, '')
      close(turn)
    }
    if (turn.waits === 0) turn.whenIdle()
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
      if (turn.waits > 0) return
      if (!turn.responded) return turn.whenIdle?.()
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
        return handler(request, deps.env(turn.id), new TurnContext(turn, waitUntil))
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
        const method = deps.exports().method(name, deps.env(turn.id), context)
        if (method === undefined) throw new MethodMissing(name)
        return method(...(parse(json) as unknown[]))
      },
      settleValue,
    )
  }

  /** The run is over, and its outcome told, when all it left to waitUntil is. */
  const settleRun = (turn: Turn): void => {
    turn.whenIdle = () => settleValue(turn, undefined)
    if (turn.waits === 0) turn.whenIdle()
  }

  const invokeScheduled = (turn: Turn, cron: string, json: string): void => {
    const [scheduledTime] = parse(json) as [number]
    run(
      turn,
      () => {
        const handler = deps.exports().scheduled
        if (handler === undefined) throw new MethodMissing('scheduled')
        const controller = new ScheduledController(cron, scheduledTime)
        return handler(controller, deps.env(turn.id), new TurnContext(turn, waitUntil))
      },
      settleRun,
    )
  }

  return {
    invoke(message, take) {
      const handler = message[2] as number
      const turn = open(message[1] as number, message[8] as string)
      if (handler === HANDLER.fetch) return invokeFetch(turn, message, take)
      const text = take(message[7] as number)
      if (handler === HANDLER.method) return invokeMethod(turn, message[3] as string, text)
      if (handler === HANDLER.scheduled) return invokeScheduled(turn, message[3] as string, text)
      const { start, stop } = deps.exports()
      if (handler === HANDLER.start) run(turn, () => start?.(deps.env(turn.id)), settleValue)
      else run(turn, () => stop?.(message[3] as string), settleValue)
    },
    data(id, part, last) {
      turns.get(id)?.inbound?.push(part, last)
    },
    message: (id, kind, bytes) => turns.get(id)?.socket?.message(kind, bytes),
    closed: (id, code, how, reason) => turns.get(id)?.socket?.closed(code, how, reason),
    credit(id, bytes) {
      const turn = turns.get(id)
      turn?.sender?.credit(bytes)
      turn?.socket?.credit(bytes)
    },
    cancel(id, code) {
      const turn = turns.get(id)
      if (turn === undefined || turn.canceled !== undefined) return
      const reason = Object.assign(new Error('The request was canceled'), { name: 'AbortError', code })
      turn.canceled = { reason }
      turn.abort?.abort(reason)
      turn.inbound?.push('', 2)
      turn.sender?.cancel(reason)
      turn.socket?.cancel()
      // What waitUntil holds goes on without the client; a handler that only waits for an answer does not.
      if (turn.waits === 0) deps.endCalls(id, () => reason)
    },
    currentRequestId: () => current?.requestId ?? '',
    currentTurn: () => current?.id ?? 0,
  }
}

const TURN_OVER = 'The turn that made this call is over; give what should outlast it to ctx.waitUntil'
