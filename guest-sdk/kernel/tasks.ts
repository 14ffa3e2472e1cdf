/**
 * The kernel's task queue: what a message to a port, say, makes to be done after the running code and its microtasks.
 * It runs within the entry that queued it, so it costs no way to the host; only so much of it, though: two ports
 * that answer each other for ever must go by the host, which meters every entry, like everything that goes on.
 */
const MAX_TASKS_PER_ENTRY = 1000

interface Task {
  readonly run: () => void
  next: Task | undefined
}

export interface Tasks {
  add(run: () => void): void
  /** An entry begins: there is room for tasks again. */
  open(): void
  /** Whether a task may run in this entry. */
  isDue(): boolean
  /** Whether any is left, be it for the next entry. */
  isWaiting(): boolean
  /** Runs the oldest task that is due, if any. */
  runNext(): void
}

export function createTasks(onError: (thrown: unknown) => void): Tasks {
  let first: Task | undefined
  let last: Task | undefined
  let room = MAX_TASKS_PER_ENTRY

  return {
    add(run) {
      const task = { run, next: undefined }
      if (last === undefined) first = task
      else last.next = task
      last = task
    },
    open() {
      room = MAX_TASKS_PER_ENTRY
    },
    isDue: () => first !== undefined && room > 0,
    isWaiting: () => first !== undefined,
    runNext() {
      const task = first
      if (task === undefined || room === 0) return
      room--
      first = task.next
      if (first === undefined) last = undefined
      try {
        task.run()
      } catch (thrown) {
        onError(thrown)
      }
    },
  }
}
