/** What a replica needs of the deployment that it serves, and what it says of its end. */
import type { Fault } from '../../sandbox/protocol/frame.ts'
import type { Limits } from '../../sandbox/protocol/limits.ts'
import type { Call } from './call.ts'
import type { Perform } from './guest-calls.ts'
import type { CellEnd, LoadPayload } from './resident.ts'
import type { RunQueue } from './run-queue.ts'

export interface ReplicaDeps {
  readonly limits: Limits
  readonly payload: LoadPayload
  /** Calls that may be taken from elsewhere too. */
  readonly queue: RunQueue
  /** May one more of them be taken? */
  readonly hasRoom: () => boolean
  /** The queue is empty, and so many would fit into an entry. */
  readonly refill: (most: number) => void
  /** An entry is full, and more could be taken. */
  readonly onLeftover: () => void
  /** Carries out what the guest asks of its capabilities. */
  readonly perform: Perform
  /** Something is to be said to the guest. */
  readonly wake: () => void
  /** The engine's timer is to be armed: the deployment has no history yet, or a bad one. */
  readonly armed: () => boolean
  readonly onLoaded: (description: unknown, atOnce: boolean) => void
  /** It serves and says something. False: it has not loaded, and was given up for that. */
  readonly isUp: () => boolean
  readonly onLog: (level: number, text: string) => void
  readonly onTurnEnd: () => void
  /** A turn goes on and takes none of the room for calls any more. It may be while another replica is heard. */
  readonly onRoom: () => void
  /** The isolate is gone. `retry` are calls that may be tried again. */
  readonly onGone: (end: ReplicaEnd) => void
}

export interface ReplicaEnd {
  readonly reason: Fault['reason'] | CellEnd
  readonly message: string
  readonly fault?: Fault
  /** Was the guest itself at fault, as far as can be known? */
  readonly guilty: boolean
  readonly retry: readonly Call[]
}
