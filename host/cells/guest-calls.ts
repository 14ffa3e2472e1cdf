/**
 * What a guest has asked of its capabilities and not yet been answered. A call ends with its answer, or when the guest
 * drops it, its turn is over, its deadline has passed or the isolate is gone; whichever comes first aborts it.
 */
import { BODY } from '../../guest-sdk/kernel/messages.ts'
import { ProtocolViolation } from '../../sandbox/protocol/frame-reader.ts'
import {
  GuestFacingError,
  type CapabilityCall,
  type CapabilityResult,
  type Origin,
} from '../capabilities/capability.ts'
import type { JsonValue } from '../registry/types.ts'
import { GuestCall, inlineBody } from './guest-call.ts'
import type { OutputHandler } from './guest-output.ts'

/** Carries out calls of numbered grants; what it throws, GuestFacingError apart, is not shown to the guest. */
export type Perform = (grant: number, call: CapabilityCall) => CapabilityResult | Promise<CapabilityResult>

/** On whose behalf a guest acts. */
export interface CallScope {
  readonly requestId: string
  readonly deadlineMs: number
  readonly depth: number
}

export interface GuestCallsDeps {
  readonly origin: Origin
  readonly limit: number
  readonly perform: Perform
  /** The scope of a turn in flight; of an unknown one, what holds for the guest as a whole. */
  readonly scopeOf: (turn: number) => CallScope
  readonly say: (message: string, body: string) => void
}

export interface GuestCalls {
  readonly call: OutputHandler['call']
  get(id: number): GuestCall | undefined
  /** Ends what a turn began. */
  endTurn(turn: number): void
  expire(nowMs: number): void
  clear(): void
}

const MAX_ARGS_CHARACTERS = 1024 * 1024

export function createGuestCalls(deps: GuestCallsDeps): GuestCalls {
  const calls = new Map<number, GuestCall>()
  /** By turn, so that the end of one costs what it began and not all there is: a guest decides how much that is. */
  const byTurn = new Map<number, Set<GuestCall>>()

  const remember = (call: GuestCall): void => {
    calls.set(call.id, call)
    const others = byTurn.get(call.turn)
    if (others === undefined) byTurn.set(call.turn, new Set([call]))
    else others.add(call)
  }

  const forget = (call: GuestCall): void => {
    calls.delete(call.id)
    const others = byTurn.get(call.turn)
    others?.delete(call)
    if (others?.size === 0) byTurn.delete(call.turn)
  }

  const settle = async (call: GuestCall, work: Promise<CapabilityResult>): Promise<void> => {
    try {
      call.answer(await work)
    } catch (thrown) {
      refuse(call, thrown)
    }
  }

  return {
    call(id, grant, method, argsJson, kind, body, turn) {
      if (calls.has(id)) throw new ProtocolViolation(`Call ${id} is made twice`)
      const { requestId, deadlineMs, depth } = deps.scopeOf(turn)
      const fits = argsJson.length <= MAX_ARGS_CHARACTERS
      const call: GuestCall = new GuestCall({
        id,
        turn,
        origin: deps.origin,
        method,
        args: fits ? parseArgs(argsJson) : [],
        body: inlineBody(kind, body),
        streams: kind === BODY.stream,
        requestId,
        deadlineMs,
        depth,
        say: deps.say,
        onOver: () => forget(call),
      })
      remember(call)
      if (!fits) {
        const message = `${method}: the arguments have ${argsJson.length} characters; at most ${MAX_ARGS_CHARACTERS} are allowed`
        return call.fail('RangeError', message, 'VELA_CAPABILITY_BAD_CALL')
      }
      if (calls.size > deps.limit) {
        const message = `${deps.limit} calls of capabilities are in flight already; wait for some of them (limits.calls)`
        return call.fail('Error', message, 'VELA_CAPABILITY_OVERLOADED')
      }
      try {
        const result = deps.perform(grant, call)
        if (result instanceof Promise) void settle(call, result)
        else call.answer(result)
      } catch (thrown) {
        if (thrown instanceof ProtocolViolation) throw thrown
        refuse(call, thrown)
      }
    },
    get: (id) => calls.get(id),
    endTurn(turn) {
      for (const call of byTurn.get(turn) ?? []) call.abort()
    },
    expire(nowMs) {
      for (const call of calls.values()) {
        if (call.deadlineMs <= nowMs)
          call.expire('VELA_TURN_EXCEEDED_WALL', `${call.method}: no answer before the deadline`)
      }
    },
    clear() {
      for (const call of calls.values()) call.abort()
    },
  }
}

function refuse(call: GuestCall, thrown: unknown): void {
  if (thrown instanceof GuestFacingError) call.fail(thrown.name, thrown.message, thrown.code, thrown.details)
  else call.fail('Error', `${call.method}: the capability failed`, 'VELA_CAPABILITY_FAILED')
}

/** The kernel has made it of an array; a broken-out cell has not. */
function parseArgs(json: string): readonly JsonValue[] {
  try {
    const args: unknown = JSON.parse(json)
    if (Array.isArray(args)) return args as JsonValue[]
  } catch {
    // Said below.
  }
  throw new ProtocolViolation('A call has arguments that are no list')
}
