/** The host's half of actors: what it needs, and what may be asked of it. */
import type { CapabilityCall, CapabilityResult } from '../../capabilities/capability.ts'
import type { Call, GuestError } from '../../cells/call.ts'
import type { Home } from '../../cells/home.ts'
import type { ActorsStatus, DeadLetter } from '../../core/control.ts'
import type { VelaError } from '../../core/errors.ts'
import type { MessageKind } from './actor-call.ts'
import type { ActorService } from './directory-contract.ts'
import type { HostActorSystem } from './host/host-actors.ts'
import type { ActorStore } from './store/store.ts'
import type { Activation, ActorAddress, Entry, ListRange, StateChange } from './types.ts'

export interface ActorsDeps {
  readonly store: ActorStore
  readonly find: (tenant: string, service: string) => ActorService | undefined
  /** A request to an actor, as a call of its service. `request` is the caller's, and hostile. */
  readonly createFetch: (
    from: CapabilityCall,
    request: unknown,
    to: ActorAddress,
    target: FetchTarget,
  ) => { readonly call: Call; readonly result: Promise<CapabilityResult> }
  /** For the log of the service. */
  readonly onThrew: (address: ActorAddress, error: GuestError, requestId: string) => void
  readonly onFailure: (what: string, thrown: unknown) => void
  readonly meter: ActorMeter
  readonly alarmBackoffMs?: number
}

export interface FetchTarget {
  /** What goes with the request; asked for when the home takes it. */
  activation(): Activation | null
  /** The home does not have the actor and has done nothing; the result rejects. */
  absent(): void
}

/** Who counts. */
export interface ActorMeter {
  /** A message ended: 'ok', or its code. */
  message(kind: MessageKind | 'fetch', outcome: string): void
  deadLetter(): void
}

/** On whose behalf a message goes. */
export interface Sender {
  /** Set if the actor may settle where the message comes from. */
  readonly caller: Home | undefined
  readonly requestId: string
  readonly depth: number
  /** performance.now() milliseconds. */
  readonly deadlineMs: number
  readonly signal: AbortSignal | undefined
}

export interface Letter {
  readonly kind: MessageKind
  readonly method: string
  /** The encoded list of arguments. */
  readonly argsText: string
  readonly priority?: number | undefined
  /** Epoch milliseconds. */
  readonly deadlineMs?: number | undefined
}

/** `value`: the encoded answer. `here`: the actor is where the message came from, and the message was not delivered. */
export type Sent = { readonly value: string } | { readonly here: Activation }

export interface Actors {
  /** The host's own. */
  readonly host: HostActorSystem
  /** Rejects with VELA_ACTOR_*, VELA_CELL_*, VELA_SERVICE_NOT_FOUND, or what the actor threw. */
  send(address: ActorAddress, letter: Letter, sender: Sender): Promise<Sent>
  /** `{here}` if the actor is, or may now be, where the sender is; else `{remote: true}`. */
  locate(
    address: ActorAddress,
    sender: Sender,
  ): Promise<{ readonly here: Activation } | { readonly remote: true }>
  fetch(address: ActorAddress, from: CapabilityCall, request: unknown): Promise<CapabilityResult>
  /** Messages that wait; 0 if it is not active. */
  depth(address: ActorAddress, sender: Sender): Promise<number>
  /** The following throw VELA_ACTOR_FENCED unless the actor is at that home under that epoch. */
  read(address: ActorAddress, home: Home, epoch: number, keys: readonly string[]): Promise<readonly Entry[]>
  list(address: ActorAddress, home: Home, epoch: number, range: ListRange): Promise<readonly Entry[]>
  /** Resolves when it is durable. */
  write(
    address: ActorAddress,
    home: Home,
    epoch: number,
    change: StateChange,
    quotaBytes: number,
  ): Promise<void>
  released(address: ActorAddress, home: Home, epoch: number): boolean
  addDead(address: ActorAddress, letter: Pick<DeadLetter, 'method' | 'reason' | 'args'>): Promise<void>
  /** Has the actors of a replica leave. */
  rest(home: Home): Promise<void>
  /** The same of all replicas. */
  restAll(): Promise<void>
  /**
   * They do not belong to this host any more: nothing they write is taken, and they leave. Resolves when they have, or after some
   * seconds. Whoever waits for one that is on its way hears `error`.
   */
  evict(which: ActorAddress | ((address: ActorAddress) => boolean), error: VelaError): Promise<void>
  /** It is in memory here, or on its way. */
  isActive(address: ActorAddress): boolean
  /** An alarm is due then (epoch milliseconds) that the store has got by itself. */
  wakeAlarms(atMs: number): void
  status(tenant: string, service: string): Promise<ActorsStatus>
  deadLetters(tenant: string, service: string, limit: number): Promise<readonly DeadLetter[]>
  /** Actors that are active on this host, or on their way. */
  activeCount(): number
  /** All that the service (or the tenant) has of actors goes; resolves when that is durable. */
  drop(tenant: string, service?: string): Promise<void>
  /** The same of what is on this host alone: another host of the cluster has deleted the service. */
  leave(tenant: string, service?: string): Promise<void>
  /** Alarms ring from now on. */
  start(): void
  /** No alarm rings any more; those that do have `withinMs` to end. */
  stop(withinMs: number): Promise<void>
  close(): Promise<void>
}
