/**
 * Where the kernel's core and the events of a guest meet. The core brings turns of HANDLER.queue; what reads their batches and
 * calls the guest's handlers is loaded with the first grant of events, before the guest's module, and plugs itself in here.
 */
import type { Callable } from './exports.ts'

/** A turn that delivers events: settles once. */
export interface BatchTurn {
  /** What is called for each event, or with the whole batch if `name` is empty; undefined: the guest exports none. */
  handler(name: string): Callable | undefined
  /** Runs guest code on its behalf. */
  within(work: () => void): void
  /** Settles, when all that was given to `waitUntil` is done, with JSON; undefined: every event is acknowledged. */
  settle(json: string | undefined): void
  threw(thrown: unknown): void
}

/** Takes the body of a batch (docs/protocol.md, "Events"). */
export type EventsPort = (turn: BatchTurn, handler: string, text: string) => void

/** Filled by the first grant. */
export interface EventsSlot {
  port: EventsPort | undefined
}

/** What the core does for events. */
export interface EventsKit {
  plug(port: EventsPort): void
  readonly describeThrown: (thrown: unknown, mostCharacters?: number) => string
}
