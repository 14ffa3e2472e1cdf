/** What a durable consumer may be asked to do, with what is meant by what was left out. */
import { pauseMs } from '../options.ts'
import type { BatchOptions } from '../types.ts'
import { MAX_UNFINISHED } from './log.ts'

export interface DurableOptions extends BatchOptions {
  /** Identifies the cursor: `tenant/service/binding/subject` of guests, `host:name` of the host's own. */
  readonly name: string
}

export interface ConsumerSettings {
  readonly from: 'new' | 'all'
  readonly concurrency: number
  readonly maxBatch: number
  readonly maxBatchCharacters: number
  readonly sameKeyTogether: boolean
  readonly timeoutMs: number
  readonly retries: number
  readonly backoffMs: number
  readonly capacity: number
}

const LEAST_AHEAD = 256
/** Calls at a time, of handlers of single events. */
const SINGLES = 64

export function settingsOf(options: DurableOptions): ConsumerSettings {
  const { maxBatch = 100 } = options
  const { concurrency = maxBatch === 1 ? SINGLES : 1 } = options
  const capacity = options.capacity ?? Math.max(LEAST_AHEAD, 2 * concurrency * maxBatch)
  return {
    from: options.from ?? 'new',
    concurrency,
    maxBatch,
    maxBatchCharacters: options.maxBatchCharacters ?? 256 * 1024,
    sameKeyTogether: options.sameKeyTogether ?? false,
    timeoutMs: options.timeoutMs ?? 30_000,
    retries: options.retries ?? 5,
    backoffMs: options.backoffMs ?? 1_000,
    capacity: Math.min(capacity, MAX_UNFINISHED),
  }
}

const AHEAD_CHARACTERS = 2 * 1024 * 1024
const TENANT_AHEAD_CHARACTERS = 16 * AHEAD_CHARACTERS

/**
 * Characters that each consumer of a tenant may read ahead, when there are so many: a tenant must not fill the host's memory by having
 * many that take nothing. Each may always have one event.
 */
export const aheadOf = (consumers: number): number =>
  Math.min(AHEAD_CHARACTERS, Math.ceil(TENANT_AHEAD_CHARACTERS / Math.max(consumers, 1)))

/** A wait that a handler asks for is no longer than this. */
export const MAX_DELAY_MS: number = 12 * 3_600_000

/** Twice as long after each attempt, at most a minute; a fifth of it by chance, so that what failed together does not return together. */
export function backoffOf(backoffMs: number, attempts: number): number {
  return Math.round(pauseMs(backoffMs, attempts) * (0.8 + 0.2 * Math.random()))
}
