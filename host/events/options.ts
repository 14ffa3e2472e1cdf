/** What a subscription was asked for, checked and complete. */
import { VelaError } from '../core/errors.ts'
import type { BatchOptions, ErrorPolicy, Overflow } from './types.ts'

export interface Settings {
  readonly name: string
  readonly group: string | null
  readonly concurrency: number
  readonly timeoutMs: number
  readonly capacity: number
  readonly overflow: Overflow
  readonly onError: ErrorPolicy
  readonly retries: number
  readonly backoffMs: number
  readonly maxBatch: number
  readonly maxBatchCharacters: number
}

const LONGEST_BACKOFF_MS = 60_000
const LONGEST_TIMEOUT_MS = 24 * 60 * 60 * 1000
const MOST = 1_000_000
/** Room for a tenant, a service, a binding and a subject. */
const NAME = /^[\x21-\x7e]{1,420}$/
/** Also a queue group of NATS. */
const GROUP = /^[\x21-\x7e]{1,200}$/
const DECISIONS: ReadonlySet<unknown> = new Set(['log', 'ignore', 'retry', 'dead', 'unsubscribe'])
const OVERFLOWS: ReadonlySet<unknown> = new Set(['drop-oldest', 'drop-newest', 'reject'])

/** Throws VELA_EVENT_INVALID that names the option. */
export function checkOptions(options: BatchOptions): void {
  const { kind = 'ephemeral', name, group, onError, overflow, from } = options
  if (kind !== 'ephemeral' && kind !== 'durable') throw wrong('kind', 'ephemeral or durable')
  if (name !== undefined && !NAME.test(name)) throw wrong('name', '1 to 420 printable ASCII characters')
  if (group !== undefined && !GROUP.test(group)) throw wrong('group', '1 to 200 printable ASCII characters')
  if (overflow !== undefined && !OVERFLOWS.has(overflow))
    throw wrong('overflow', 'drop-oldest, drop-newest or reject')
  if (onError !== undefined && typeof onError !== 'function' && !DECISIONS.has(onError))
    throw wrong('onError', 'log, ignore, retry, dead, unsubscribe or a function')
  if (from !== undefined && from !== 'new' && from !== 'all') throw wrong('from', 'new or all')
  checkNumber('concurrency', options.concurrency, 1, MOST)
  checkNumber('timeoutMs', options.timeoutMs, 1, LONGEST_TIMEOUT_MS)
  checkNumber('capacity', options.capacity, 1, MOST)
  checkNumber('retries', options.retries, 0, 1_000)
  checkNumber('backoffMs', options.backoffMs, 0, LONGEST_BACKOFF_MS)
  checkNumber('maxBatch', options.maxBatch, 1, MOST)
  checkNumber('maxBatchCharacters', options.maxBatchCharacters, 1, Number.MAX_SAFE_INTEGER)
  if (kind === 'durable' && name === undefined)
    throw wrong('name', 'needed by a durable subscription: it is how its place is found again')
  if (kind === 'durable' && onError === 'unsubscribe') throw wrong('onError', 'of no use here: durable')
}

/** For an ephemeral subscription; taken as checked. */
export function settingsOf(options: BatchOptions, isBatch: boolean): Settings {
  return {
    name: options.name ?? '',
    group: options.group ?? null,
    concurrency: options.concurrency ?? (isBatch ? 1 : 64),
    timeoutMs: options.timeoutMs ?? 30_000,
    capacity: options.capacity ?? 1_000,
    overflow: options.overflow ?? 'drop-oldest',
    onError: options.onError ?? 'log',
    retries: options.retries ?? 3,
    backoffMs: options.backoffMs ?? 100,
    maxBatch: options.maxBatch ?? 100,
    maxBatchCharacters: options.maxBatchCharacters ?? 256 * 1024,
  }
}

/** Before the try after that attempt. */
export const pauseMs = (backoffMs: number, attempt: number): number =>
  Math.min(backoffMs * 2 ** Math.min(attempt - 1, 30), LONGEST_BACKOFF_MS)

function checkNumber(name: string, value: unknown, least: number, most: number): void {
  if (value === undefined) return
  if (Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most) return
  throw wrong(name, `a whole number from ${least} to ${most}`)
}

const wrong = (name: string, what: string): VelaError =>
  new VelaError('VELA_EVENT_INVALID', `The option ${name} of a subscription must be ${what}`)
