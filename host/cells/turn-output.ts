/**
 * What a guest says, brought to the turns and calls it speaks of. A message about one that is over finds nothing (it may have
 * crossed a cancel); one that settles a turn twice is a violation.
 */
import { BODY, FIRST_CALL_ID } from '../../guest-sdk/kernel/messages.ts'
import { ProtocolViolation } from '../../sandbox/protocol/frame-reader.ts'
import type { SocketSink } from './call.ts'
import type { GuestCalls } from './guest-calls.ts'
import type { OutputHandler } from './guest-output.ts'
import { touch, type Turn, type TurnTable } from './turn-table.ts'

export interface TurnOutput extends OutputHandler {
  /** Is the output that is being read pure ASCII? */
  ascii: boolean
}

export interface TurnOutputDeps {
  readonly turns: TurnTable
  readonly calls: GuestCalls
  readonly timer: (dueMs: number) => void
  /** Settled, but for what waitUntil holds. */
  readonly onPending: (turn: Turn) => void
}

export function createTurnOutput({ turns, calls, timer, onPending }: TurnOutputDeps): TurnOutput {
  const unsettled = (id: number): Turn | undefined => {
    const turn = touch(turns, id)
    if (turn?.settled === true) throw new ProtocolViolation(`Turn ${id} settles twice`)
    return turn
  }

  const settle = (turn: Turn, pending: boolean): void => {
    turn.settled = true
    turn.pending = pending
    if (pending) onPending(turn)
    else turns.close(turn)
  }

  const socketOf = (id: number): SocketSink | undefined => {
    const turn = touch(turns, id)
    return turn === undefined || turn.settled ? undefined : turn.call.socket
  }

  const output: TurnOutput = {
    ascii: false,
    response(id, status, headers, kind, body, pending) {
      const turn = unsettled(id)
      if (turn === undefined) return
      turn.pending = pending
      // After a 101 the turn is a socket, which `end` settles.
      if (kind !== BODY.stream && status !== 101) settle(turn, pending)
      turn.call.head(status, headers, kind, body, output.ascii)
    },
    value(id, json, pending) {
      const turn = unsettled(id)
      if (turn === undefined) return
      settle(turn, pending)
      turn.call.value(json)
    },
    threw(id, error, pending) {
      const turn = unsettled(id)
      if (turn === undefined) return
      settle(turn, pending)
      turn.call.threw(error)
    },
    data(id, part, kind) {
      if (id >= FIRST_CALL_ID) return calls.get(id)?.push(part, kind)
      const turn = touch(turns, id)
      if (turn !== undefined && !turn.settled) turn.call.data(part, kind)
    },
    end(id, broken) {
      if (id >= FIRST_CALL_ID) return calls.get(id)?.pushEnd(broken)
      const turn = touch(turns, id)
      if (turn === undefined || turn.settled) return
      settle(turn, turn.pending)
      turn.call.end(broken)
    },
    settled(id) {
      const turn = touch(turns, id)
      if (turn === undefined) return
      if (turn.settled) turns.close(turn)
      else turn.pending = false
    },
    credit(id, bytes) {
      if (id >= FIRST_CALL_ID) calls.get(id)?.credit(bytes)
      else touch(turns, id)?.call.wants(bytes)
    },
    timer,
    call: (...call) => calls.call(...call),
    drop: (id) => calls.get(id)?.abort(),
    message: (id, kind, body, size) => socketOf(id)?.message(kind, body, size),
    close: (id, code, reason) => socketOf(id)?.close(code, reason),
    forward(id, callId, pending) {
      const turn = unsettled(id)
      if (turn === undefined) return
      // Before the turn's end ends the calls it made.
      const relay = calls.get(callId)?.takeRelay()
      const { call } = turn
      settle(turn, pending)
      if (relay === undefined) return call.failed('VELA_CELL_LOST', 'The WebSocket is gone')
      if (call.join !== undefined) return call.join(relay)
      relay.drop()
      call.failed('VELA_GUEST_BAD_RESPONSE', 'The caller asked for no WebSocket')
    },
  }
  return output
}
