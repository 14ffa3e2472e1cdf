/**
 * How long what an actor runs may take (`handleMs` of its class): a promise that never settles must not hold it for ever. All of one
 * actor have the same limit, so they are over in the order they began, and one timer of the kernel serves them all; it fires only while a
 * turn is in flight, so whoever brings the next message looks too.
 */
import { PromiseOf, subscribe } from '../primordials.ts'
import type { ActorErrors } from './errors.ts'

/** What ends about together wakes the kernel once. */
const STEP_MS = 50

export interface Started {
  readonly atMs: number
  readonly onOver: () => void
  isUnderWay: boolean
  previous: Started | undefined
  next: Started | undefined
}

export interface TimeLimit {
  /** Calls `onOver` once when the time is over, unless it has ended before. */
  begin(onOver: () => void): Started
  end(started: Started): void
  /** Ends what is over its time. */
  check(): void
  /** The actor has gone: its timer must not hold it any longer. */
  close(): void
  /** The same outcome, or VELA_ACTOR_DEADLINE when the time is over. */
  bound<Value>(promise: Promise<Value>, what: string): Promise<Value>
}

export interface TimeLimitDeps {
  readonly limitMs: number
  readonly errors: ActorErrors
  readonly now: () => number
  readonly wakeAt: (atMs: number, callback: () => void) => () => void
}

export function createTimeLimit({ limitMs, errors, now, wakeAt }: TimeLimitDeps): TimeLimit {
  let first: Started | undefined
  let last: Started | undefined
  let callOff: (() => void) | undefined

  const end = (started: Started): void => {
    if (!started.isUnderWay) return
    const { previous, next } = started
    if (previous === undefined) first = next
    else previous.next = next
    if (next === undefined) last = previous
    else next.previous = previous
    started.isUnderWay = false
    started.previous = undefined
    started.next = undefined
  }

  const check = (): void => {
    while (first !== undefined && first.atMs + limitMs <= now()) {
      const started = first
      end(started)
      started.onOver()
    }
  }

  /** Looked at when the earliest may be over: most have long ended then, and cost no timer of their own. */
  const arm = (atMs: number): void => {
    callOff = wakeAt(atMs - (atMs % STEP_MS) + STEP_MS, () => {
      callOff = undefined
      check()
      if (first !== undefined && callOff === undefined) arm(first.atMs + limitMs)
    })
  }

  const begin = (onOver: () => void): Started => {
    const started = { atMs: now(), onOver, isUnderWay: true, previous: last, next: undefined }
    if (last === undefined) first = started
    else last.next = started
    last = started
    if (callOff === undefined) arm(started.atMs + limitMs)
    return started
  }

  return {
    begin,
    end,
    check,
    close: () => callOff?.(),
    bound: (promise, what) =>
      new PromiseOf((resolve, reject) => {
        const started = begin(() => reject(errors.tooLong(what, limitMs)))
        const over = (settle: () => void): void => {
          end(started)
          settle()
        }
        subscribe(
          promise,
          (value) => over(() => resolve(value as never)),
          (reason) => over(() => reject(reason)),
        )
      }),
  }
}
