/**
 * Tasks that a worker isolate is given: exported functions, called with one value that was encoded by the codec. The host
 * may send several at once; they are run one after the other, each when the one before has settled, so that no two
 * ever share the isolate's state half-way.
 */
import type { GuestExports } from './exports.ts'
import type { Codec } from './late-codec.ts'
import { TASK_MARK, TASK_VALUE_LIMIT } from './messages.ts'
import { subscribe, toPromise } from './primordials.ts'
import { TurnContext, type ContextDeps } from './turn-context.ts'
import { isThenable } from './thenable.ts'
import { TaskMissing, ValueTooLarge } from './turn-errors.ts'
import type { Turn } from './turn-state.ts'

export interface WorkerTasksDeps extends ContextDeps<Turn> {
  readonly exports: () => GuestExports
  readonly codec: Codec
  readonly env: (turn: number) => object
  /** Runs guest code on behalf of a turn. */
  readonly within: (turn: Turn, work: () => void) => void
  /** Settles it with a text. */
  readonly settleText: (turn: Turn, text: string) => void
  readonly settleThrown: (turn: Turn, thrown: unknown) => void
  /** Once, before the entry leaves. */
  readonly atEntryEnd: (callback: () => void) => void
}

interface WorkerTask {
  readonly turn: Turn
  readonly name: string
  readonly input: string
  /** It goes on beyond the entry in which it began. */
  outlasts: boolean
  next: WorkerTask | undefined
}

/** Takes a task; it settles with a mark (TASK_MARK) and the encoded result. */
export function createWorkerTasks(deps: WorkerTasksDeps): (turn: Turn, name: string, input: string) => void {
  let active: WorkerTask | undefined
  let first: WorkerTask | undefined
  let last: WorkerTask | undefined
  /** The loop below runs, so whoever ends a task leaves the next one to it. */
  let looping = false

  const end = (task: WorkerTask, settle: () => void): void => {
    if (active !== task) return
    active = undefined
    try {
      settle()
    } catch (thrown) {
      deps.settleThrown(task.turn, thrown)
    }
    runNext()
  }

  const done = (task: WorkerTask, value: unknown): void =>
    end(task, () => {
      const text = deps.codec.encodeValue(value)
      if (text.length > TASK_VALUE_LIMIT) throw new ValueTooLarge(text.length, TASK_VALUE_LIMIT)
      deps.settleText(task.turn, (task.outlasts ? TASK_MARK.outlasts : TASK_MARK.atOnce) + text)
    })

  const fail = (task: WorkerTask, thrown: unknown): void =>
    end(task, () => deps.settleThrown(task.turn, thrown))

  const begin = (task: WorkerTask): void => {
    const { turn, name } = task
    active = task
    if (turn.canceled !== undefined) return fail(task, turn.canceled.reason)
    deps.atEntryEnd(() => {
      task.outlasts = true
    })
    try {
      deps.within(turn, () => {
        const context = new TurnContext(turn, deps)
        const method = deps.exports().method(name, deps.env(turn.id), context)
        if (method === undefined) throw new TaskMissing(name)
        const value = method(deps.codec.decodeValue(task.input))
        if (isThenable(value)) {
          subscribe(
            toPromise(value),
            (result) => done(task, result),
            (thrown) => fail(task, thrown),
          )
        } else done(task, value)
      })
    } catch (thrown) {
      fail(task, thrown)
    }
  }

  /** A loop, for tasks that end at once would nest without end. */
  const runNext = (): void => {
    if (looping) return
    looping = true
    while (active === undefined && first !== undefined) {
      const task = first
      first = task.next
      if (first === undefined) last = undefined
      begin(task)
    }
    looping = false
  }

  return (turn, name, input) => {
    const task: WorkerTask = { turn, name, input, outlasts: false, next: undefined }
    if (last === undefined) first = task
    else last.next = task
    last = task
    runNext()
  }
}
