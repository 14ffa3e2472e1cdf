/** How a start ends: with what the guest says it is, or with the error that says why not. */
import { ProtocolViolation } from '../../sandbox/protocol/frame-reader.ts'
import { VelaError, type ErrorCode } from '../core/errors.ts'
import type { ReplicaEnd } from './replica.ts'

export interface Description {
  readonly fetch: boolean
  readonly scheduled: boolean
  readonly queue: boolean
  readonly start: boolean
  readonly stop: boolean
  readonly methods: readonly string[]
  /** Exported classes that extend Actor. */
  readonly actors: readonly string[]
  /** What its containers need of `env`. */
  readonly needs: readonly Need[]
}

export interface Need {
  /** By whom: `orders → MAIL`. */
  readonly path: string
  readonly binding: string
  /** Its calls are to have a deadline. */
  readonly hasDeadline: boolean
}

export function readDescription(value: unknown): Description {
  const { fetch, scheduled, queue, start, stop, methods, actors, needs } = (value ?? {}) as Record<
    string,
    unknown
  >
  if (!isNames(methods) || !isNames(actors)) {
    throw malformed()
  }
  return {
    fetch: fetch === true,
    scheduled: scheduled === true,
    queue: queue === true,
    start: start === true,
    stop: stop === true,
    methods,
    actors,
    needs: readNeeds(needs),
  }
}

function readNeeds(value: unknown): Need[] {
  if (value === undefined) return []
  if (!Array.isArray(value) || value.length > MOST_NEEDS) throw malformed()
  return value.map((need: unknown) => {
    if (!Array.isArray(need)) throw malformed()
    const [path, binding, hasDeadline] = need as unknown[]
    if (!isShort(path) || !isShort(binding)) throw malformed()
    return { path, binding, hasDeadline: hasDeadline === true }
  })
}

/** What a kernel says at most (guest-sdk/kernel/wiring.ts); each is looked up, and may start the service it is about. */
const MOST_NEEDS = 256
const MOST_CHARACTERS = 400

const isShort = (value: unknown): value is string =>
  typeof value === 'string' && value.length <= MOST_CHARACTERS

const malformed = (): ProtocolViolation => new ProtocolViolation('A description is malformed')

const isNames = (value: unknown): value is string[] =>
  Array.isArray(value) && value.every((name) => typeof name === 'string')

const START_CODES: Readonly<Record<string, ErrorCode>> = {
  'syntax-error': 'VELA_DEPLOY_SYNTAX_ERROR',
  'unknown-import': 'VELA_DEPLOY_UNKNOWN_IMPORT',
  'start-threw': 'VELA_DEPLOY_START_THREW',
  'start-timeout': 'VELA_DEPLOY_START_TIMEOUT',
  'exceeded-cpu': 'VELA_DEPLOY_START_TIMEOUT',
  'exceeded-memory': 'VELA_DEPLOY_START_MEMORY',
}

export function startError(end: ReplicaEnd): VelaError {
  const code = START_CODES[end.reason] ?? 'VELA_CELL_START_FAILED'
  const stack = end.fault?.stack
  const name = end.fault?.name
  const message =
    end.reason === 'start-timeout' || end.reason === 'exceeded-cpu'
      ? 'The service used more CPU time to start than it may (limits.startupMs)'
      : name === undefined
        ? end.message
        : `${name}: ${end.message}`
  return new VelaError(code, message, stack === undefined ? {} : { details: { stack } })
}
