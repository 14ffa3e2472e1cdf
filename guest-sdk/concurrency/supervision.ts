/**
 * What becomes of an actor that failed: a strategy, and for restarts a budget within a window and a delay that grows.
 * For actors of guests and of the host; pure, the time is given.
 */

/**
 * resume: it goes on as it is. restart: a new instance, from its durable state. stop: it is given up, and so is what waits for
 * it; the next message activates it anew. escalate: its parent decides.
 */
export type Directive = 'resume' | 'restart' | 'stop' | 'escalate'

export interface SupervisionOptions {
  /** `resume` if left out. */
  readonly strategy?: Directive
  /** Restarts within `withinMs` after which it is stopped; 5 if left out, at most 1,000. */
  readonly maxRestarts?: number
  /** Milliseconds; a minute if left out. */
  readonly withinMs?: number
  /** How long the first restart waits (milliseconds), and each further one within the window twice as long; 100 if left out, 0: not at all. */
  readonly backoffMs?: number
}

export interface Supervisor {
  readonly strategy: Directive
  /** A restart is wanted: after how many milliseconds, or undefined if the budget is used up. */
  restart(nowMs: number): number | undefined
}

export const MAX_BACKOFF_MS = 30_000
const MAX_RESTARTS = 1000
const MAX_WINDOW_MS = 2_592_000_000
const DEFAULTS: Required<SupervisionOptions> = {
  strategy: 'resume',
  maxRestarts: 5,
  withinMs: 60_000,
  backoffMs: 100,
}

export const isDirective = (value: unknown): value is Directive =>
  value === 'resume' || value === 'restart' || value === 'stop' || value === 'escalate'

/** Options that somebody gave; throws TypeError or RangeError with what is wrong. */
export function readSupervisionOptions(value: unknown): Required<SupervisionOptions> {
  if (value === undefined) return DEFAULTS
  if (typeof value !== 'object' || value === null) throw new TypeError('supervision: an object')
  const given = value as Record<keyof SupervisionOptions, unknown>
  const { strategy = DEFAULTS.strategy, maxRestarts = DEFAULTS.maxRestarts } = given
  const { withinMs = DEFAULTS.withinMs, backoffMs = DEFAULTS.backoffMs } = given
  if (!isDirective(strategy))
    throw new TypeError('supervision.strategy: "resume", "restart", "stop" or "escalate"')
  return {
    strategy,
    maxRestarts: natural('maxRestarts', maxRestarts, MAX_RESTARTS),
    withinMs: natural('withinMs', withinMs, MAX_WINDOW_MS),
    backoffMs: natural('backoffMs', backoffMs, MAX_BACKOFF_MS),
  }
}

function natural(name: string, value: unknown, most: number): number {
  if (typeof value === 'number' && value % 1 === 0 && value >= 0 && value <= most) return value
  throw new RangeError(`supervision.${name}: a whole number from 0 to ${most}`)
}

interface Restart {
  readonly atMs: number
  next: Restart | undefined
}

export function createSupervisor(options: SupervisionOptions = {}): Supervisor {
  const { strategy, maxRestarts, withinMs, backoffMs } = readSupervisionOptions(options)
  /** Those within the window, oldest first. */
  let first: Restart | undefined
  let last: Restart | undefined
  let count = 0

  return {
    strategy,
    restart(nowMs) {
      while (first !== undefined && nowMs - first.atMs >= withinMs) {
        first = first.next
        count--
      }
      if (count >= maxRestarts) return undefined
      const restart = { atMs: nowMs, next: undefined }
      if (first === undefined || last === undefined) first = restart
      else last.next = restart
      last = restart
      count++
      const delayMs = backoffMs * 2 ** (count - 1)
      return delayMs > MAX_BACKOFF_MS ? MAX_BACKOFF_MS : delayMs
    },
  }
}
