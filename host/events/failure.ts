/** Failures of handlers: as data, and in the host's log, where one that fails for every event must not drown the rest. */
import type { BusEvent } from './bus-event.ts'
import type { HandlerError } from './types.ts'

export interface HandlerFailure {
  readonly tenant: string
  readonly pattern: string
  readonly name: string
  readonly subject: string
  readonly id: string
  readonly attempt: number
  readonly error: unknown
  /** Failures of the same subscription since the last that was told. */
  readonly untold: number
}

export type OnFailure = (failure: HandlerFailure) => void

const TOLD_EVERY_MS = 1_000

export function errorOf(thrown: unknown): HandlerError {
  if (!(thrown instanceof Error)) return { name: 'Error', message: String(thrown) }
  const { name, message } = thrown
  const code = (thrown as { readonly code?: unknown }).code
  return { name, message, ...(typeof code === 'string' ? { code } : {}) }
}

/** Tells of at most one failure a second. */
export function createTeller(
  { tenant, pattern, name }: { readonly tenant: string; readonly pattern: string; readonly name: string },
  onFailure: OnFailure,
): (event: BusEvent, attempt: number, error: unknown) => void {
  return tellRarely((untold, event: BusEvent, attempt: number, error: unknown) =>
    onFailure({ tenant, pattern, name, subject: event.subject, id: event.id, attempt, error, untold }),
  )
}

/** At most one a second. `untold`: how many there were since the last. */
export function tellRarely<Args extends readonly unknown[]>(
  tell: (untold: number, ...args: Args) => void,
): (...args: Args) => void {
  let toldMs = -Infinity
  let untold = 0
  return (...args) => {
    const nowMs = performance.now()
    if (nowMs - toldMs < TOLD_EVERY_MS) {
      untold++
      return
    }
    toldMs = nowMs
    tell(untold, ...args)
    untold = 0
  }
}
