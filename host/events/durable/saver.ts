/**
 * Saves a consumer's cursor: one save at a time, each with all that was handled until then. What is handled and not saved yet is handled
 * again after a crash, so a save begins at most SAVE_AFTER_MS after the first that it is for.
 */
import { VelaError } from '../../core/errors.ts'
import type { Cursor } from './log.ts'
import type { Progress } from './progress.ts'

const SAVE_AFTER_MS = 50
/** What was only read past costs nothing when it is read again; it is saved for the sake of trimming. */
const SAVE_SCAN_AFTER_MS = 1_000
const RETRY_MS = 1_000

export interface Saver {
  /** The progress may have something to save. */
  note(): void
  /** Resolves when all that is handled by now is saved. Rejects as `Cursor.save` does. */
  flush(): Promise<void>
  /** Saves nothing any more. */
  stop(): void
}

export interface SaverDeps {
  readonly cursor: Cursor
  readonly progress: Progress
  readonly onSaved: () => void
  /** Somebody else has the cursor. */
  readonly onFenced: () => void
  readonly onFailure: (thrown: unknown) => void
}

export function createSaver({ cursor, progress, onSaved, onFenced, onFailure }: SaverDeps): Saver {
  let timer: NodeJS.Timeout | undefined
  let isSoon = false
  let saving: Promise<void> | undefined
  let isStopped = false

  const arm = (afterMs: number, soon: boolean): void => {
    clearTimeout(timer)
    isSoon = soon
    timer = setTimeout(() => {
      timer = undefined
      save().catch(failed)
    }, afterMs)
    timer.unref()
  }

  const note = (): void => {
    if (isStopped || saving !== undefined || progress.dirty === null) return
    const soon = progress.dirty === 'soon'
    if (timer === undefined || (soon && !isSoon)) arm(soon ? SAVE_AFTER_MS : SAVE_SCAN_AFTER_MS, soon)
  }

  const save = (): Promise<void> => {
    saving ??= write().finally(() => {
      saving = undefined
      note()
    })
    return saving
  }

  const write = async (): Promise<void> => {
    if (progress.dirty === null || isStopped) return
    try {
      await cursor.save(progress.take())
    } catch (thrown) {
      progress.spoil()
      throw thrown
    }
    onSaved()
  }

  const failed = (thrown: unknown): void => {
    if (isStopped) return
    if (isFenced(thrown)) {
      isStopped = true
      clearTimeout(timer)
      return onFenced()
    }
    onFailure(thrown)
    arm(RETRY_MS, true)
  }

  return {
    note,
    async flush() {
      // One that is under way may not have the latest.
      await saving?.catch(() => undefined)
      clearTimeout(timer)
      timer = undefined
      await save()
    },
    stop() {
      isStopped = true
      clearTimeout(timer)
    },
  }
}

export const isFenced = (thrown: unknown): boolean =>
  thrown instanceof VelaError && thrown.code === 'VELA_EVENTS_FENCED'
