/**
 * A loaded replica as a place where things live: activations of actors, ends of channels, tasks. What lives there is
 * reached by pinned calls, which wait in a queue of their own and go with the replica: no sibling takes them and nothing
 * tries them again elsewhere, for what they are meant for is gone.
 */
import type { Origin } from '../capabilities/capability.ts'
import type { Call } from './call.ts'
import { createRunQueue, type RunQueue } from './run-queue.ts'

export interface Home extends Origin {
  /**
   * Takes a call for this replica alone. It gets `failed` (VELA_CELL_LOST, VELA_CELL_OVERLOADED) before this returns if
   * it cannot be taken, and VELA_CELL_LOST later if the replica goes before it has been answered.
   */
  dispatch(call: Call): void
  /** It is about to be given up: pinned calls still come in, but nothing new should settle here. */
  readonly resting: boolean
  /** Calls that it carries out and calls that wait for it alone. */
  readonly load: number
  /** False: no turn is in flight, so what it is told is heard with its next one. */
  readonly hears: boolean
  /** Once it is gone: it was lost, rather than given up. */
  readonly lost: boolean
}

/** The replica's own side of its home. */
export interface HomeKeeper {
  readonly home: Home
  /** Calls for this replica alone. */
  readonly pinned: RunQueue
  setResting(resting: boolean): void
  /** The replica is gone: fails what waits and tells who asked. */
  close(lost: boolean): void
}

export interface HomeOptions {
  /** Pinned calls that may wait. */
  readonly queueLength: number
  readonly wake: () => void
  /** Calls that are carried out. */
  readonly turns: () => number
  readonly hears: () => boolean
}

/** The replica behind the origin of a guest's call. Throws TypeError for an origin that is none. */
export function homeOf(origin: Origin): Home {
  if (!('dispatch' in origin)) throw new TypeError('The origin of the call is no replica')
  return origin as Home
}

export function createHome({ queueLength, wake, turns, hears }: HomeOptions): HomeKeeper {
  const pinned = createRunQueue(queueLength)
  const callbacks = new Set<() => void>()
  let gone = false
  let resting = false
  let lost = false
  const home: Home = {
    get gone() {
      return gone
    },
    get resting() {
      return resting
    },
    get load() {
      return turns() + pinned.length
    },
    get hears() {
      return !gone && hears()
    },
    get lost() {
      return lost
    },
    onGone(callback) {
      if (gone) {
        callback()
        return () => undefined
      }
      // Wrapped, so that whoever asks twice is told twice.
      const entry = (): void => callback()
      callbacks.add(entry)
      return () => void callbacks.delete(entry)
    },
    dispatch(call) {
      if (gone) return call.failed('VELA_CELL_LOST', 'The isolate that the call was meant for is gone')
      if (!pinned.push(call))
        return call.failed('VELA_CELL_OVERLOADED', `${queueLength} calls wait already; retry later`)
      wake()
    },
  }
  return {
    home,
    pinned,
    setResting(value) {
      resting = value
    },
    close(isLost) {
      if (gone) return
      gone = true
      lost = isLost
      const told = [...callbacks]
      callbacks.clear()
      for (const callback of told) callback()
      for (const call of pinned.takeAll())
        call.failed('VELA_CELL_LOST', 'The isolate that the call was meant for is gone')
    },
  }
}
