/**
 * The turns in flight in this guest: an invoke opens one; its result, and the end of what it left to waitUntil,
 * close it. Each settles exactly once, whatever the guest does.
 */
import { BODY, FROM_GUEST } from './messages.ts'
import { NumberMap, stringify, subscribe, toPromise } from './primordials.ts'
import type { GuestExports } from './exports.ts'
import type { ActorsSlot } from './actors/port.ts'
import { createInvoke } from './invoke.ts'
import type { Native } from './native.ts'
import type { Outbox } from './outbox.ts'
import { sendResponse } from './respond.ts'
import { openSocket } from './sockets.ts'
import { describeThrown } from './thrown.ts'
import { newTurn, type Turn } from './turn-state.ts'
import { BadResponse, checkLength, isThenable, wholeLength } from './turn-errors.ts'
import type { WebHooks } from './web-contract.ts'

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
  readonly actors: ActorsSlot
  /** Once, when the microtasks of this entry are done and before it leaves. */
  readonly atEntryEnd: (callback: () => void) => void
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
  /** Keeps a turn open until the function that it returns is called. */
  hold(id: number): () => void
  /** Runs guest code on behalf of a turn, if it is still open. */
  within(id: number, work: () => void): void
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
        if (isThenable(value)) subscribe(toPromise(value), done, fail)
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
    if (parts.relay !== undefined) {
      turn.responded = true
      outbox.add(`[${FROM_GUEST.forward},${turn.id},${parts.relay},${turn.waits > 0 ? 1 : 0}]`, '')
      return close(turn)
    }
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
    settleJson(turn, value === undefined ? undefined : json)
  }

  const settleJson = (turn: Turn, json: string | undefined): void => {
    const text = json ?? ''
    checkLength(text.length, deps.limitBytes())
    turn.responded = true
    const kind = json === undefined ? BODY.none : BODY.text
    outbox.add(`[${FROM_GUEST.value},${turn.id},${kind},${text.length},${turn.waits > 0 ? 1 : 0}]`, text)
    close(turn)
  }

  /** What kept the turn open is done. */
  const release = (turn: Turn): void => {
    turn.waits--
    if (turn.waits > 0) return
    if (!turn.responded) return turn.whenIdle?.()
    outbox.add(`[${FROM_GUEST.settled},${turn.id}]`, '')
    close(turn)
  }

  const waitUntil = (turn: Turn, promise: unknown): void => {
    if (turn.waits >= MAX_WAITS) throw new RangeError(`waitUntil holds at most ${MAX_WAITS} promises a turn`)
    turn.waits++
    subscribe(
      toPromise(promise),
      () => release(turn),
      (thrown) => {
        deps.onError(thrown, turn.requestId)
        release(turn)
      },
    )
  }

  const abortOf = (turn: Turn): { signal: object; abort(reason: unknown): void } => {
    if (turn.abort === undefined) {
      turn.abort = web.createAbort()
      if (turn.canceled !== undefined) turn.abort.abort(turn.canceled.reason)
    }
    return turn.abort
  }

  const hold = (turn: Turn): (() => void) => {
    turn.waits++
    let held = true
    return () => {
      if (held) release(turn)
      held = false
    }
  }

  const invoke = createInvoke({
    ...deps,
    run,
    within,
    abortOf,
    waitUntil,
    hold,
    settleJson,
    settleResponse,
    settleThrown,
    settleValue,
  })

  return {
    invoke: (message, take) => invoke(open(message[1] as number, message[8] as string), message, take),
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
    hold(id) {
      const turn = turns.get(id)
      return turn === undefined ? () => undefined : hold(turn)
    },
    within(id, work) {
      const turn = turns.get(id)
      if (turn === undefined) work()
      else within(turn, work)
    },
  }
}

const TURN_OVER = 'The turn that made this call is over; give what should outlast it to ctx.waitUntil'
