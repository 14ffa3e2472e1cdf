/**
 * Group commit: all that waits goes into one transaction and one fsync, and nothing is acknowledged before it.
 * Invariants: every job settles exactly once; a job that refuses (VelaError) undoes its own work alone; when the group
 * fails for any other reason it is rolled back and each job runs again by itself, so that one write too large for the
 * disk does not fail its neighbours. Hence jobs touch nothing but the database.
 * After a failed fsync no write is acknowledged any more: the kernel may have dropped the pages, and a second fsync
 * that succeeds would prove nothing about them.
 */
import { VelaError } from '../../core/errors.ts'
import type { Database } from './database.ts'
import { isFailedSync, toStoreError } from './failures.ts'

export type Outcome =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly error: VelaError }

export interface Job {
  readonly writes: boolean
  /** It may have written before it refuses. */
  readonly undo: boolean
  run(): unknown
  settle(outcome: Outcome): void
}

export interface GroupCommit {
  run(jobs: readonly Job[]): void
}

export function createGroupCommit(database: Database): GroupCommit {
  let broken: VelaError | undefined

  const transact = (jobs: readonly Job[]): Outcome[] => {
    database.exec('BEGIN IMMEDIATE')
    try {
      const outcomes = jobs.map((job) => (jobs.length === 1 ? accepted(job) : attempt(database, job)))
      database.exec('COMMIT')
      return outcomes
    } catch (error) {
      if (isFailedSync(error)) broken = durabilityLost(error)
      // A full disk makes SQLite roll back by itself.
      if (database.inTransaction) database.exec('ROLLBACK')
      throw error
    }
  }

  const single = (job: Job): Outcome => {
    if (broken !== undefined && job.writes) return { ok: false, error: broken }
    try {
      return job.writes ? (transact([job])[0] ?? never()) : accepted(job)
    } catch (error) {
      return { ok: false, error: broken ?? toStoreError(error) }
    }
  }

  const together = (jobs: readonly Job[]): Outcome[] | undefined => {
    if (jobs.length < 2 || broken !== undefined || !jobs.some((job) => job.writes)) return undefined
    try {
      return transact(jobs)
    } catch {
      return undefined
    }
  }

  return {
    run(jobs) {
      const outcomes = together(jobs) ?? jobs.map(single)
      for (const [index, job] of jobs.entries()) job.settle(outcomes[index] ?? never())
    },
  }
}

function accepted(job: Job): Outcome {
  return { ok: true, value: job.run() }
}

function attempt(database: Database, job: Job): Outcome {
  if (job.undo) database.exec('SAVEPOINT job')
  try {
    const outcome = accepted(job)
    if (job.undo) database.exec('RELEASE job')
    return outcome
  } catch (error) {
    if (!(error instanceof VelaError)) throw error
    if (job.undo) database.exec('ROLLBACK TO job; RELEASE job')
    return { ok: false, error }
  }
}

function durabilityLost(cause: unknown): VelaError {
  return new VelaError(
    'VELA_STORE_FAILED',
    'The disk failed to keep what was written (fsync failed), so the store takes no more writes. Check the disk, then restart the host.',
    { cause },
  )
}

function never(): never {
  throw new Error('a job without an outcome')
}
