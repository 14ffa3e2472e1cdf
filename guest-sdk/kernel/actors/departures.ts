/**
 * Actors that the host wants gone from this isolate. They may still need each other to finish what waits for them, so all
 * go on until none has anything to do; then all leave.
 */
import type { Activation } from './activation.ts'
import { defer } from './intrinsics.ts'
import { leave } from './leaving.ts'
import { subscribe } from '../primordials.ts'

export interface Departures {
  /** `done` when all of them are gone. */
  begin(activations: readonly Activation[], done: () => void): void
  /** One of them has nothing to do, or is gone. */
  check(): void
}

interface Departing {
  readonly activation: Activation
  next: Departing | undefined
}

export function createDepartures(): Departures {
  let first: Departing | undefined

  const check = (): void => {
    // Those at the front that are quiet go behind, so that a busy one is asked first the next time.
    for (let item = first; item !== undefined; item = item.next) {
      if (item.activation.state !== 'gone' && !item.activation.isQuiet) {
        if (item !== first) bringForward(item)
        return
      }
    }
    const all = first
    first = undefined
    for (let item = all; item !== undefined; item = item.next) {
      if (item.activation.state === 'up') leave(item.activation)
    }
  }

  const bringForward = (busy: Departing): void => {
    for (let item = first; item !== undefined; item = item.next) {
      if (item.next !== busy) continue
      item.next = busy.next
      busy.next = first
      first = busy
      return
    }
  }

  return {
    begin(activations, done) {
      let left = activations.length
      if (left === 0) return done()
      const over = (): void => {
        if (--left === 0) done()
      }
      for (let index = 0; index < activations.length; index++) {
        const activation = activations[index] as Activation
        const gone = (activation.leavesWith ??= defer<void>())
        subscribe(gone.promise, over, over)
        first = { activation, next: first }
      }
      check()
    },
    check,
  }
}
