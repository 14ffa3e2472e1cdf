/**
 * The turns in flight in this guest: an invoke opens one; its result, and the end of what it left to waitUntil,
 * close it. Each settles exactly once, whatever the guest does.
 */
import { BODY, FROM_GUEST } from './messages.ts'
import { NumberMap, stringify, subscribe, toPromise } from './primordials.ts'
import type { GuestExports } from './exports.ts'
import type { ActorsSlot } from './actors/port.ts'
import type { EventsSlot } from './event-port.ts'
import type { Codec } from './late-codec.ts'
import type { Life } from '../di/kit.ts'
import { createInvoke } from './invoke.ts'
import type { Native } from './native.ts'
import type { Outbox } from './outbox.ts'
import { sendResponse } from './respond.ts'
import { openSocket } from './sockets.ts'
import { describeThrown } from './thrown.ts'
import { TurnContext } from './turn-context.ts'
import { createTurnLives } from './turn-lives.ts'
import { createTurnWaits } from './turn-waits.ts'
import { newTurn, type Turn } from './turn-state.ts'
import { isThenable } from './thenable.ts'
import { BadResponse, checkLength, wholeLength } from './turn-errors.ts'
import type { WebHooks } from './web-contract.ts'

export interface TurnsDeps {
  readonly native: Native
  readonly outbox: Outbox
  readonly web: WebHooks
  readonly exports: () => GuestExports
  /** The `env` of a turn. */
  readonly env: (turn: number) => object
  /** One binding of it. */
  readonly bindingOf: (turn: number, name: string, deadlineMs: number | undefined) => unknown
  readonly limitBytes: () => number
  /** Largest message of a socket (bytes). */
  readonly messageBytes: () => number
  readonly onError: (thrown: unknown, requestId: string) => void
  readonly actors: ActorsSlot
  readonly events: EventsSlot
  readonly codec: Codec
  /** Once, when the microtasks of this entry are done and before it leaves. */
  readonly atEntryEnd: (callback: () => void) => void
  /** Before a message leaves that may be the last of its turn. */
  readonly beforeSettle: () => void
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
  /** Runs guest code on nobody's behalf. */
  outside(work: () => void): void
  /** Of a turn by its context, or of the current one. */
  lifeOf(context?: unknown): Life | undefined
}

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

  const within = (turn: Turn | undefined, work: () => void): void => {
    const outer = current
    current = turn
    try {
      work()
    } finally {
      current = outer
    }
  }

  const close = (turn: Turn): void => {
    ends.check(turn)
    if (turn.waits > 0 || !turn.responded || turn.sender !== undefined) return
    turns.delete(turn.id)
    deps.endCalls(turn.id, () => web.createError('AbortError', TURN_OVER))
  }

  const settleThrown = (turn: Turn, thrown: unknown): void => {
    if (turn.responded) return deps.onError(thrown, turn.requestId)
    deps.beforeSettle()
    turn.responded = true
    const text = describeThrown(thrown)
    outbox.add(`[${FROM_GUEST.threw},${turn.id},${text.length},${turn.waits > 0 ? 1 : 0}]`, text)
    close(turn)
  }

  const settleResponse = (turn: Turn, value: unknown): void => {
    const parts = web.readResponse(value)
    if (parts === undefined) throw new BadResponse(value)
    checkLength(wholeLength(parts.body), deps.limitBytes())
    deps.beforeSettle()
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
    whenIdle(turn, () => {
      deps.beforeSettle()
      turn.responded = true
      outbox.add(`[${FROM_GUEST.end},${turn.id},0]`, '')
      close(turn)
    })
  }

  const settleValue = (turn: Turn, value: unknown): void => {
    const json = value === undefined ? '' : stringify(value)
    if (typeof json !== 'string') throw new TypeError('The method returned a value that JSON cannot carry')
    settleJson(turn, value === undefined ? undefined : json)
  }

  const settleJson = (turn: Turn, json: string | undefined, mostBytes = deps.limitBytes()): void => {
    const text = json ?? ''
    checkLength(text.length, mostBytes)
    deps.beforeSettle()
    turn.responded = true
    const kind = json === undefined ? BODY.none : BODY.text
    outbox.add(`[${FROM_GUEST.value},${turn.id},${kind},${text.length},${turn.waits > 0 ? 1 : 0}]`, text)
    close(turn)
  }

  const abortOf = (turn: Turn): { signal: object; abort(reason: unknown): void } => {
    if (turn.abort === undefined) {
      turn.abort = web.createAbort()
      if (turn.canceled !== undefined) turn.abort.abort(turn.canceled.reason)
    }
    return turn.abort
  }

  const { onError, beforeSettle } = deps
  const waits = createTurnWaits({ outbox, within, close, onError, beforeSettle })
  const { ends, hold, waitUntil, whenIdle } = waits
  const isOpen = (turn: Turn): boolean => turns.get(turn.id) === turn
  const lifeOf = createTurnLives({ abortOf, waitUntil, ends, isOpen, within, bindingOf: deps.bindingOf })
  const invoke = createInvoke({
    ...deps,
    run,
    within,
    whenIdle,
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
      if (!ends.isHeld(turn)) deps.endCalls(id, () => reason)
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
    outside: (work) => within(undefined, work),
    lifeOf(context = undefined) {
      const turn = context === undefined ? current : (TurnContext.turnOf(context) as Turn | undefined)
      return turn && lifeOf(turn)
    },
  }
}

const TURN_OVER = 'The turn that made this call is over; give what should outlast it to ctx.waitUntil'
