/** An actor of a guest, for the host's own code: `runtime.actor('acme/shop', 'Cart', 'ann')`. */
import { decodeValue, encodeValue } from '../../../guest-sdk/async/codec.ts'
import { VelaError } from '../../core/errors.ts'
import { nowMs } from '../../cells/clock.ts'
import type { Actors, Sender } from './actors.ts'
import { checkActorName, DEFAULT_DEADLINE_MS, isClassName } from './types.ts'
import type { ActorAddress } from './types.ts'

export interface GuestActorOptions {
  /** Milliseconds from now; 10 s if left out, of a tell: none. */
  readonly deadlineMs?: number
  /** -10 to 10, higher first. */
  readonly priority?: number
  /** Cancels the turn. */
  readonly signal?: AbortSignal
}

/** What goes in and out is what `encodeValue` takes: JSON, Date, Map, Set, BigInt, bytes, errors. */
export interface GuestActor {
  /**
   * Resolves to what the method returned, once what the actor wrote is durable. Rejects with VELA_ACTOR_*, VELA_CELL_*,
   * VELA_SERVICE_NOT_FOUND, or GuestFacingError with the name and message of what the actor threw.
   */
  ask(method: string, args?: readonly unknown[], options?: GuestActorOptions): Promise<unknown>
  /** Resolves when the message stands in the actor's mailbox. */
  tell(method: string, args?: readonly unknown[], options?: GuestActorOptions): Promise<void>
  /** Messages that wait there; 0 if it is not active. */
  depth(): Promise<number>
}

/** Throws VELA_SERVICE_NOT_FOUND or VELA_ACTOR_NOT_FOUND for what can be no address, VELA_CAPABILITY_BAD_CALL for what is no name. */
export function openGuestActor(
  actors: Pick<Actors, 'send' | 'depth'>,
  target: string,
  className: string,
  name: string,
): GuestActor {
  const [tenant = '', service = '', ...more] = target.split('/')
  if (tenant === '' || service === '' || more.length > 0)
    throw new VelaError('VELA_SERVICE_NOT_FOUND', `There is no service ${target}`)
  if (!isClassName(className))
    throw new VelaError('VELA_ACTOR_NOT_FOUND', `${className} is no name of a class of actors`)
  const address: ActorAddress = { tenant, service, class: className, name: checkActorName(name) }

  const send = async (
    kind: 'ask' | 'tell',
    method: string,
    args: readonly unknown[],
    { deadlineMs, priority, signal }: GuestActorOptions,
  ): Promise<unknown> => {
    const withinMs = deadlineMs ?? (kind === 'ask' ? DEFAULT_DEADLINE_MS : undefined)
    const letter = {
      kind,
      method,
      argsText: encodeValue(args),
      priority,
      deadlineMs: withinMs === undefined ? undefined : nowMs() + withinMs,
    }
    const sent = await actors.send(address, letter, { ...HOST_SENDER, signal })
    return kind === 'ask' && 'value' in sent ? decodeValue(sent.value) : undefined
  }

  return {
    ask: (method, args = [], options = {}) => send('ask', method, args, options),
    tell: async (method, args = [], options = {}) => void (await send('tell', method, args, options)),
    depth: () => actors.depth(address, HOST_SENDER),
  }
}

const HOST_SENDER: Sender = {
  caller: undefined,
  requestId: 'host',
  depth: 0,
  deadlineMs: Infinity,
  signal: undefined,
}
