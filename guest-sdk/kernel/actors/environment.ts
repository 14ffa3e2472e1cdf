/** What an activation needs of the isolate it lives in; table.ts brings it about. */
import type { Directive } from '../../concurrency/supervision.ts'
import type { CapabilityKit } from '../capabilities.ts'
import type { Activation } from './activation.ts'
import type { ActorId } from './context.ts'
import type { Deadlines } from './deadlines.ts'
import type { ActorErrors } from './errors.ts'
import type { Message } from './message.ts'
import type { StorageDeps } from './storage.ts'

export interface ActorsEnvironment {
  readonly kit: CapabilityKit
  readonly errors: ActorErrors
  readonly deadlines: Deadlines
  /** Of the grant of a class. */
  raw(className: string): StorageDeps['raw']
  /** False: enough has been handled in this entry; `resume` is called in a later one. */
  mayHandle(resume: () => void): boolean
  /** A stub of an actor of this service, from now on the child of `parent`. */
  child(parent: Activation, target: unknown, name: unknown): object
  childrenOf(id: ActorId): ActorId[]
  parentOf(id: ActorId): ActorId | null
  stopChildren(id: ActorId): void
  /** Asks the parent what is to become of a child that failed. */
  escalate(child: ActorId, error: unknown): Promise<Directive>
  /** It has written. */
  dirty(activation: Activation): void
  /** It has nothing to do; for those that are to leave. */
  quiet(): void
  /** It is forgotten here; what waits for it is to be handed on. */
  gone(activation: Activation): void
  /** A message that nobody will handle or answer. */
  dead(id: ActorId, message: Message, reason: 'threw' | 'dropped' | 'stopped'): void
}
