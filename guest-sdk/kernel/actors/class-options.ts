/** What a class of actors says of itself in `static options`. Read at each activation; everything in it is the guest's. */
import { readMailboxOptions, type Overflow } from '../../concurrency/mailbox.ts'
import { readSupervisionOptions, type SupervisionOptions } from '../../concurrency/supervision.ts'

export interface ClassOptions {
  readonly capacity: number
  readonly overflow: Overflow
  /** Without anything to do for so long, it is passivated (milliseconds). */
  readonly idleMs: number
  /** How long a message may be handled (milliseconds). */
  readonly handleMs: number
  /** Messages may begin before others have ended. */
  readonly interleaved: boolean
  readonly supervision: Required<SupervisionOptions>
  readonly version: number
}

const DEFAULT_IDLE_MS = 60_000
const MAX_IDLE_MS = 86_400_000
const DEFAULT_HANDLE_MS = 30_000
const MAX_HANDLE_MS = 300_000
const MAX_VERSION = 2_147_483_647

/** Throws TypeError or RangeError that names what is wrong. */
export function readClassOptions(given: unknown): ClassOptions {
  if (given !== undefined && (typeof given !== 'object' || given === null))
    throw new TypeError('static options: an object')
  const options = (given ?? {}) as Record<string, unknown>
  const { mailbox, idleMs = DEFAULT_IDLE_MS, handleMs = DEFAULT_HANDLE_MS } = options
  const { concurrency = 'sequential', supervision, version = 1 } = options
  if (concurrency !== 'sequential' && concurrency !== 'interleaved')
    throw new TypeError('static options: concurrency is "sequential" or "interleaved"')
  return {
    ...readMailboxOptions(mailbox),
    idleMs: natural('idleMs', idleMs, 0, MAX_IDLE_MS),
    handleMs: natural('handleMs', handleMs, 1, MAX_HANDLE_MS),
    interleaved: concurrency === 'interleaved',
    supervision: readSupervisionOptions(supervision),
    version: natural('version', version, 1, MAX_VERSION),
  }
}

function natural(name: string, value: unknown, least: number, most: number): number {
  if (typeof value === 'number' && value % 1 === 0 && value >= least && value <= most) return value
  throw new RangeError(`static options: ${name} is a whole number from ${least} to ${most}`)
}
