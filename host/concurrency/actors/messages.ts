/**
 * Messages to actors on their way through the host: each is routed, watched until its deadline, cancelled with its caller, counted,
 * and settles once.
 */
import {
  GuestFacingError,
  type CapabilityCall,
  type CapabilityResult,
} from '../../capabilities/capability.ts'
import { nowMs } from '../../cells/clock.ts'
import type { Home } from '../../cells/home.ts'
import { SocketRelay } from '../../cells/relay.ts'
import { VelaError } from '../../core/errors.ts'
import { ActorCall, type MessageKind } from './actor-call.ts'
import type { Actors, ActorsDeps, FetchTarget, Letter, Sender, Sent } from './contract.ts'
import { createDeadlines } from './deadlines.ts'
import type { Directory, Placed } from './directory-contract.ts'
import { DEFAULT_DEADLINE_MS, type Activation, type ActorAddress } from './types.ts'

export interface Messages extends Pick<Actors, 'send' | 'locate' | 'fetch' | 'depth'> {
  close(): void
}

/** For a tell to be taken by a mailbox. */
const TELL_MS = 30_000
/** Of a request whose actor turns out to be elsewhere. */
const MAX_TRIES = 4

export function createMessages(
  deps: Pick<ActorsDeps, 'meter' | 'onThrew' | 'createFetch'>,
  directory: Directory,
): Messages {
  const { meter } = deps
  const deadlines = createDeadlines()
  const callDeps = { directory, onThrew: deps.onThrew }

  const send = (address: ActorAddress, letter: Letter, sender: Sender): Promise<Sent> => {
    const { promise, resolve, reject } = Promise.withResolvers<Sent>()
    const { kind, method, argsText, priority } = letter
    const untilMs = deadlineOf(letter, sender)
    const { signal, requestId, depth, caller } = sender
    const end = (outcome: string): void => {
      unwatch()
      signal?.removeEventListener('abort', gone)
      meter.message(kind, outcome)
    }
    const call = new ActorCall(
      { address, kind, method, argsText, priority, untilMs, requestId, depth, caller },
      callDeps,
      {
        answered(text) {
          end('ok')
          resolve({ value: text })
        },
        here(activation) {
          unwatch()
          signal?.removeEventListener('abort', gone)
          resolve({ here: activation })
        },
        failed(error) {
          end(error.code ?? 'VELA_GUEST_THREW')
          reject(error)
        },
      },
    )
    const gone = (): void => call.cancel(new VelaError('VELA_TURN_CANCELED', 'The caller went away'))
    const expire = (): void =>
      call.cancel(
        new VelaError('VELA_ACTOR_DEADLINE', `The actor did not answer ${describe(kind, method)} in time`),
      )
    const unwatch =
      kind === 'alarm'
        ? () => undefined
        : deadlines.watch(
            untilMs === undefined ? performance.now() + TELL_MS : untilMs - performance.timeOrigin,
            expire,
          )
    if (signal?.aborted === true) gone()
    else signal?.addEventListener('abort', gone, { once: true })
    if (!call.over) directory.route(address, caller, call)
    return promise
  }

  const visit = <Value>(
    address: ActorAddress,
    caller: Home | undefined,
    signal: AbortSignal | undefined,
    placed: (at: Placed, activation: Activation | null) => Value,
  ): Promise<Value> => {
    const { promise, resolve, reject } = Promise.withResolvers<Value>()
    directory.route(address, caller, {
      get over() {
        return signal?.aborted === true
      },
      placed(at, activation) {
        try {
          resolve(placed(at, activation))
        } catch (thrown) {
          if (activation !== null) at.unheard()
          reject(thrown instanceof Error ? thrown : new Error(String(thrown)))
        }
      },
      refused: reject,
    })
    return promise
  }

  /** Undefined: the actor was not there and nothing was done, so it may be sent again. */
  const tryFetch = async (
    address: ActorAddress,
    from: CapabilityCall,
    request: unknown,
    gone: Promise<never>,
    mayAgain: boolean,
  ): Promise<CapabilityResult | undefined> => {
    let carried: Activation | null = null
    let taken = false
    let absent = false
    const target: FetchTarget = {
      activation() {
        taken = true
        return carried
      },
      absent: () => void (absent = true),
    }
    const { call, result } = deps.createFetch(from, request, address, target)
    // Where nobody waits for it any more it is not to be a rejection that nobody hears, nor a WebSocket that nobody has.
    result.then(
      ({ relay }) => {
        if (from.signal.aborted && relay instanceof SocketRelay) relay.drop()
      },
      () => undefined,
    )
    const visited = visit(address, undefined, from.signal, (at, activation) => {
      carried = activation
      const done = at.sent()
      at.home.dispatch(call)
      return { at, done }
    })
    const { at, done } = await Promise.race([visited, gone])
    try {
      return await Promise.race([result, gone])
    } catch (thrown) {
      const isUntouched = absent ? !isStream(from.body) : !taken && at.home.gone
      if (!mayAgain || !isUntouched || from.signal.aborted) throw thrown
      return undefined
    } finally {
      done()
      if (absent) directory.denied(at)
      else if (carried !== null && !taken) at.unheard()
    }
  }

  return {
    send,
    locate: async (address, { caller, signal }) => {
      if (caller === undefined) return { remote: true }
      return await visit(address, caller, signal, (at, activation) => {
        if (at.home === caller && activation !== null) return { here: activation }
        // Nothing goes there now; the next message is to carry it.
        if (activation !== null) at.unheard()
        return { remote: true } as const
      })
    },
    async fetch(address, from, request) {
      const gone = Promise.withResolvers<never>()
      gone.promise.catch(() => undefined)
      const leave = (): void => gone.reject(new VelaError('VELA_TURN_CANCELED', 'The caller went away'))
      if (from.signal.aborted) leave()
      from.signal.addEventListener('abort', leave, { once: true })
      try {
        for (let tries = 1; ; tries++) {
          const value = await tryFetch(address, from, request, gone.promise, tries < MAX_TRIES)
          if (value === undefined) continue
          meter.message('fetch', 'ok')
          return value
        }
      } catch (thrown) {
        const coded = thrown instanceof VelaError || thrown instanceof GuestFacingError
        meter.message('fetch', (coded ? thrown.code : undefined) ?? 'VELA_GUEST_THREW')
        throw thrown
      } finally {
        from.signal.removeEventListener('abort', leave)
      }
    },
    async depth(address, sender) {
      if (directory.homeOf(address) === undefined) return 0
      const sent = await send(
        address,
        { kind: 'depth', method: '', argsText: '[]' },
        { ...sender, caller: undefined },
      )
      const depth = 'value' in sent ? Number(sent.value) : 0
      return Number.isSafeInteger(depth) && depth >= 0 ? depth : 0
    },
    close: () => deadlines.close(),
  }
}

/** Epoch milliseconds. An ask always has one, so that a circle of them ends. */
function deadlineOf({ kind, deadlineMs }: Letter, sender: Sender): number | undefined {
  if (kind === 'alarm') return undefined
  if (kind === 'tell') return deadlineMs
  const own = deadlineMs ?? nowMs() + DEFAULT_DEADLINE_MS
  return Math.floor(Math.min(own, performance.timeOrigin + sender.deadlineMs))
}

/** Parts of it may be gone. */
const isStream = (body: CapabilityCall['body']): boolean => body !== undefined && !(body instanceof Buffer)

const describe = (kind: MessageKind, method: string): string =>
  kind === 'ask' || kind === 'tell' ? `${kind} ${method}` : kind
