/**
 * Where the kernel's core and the actors of a guest meet. The core brings turns; what handles them (activations, mailboxes)
 * is loaded with the first grant of actors, before the guest's module, and plugs itself in here.
 */

import type { Life } from '../../di/kit.ts'
import type { ActorClass } from '../exports.ts'
import type { Power } from '../capabilities.ts'
import type { TextMap } from './intrinsics.ts'

/** A turn that is about an actor: settles once, with one of the first three. */
export interface ActorTurn {
  readonly id: number
  /** The JSON text of a value; undefined: none. */
  value(json: string | undefined): void
  response(value: unknown): void
  threw(thrown: unknown): void
  /** Keeps the turn open until the function that it returns is called. */
  hold(): () => void
}

export interface ActorsPort {
  call(turn: ActorTurn, className: string, json: string): void
  fetch(turn: ActorTurn, request: object, className: string, name: string, activation: string): void
  passivate(turn: ActorTurn, json: string): void
  /** While some actor's writes are not durable: resolves when they are. */
  gate(): Promise<void> | undefined
  /** An entry begins. */
  entered(): void
  /** Of an instance, by its `ctx`; undefined: it is no actor's. */
  lifeOf(context: unknown): Life | undefined
}

/** Whose calls they are: looked at when a call is made. */
export interface Scope {
  turn(): number
  /** What a call has to wait for. */
  gate(): Promise<void> | undefined
  /** What is asked on its behalf ends by then (epoch milliseconds); Infinity: no deadline of its own. */
  deadlineMs(): number
  /** Where the powers of an actor over the classes of its service are kept, by class. */
  readonly powers?: TextMap<Power>
}

/** What the core does for actors. */
export interface ActorsKit {
  plug(port: ActorsPort): void
  /** The exported class of that name that extends Actor. */
  classOf(name: string): ActorClass | undefined
  /** Keeps a turn open, so that what is done on its behalf gets its answers; 0 is none. */
  hold(turn: number): () => void
  /** Runs guest code on behalf of a turn. */
  within(turn: number, work: () => void): void
  currentTurn(): number
  envOf(scope: Scope): object
  bindingIn(scope: Scope, name: string, deadlineMs: number | undefined): unknown
  /** After the running code and its microtasks. */
  queueTask(run: () => void): void
  /** Calls back in the first entry at or after that time (epoch milliseconds); returns what cancels it. Not one of the guest's timers. */
  wakeAt(atMs: number, callback: () => void): () => void
  reportError(thrown: unknown): void
  describeThrown(thrown: unknown): string
}

export interface ActorsSlot {
  port: ActorsPort | undefined
}
