/** What the directory of actors needs, and what may be asked of it. */
import type { Home } from '../../cells/home.ts'
import type { VelaError } from '../../core/errors.ts'
import type { Loaded } from './store/store.ts'
import type { Activation, ActorAddress } from './types.ts'

/** A service as a place for actors. */
export interface ActorService {
  /** Does the active version say that it has the class? */
  declares(className: string): boolean
  /** Replicas of the active version in which actors may settle. */
  homes(): readonly Home[]
  /** Loads a replica; resolves when `homes` has one. */
  start(): Promise<unknown>
}

export interface DirectoryDeps {
  readonly load: (address: ActorAddress) => Promise<Loaded>
  readonly find: (tenant: string, service: string) => ActorService | undefined
  /** Has everything at the home passivate; resolves when it is done, or cannot be. */
  readonly passivate: (home: Home) => Promise<void>
  /** Actors that one home may have; 100,000 if left out. */
  readonly mostAtHome?: number
}

/** An actor at its home. */
export interface Placed {
  readonly address: ActorAddress
  readonly home: Home
  readonly epoch: number
  /** Where it stands in the store; null: nowhere. */
  row: number | null
  /** A message is on its way to the home; call the result when it has been answered. */
  sent(): () => void
  /** The message that carried the activation did not get there. */
  unheard(): void
}

/** Somebody who wants to reach an actor. Exactly one of the callbacks is called, once. */
export interface Visit {
  /** Nobody waits for it any more. */
  readonly over: boolean
  /** `activation` goes with the message, if there is one: the home has not heard of the actor. */
  placed(placed: Placed, activation: Activation | null): void
  refused(error: VelaError): void
}

export interface Directory {
  /** Finds the home, or brings one; at once if the actor is active. `caller`: who asks, if the actor may settle there. */
  route(address: ActorAddress, caller: Home | undefined, visit: Visit): void
  /** What the home says it holds. Throws VELA_ACTOR_FENCED unless it does. */
  held(address: ActorAddress, home: Home, epoch: number): Placed
  /** The home has passivated it. False: a message is on its way, so it stays. */
  released(address: ActorAddress, home: Home, epoch: number): boolean
  /** The home says that it does not have it. */
  denied(placed: Placed): void
  /** Where the actor lives now; undefined: nowhere. */
  homeOf(address: ActorAddress): Home | undefined
  /** It is active or on its way. */
  has(address: ActorAddress): boolean
  /** Has all that lives there leave. */
  rest(home: Home): Promise<void>
  /** The same at all homes. */
  restAll(): Promise<void>
  /**
   * They do not belong to this host any more: what they say is refused from here on, and whoever waits for them hears `error`.
   * Returns the homes that had some, and which.
   */
  evict(
    which: ActorAddress | ((address: ActorAddress) => boolean),
    error: VelaError,
  ): ReadonlyMap<Home, readonly ActorAddress[]>
  /** The service (or the tenant) is gone, and its state: nothing of it may write any more. */
  forget(tenant: string, service?: string): void
  /** Activations by class. */
  activeIn(tenant: string, service: string): Readonly<Record<string, number>>
  /** All that are active or on their way. */
  readonly size: number
}
