/** Further isolates of a deployment, as its workers get them; made where versions are (host/services). */
import type { Isolates, Origin } from '../../capabilities/capability.ts'
import type { GuestError } from '../../cells/call.ts'
import type { LiveDeployment } from '../../cells/live-deployment.ts'
import type { WorkerSlots } from './worker-slots.ts'

/** An isolate of its own for one worker, while it is needed. */
export interface WorkerIsolate {
  readonly live: LiveDeployment
  /** Ends what runs in it, at once if nothing else is in its cell; what it was doing fails or is tried again. */
  abandon(): void
}

export interface WorkerIsolates extends Isolates {
  readonly tenant: string
  readonly slots: WorkerSlots
  /** Tasks that may wait for one pool. */
  readonly queueLength: number
  /** An isolate that serves nothing is given up after this. */
  readonly idleMs: number
  /** `slot`: the cell it is to be in, asked for at each load. */
  create(slot: () => number): WorkerIsolate
  /** Is it one of these isolates that calls? */
  includes(origin: Origin): boolean
  /** What a task threw, for the log of its service. */
  threw(error: GuestError, requestId: string): void
  /** A task ended. */
  onEnd(outcome: string): void
}

/** What stands behind the isolates of a deployment; undefined if it has none to give. */
export function workersOf(isolates: Isolates | undefined): WorkerIsolates | undefined {
  return isolates !== undefined && 'create' in isolates ? (isolates as WorkerIsolates) : undefined
}
