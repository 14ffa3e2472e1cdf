/** What becomes of each event of a batch, from what its handler said of them, or how the call of the handler ended. */
import { VelaError } from '../../core/errors.ts'
import type { Outcome } from '../types.ts'
import type { Item } from './lanes.ts'
import { backoffOf, MAX_DELAY_MS } from './options.ts'

export type Verdict =
  | { readonly kind: 'done' }
  /** `counted`: it was an attempt. */
  | { readonly kind: 'again'; readonly afterMs: number; readonly counted: boolean }
  | { readonly kind: 'dead'; readonly reason: string }

export interface RetryRule {
  readonly retries: number
  readonly backoffMs: number
}

const DONE: Verdict = { kind: 'done' }
/** At once, and as if it had not been tried: nothing that happened was its own fault. */
export const AGAIN: Verdict = { kind: 'again', afterMs: 0, counted: false }
const MAX_REASON_CHARACTERS = 1_024

/** One for each item, in order. */
export function judge(items: readonly Item[], outcomes: readonly Outcome[], rule: RetryRule): Verdict[] {
  const held = new Set<string>()
  return items.map((item, index) => {
    const { key } = item.stored.event
    // Behind one of its key that is not done.
    if (key !== null && held.has(key)) return AGAIN
    const verdict = verdictOf(item, outcomes[index], rule)
    if (verdict.kind === 'again' && key !== null) held.add(key)
    return verdict
  })
}

/**
 * Nothing is known of any of them. Of several any one may be to blame, so that none is blamed: each is tried alone next, and what it does
 * then is its own.
 */
export function judgeLost(items: readonly Item[], thrown: unknown, rule: RetryRule): Verdict[] {
  if (items.length === 1) return items.map((item) => failedOf(item, reasonOf(thrown), rule, undefined))
  for (const item of items) item.solo = true
  return items.map(() => AGAIN)
}

function verdictOf(item: Item, outcome: Outcome | undefined, rule: RetryRule): Verdict {
  if (outcome === 'ack') return DONE
  if (outcome === undefined) return failedOf(item, 'The handler gave no outcome', rule, undefined)
  const reason = reasonOf(outcome.error)
  if ('dead' in outcome) return { kind: 'dead', reason }
  return failedOf(item, reason, rule, outcome.delayMs)
}

function failedOf(item: Item, reason: string, rule: RetryRule, delayMs: number | undefined): Verdict {
  const attempts = item.attempts + 1
  if (attempts > rule.retries) return { kind: 'dead', reason }
  const asked = delayMs === undefined || !(delayMs >= 0) ? undefined : Math.min(delayMs, MAX_DELAY_MS)
  return { kind: 'again', afterMs: asked ?? backoffOf(rule.backoffMs, attempts), counted: true }
}

function reasonOf(error: unknown): string {
  const { name, message } =
    typeof error === 'object' && error !== null ? (error as Partial<Record<string, unknown>>) : {}
  const text = `${typeof name === 'string' ? name : 'Error'}: ${typeof message === 'string' ? message : String(error)}`
  return text.slice(0, MAX_REASON_CHARACTERS).toWellFormed()
}

/** How the handler's side says that it could not take the batch at all: no attempt of the events, and no fault of theirs. */
const NOT_TAKEN: ReadonlySet<string> = new Set([
  'VELA_CELL_OVERLOADED',
  'VELA_CELL_START_FAILED',
  'VELA_GUEST_QUARANTINED',
  'VELA_TENANT_QUOTA_EXCEEDED',
  'VELA_GATEWAY_DRAINING',
  'VELA_SERVICE_NOT_FOUND',
  'VELA_CAPABILITY_DENIED',
  'VELA_CAPABILITY_REVOKED',
  'VELA_NODE_LOST',
])

export function wasNotTaken(thrown: unknown): boolean {
  return thrown instanceof VelaError && NOT_TAKEN.has(thrown.code)
}
