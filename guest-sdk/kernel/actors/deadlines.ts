/**
 * Ends what is not answered in time, in lists of what ends about together: nearly every message is answered long before, and
 * must cost next to nothing here.
 */
import { NumberMap } from '../primordials.ts'
import type { Message } from './message.ts'

/** A deadline is kept up to so much late. */
const STEP_MS = 50

export interface Deadlines {
  /** Calls `onDue` with it unless it was removed before. */
  add(message: Message): void
  remove(message: Message): void
}

interface List {
  first: Message | undefined
}

export function createDeadlines(
  wakeAt: (atMs: number, callback: () => void) => unknown,
  onDue: (message: Message) => void,
): Deadlines {
  const lists = new NumberMap<List>()

  const remove = (message: Message): void => {
    if (message.due === undefined) return
    const { due, previous, next } = message
    if (previous !== undefined) previous.next = next
    else {
      const list = lists.get(due)
      if (list !== undefined) list.first = next
    }
    if (next !== undefined) next.previous = previous
    message.due = undefined
    message.previous = undefined
    message.next = undefined
  }

  const end = (due: number): void => {
    const list = lists.get(due)
    for (let message = list?.first; message !== undefined; message = list?.first) {
      remove(message)
      onDue(message)
    }
    lists.delete(due)
  }

  return {
    add(message) {
      const { deadlineMs } = message.init
      // Infinity, or what would never come.
      if (!(deadlineMs < LATEST_MS)) return
      const due = deadlineMs - (deadlineMs % STEP_MS) + STEP_MS
      let list = lists.get(due)
      if (list === undefined) {
        list = { first: undefined }
        lists.set(due, list)
        wakeAt(due, () => end(due))
      }
      message.due = due
      message.next = list.first
      if (list.first !== undefined) list.first.previous = message
      list.first = message
    },
    remove,
  }
}

const LATEST_MS = 8.64e15
