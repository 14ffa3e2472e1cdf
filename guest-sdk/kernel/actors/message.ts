/**
 * What is sent to an actor, from this isolate or from elsewhere, and the place its answer goes to. A message is settled once: by its
 * answer, an error, or its deadline; and over once, when nothing of it is left to do and its turn need not stay open.
 */
import type { Mailbox, Slot } from '../../concurrency/mailbox.ts'
import { stringify } from '../primordials.ts'
import { nothing, type Deferred } from './intrinsics.ts'
import type { ActorTurn, ActorsKit } from './port.ts'
import type { Codec } from './storage-api.ts'

export type Kind = 'ask' | 'tell' | 'alarm' | 'fetch' | 'socket' | 'failure'

export interface MessageInit {
  readonly kind: Kind
  readonly method: string
  readonly args: readonly unknown[]
  /** On whose behalf; 0: nobody's. */
  readonly turn: number
  readonly deadlineMs: number
  readonly priority: number
  /** Copies or encodes what the actor answered, at once; what it returns sends that. Throws if it cannot be sent. */
  readonly answer: (value: unknown) => () => void
  readonly fail: (error: unknown) => void
  /** The actor has left before it was handled: whoever brought it finds it anew. */
  readonly giveBack?: () => void
  /** Lets go of the turn. */
  readonly release: () => void
}

export class Message {
  readonly init: MessageInit
  /** It has been answered, or nobody waits any more. */
  settled = false
  /** Where it stands in its mailbox. */
  slot: Slot<Message> | undefined
  mailbox: Mailbox<Message> | undefined
  /** Why it cannot be answered any more: what it wrote was lost. */
  broken: { readonly error: unknown } | undefined
  /** Its neighbours in the list of what ends at the same time. */
  previous: Message | undefined
  next: Message | undefined
  due: number | undefined

  constructor(init: MessageInit) {
    this.init = init
  }

  fail(error: unknown): void {
    if (this.settled) return
    this.settled = true
    this.init.fail(error)
  }

  send(answer: () => void): void {
    if (this.settled) return
    this.settled = true
    answer()
  }
}

type Basics = Pick<MessageInit, 'args' | 'deadlineMs' | 'kind' | 'method' | 'priority' | 'turn' | 'release'>

/** From this isolate: values are copied, so that neither side holds the other's. */
export function localMessage(
  basics: Basics,
  { resolve, reject }: Deferred<unknown>,
  { cloneValue }: Codec,
): Message {
  return new Message({
    ...basics,
    answer(value) {
      if (basics.kind !== 'ask') return () => resolve(value)
      const copy = cloneValue(value)
      return () => resolve(copy)
    },
    fail: reject,
  })
}

/** Nobody waits for how it ends. */
export const sentMessage = (basics: Basics): Message =>
  new Message({ ...basics, answer: () => nothing, fail: nothing })

/** The runtime's own, on behalf of the turn whose synchronous part runs now. */
export function ownMessage(
  actors: Pick<ActorsKit, 'currentTurn' | 'hold'>,
  kind: 'socket' | 'failure',
  method: string,
  args: readonly unknown[],
  answer?: Deferred<unknown>,
): Message {
  const turn = actors.currentTurn()
  return new Message({
    kind,
    method,
    args,
    turn,
    deadlineMs: Infinity,
    priority: 0,
    release: actors.hold(turn),
    answer: (value) => () => answer?.resolve(value),
    fail: answer?.reject ?? nothing,
  })
}

/** From elsewhere; its answer settles the turn that brought it. */
export function remoteMessage(basics: Basics, turn: ActorTurn, { encodeValue }: Codec): Message {
  return new Message({
    ...basics,
    answer(value) {
      if (basics.kind === 'fetch') return () => turn.response(value)
      if (basics.kind === 'alarm') return () => turn.value(undefined)
      const json = stringify(encodeValue(value)) as string
      return () => turn.value(json)
    },
    fail: turn.threw,
    giveBack: () => turn.value(NOT_HERE),
  })
}

/** "Not here, and nothing was done": never the JSON of a result, which is a string. */
export const NOT_HERE = '0'
