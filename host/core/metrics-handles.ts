/**
 * The plain numbers behind the metrics, one object a service or tenant, and the cap on how many there may be.
 * `settled` runs once per request: no hashing of labels, no allocation.
 */
import type { Sample } from './metrics-series.ts'

/** Held by whoever serves one service; every method is cheap and never throws. */
export interface ServiceMetrics {
  /** One request or other turn ended; `outcome` is a word of the outcome enum. */
  settled(outcome: string, durationMs: number): void
  /** Log lines of this service dropped because it was over its rate. */
  logDropped(lines: number): void
}

export interface TenantMetrics {
  addCpu(milliseconds: number): void
}

export const BUCKETS_SECONDS: readonly number[] = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30,
]
/** Distinct values of labels that the host itself chooses; a guard against a bug that passes free text. */
export const MAX_WORDS = 32
const OTHER = 'other'

interface OutcomeCount {
  readonly labels: Readonly<Record<string, string>>
  count: number
}

export interface ServiceSeries extends ServiceMetrics {
  readonly labels: Readonly<Record<string, string>>
  readonly outcomes: ReadonlyMap<string, OutcomeCount>
  readonly buckets: Float64Array
  readonly sumMs: number
  readonly dropped: number
}

export function createService(tenant: string, service: string): ServiceSeries {
  const outcomes = new Map<string, OutcomeCount>()
  const limitsMs = Float64Array.from(BUCKETS_SECONDS, (seconds) => seconds * 1000)
  const buckets = new Float64Array(limitsMs.length + 1)
  let lastOutcome = ''
  let lastCount: OutcomeCount | undefined
  let sumMs = 0
  let dropped = 0
  const countOf = (outcome: string): OutcomeCount => {
    const name = outcomes.has(outcome) || outcomes.size < MAX_WORDS ? outcome : OTHER
    let count = outcomes.get(name)
    if (count === undefined)
      outcomes.set(name, (count = { labels: { tenant, service, outcome: name }, count: 0 }))
    return count
  }
  return {
    labels: { tenant, service },
    outcomes,
    buckets,
    get sumMs() {
      return sumMs
    },
    get dropped() {
      return dropped
    },
    settled(outcome, durationMs) {
      // Most turns end as the one before: no lookup then.
      if (outcome !== lastOutcome || lastCount === undefined) {
        lastCount = countOf(outcome)
        lastOutcome = outcome
      }
      lastCount.count += 1
      const duration = durationMs >= 0 ? durationMs : 0
      sumMs += duration
      let index = 0
      while (index < limitsMs.length && duration > (limitsMs[index] ?? 0)) index += 1
      buckets[index] = (buckets[index] ?? 0) + 1
    },
    logDropped(lines) {
      dropped += lines
    },
  }
}

export interface TenantSeries extends TenantMetrics {
  readonly labels: Readonly<Record<string, string>>
  readonly cpuMs: number
}

export function createTenant(tenant: string): TenantSeries {
  let cpuMs = 0
  return {
    labels: { tenant },
    get cpuMs() {
      return cpuMs
    },
    addCpu(milliseconds) {
      if (milliseconds > 0) cpuMs += milliseconds
    },
  }
}

export interface Handles<Handle> {
  get(name: string): Handle
  forget(name: string): void
  all(): Handle[]
}

/** At most `most` handles of their own; whoever comes later shares one, so that memory and series are bounded. */
export function createHandles<Handle>(most: number, create: (name: string) => Handle): Handles<Handle> {
  const own = new Map<string, Handle>()
  let shared: Handle | undefined
  return {
    get(name) {
      const found = own.get(name)
      if (found !== undefined) return found
      if (own.size >= most) return (shared ??= create(OTHER))
      const handle = create(name)
      own.set(name, handle)
      return handle
    },
    forget: (name) => void own.delete(name),
    all: () => (shared === undefined ? [...own.values()] : [...own.values(), shared]),
  }
}

export function createWords(): { add(word: string): void; samples(label: string): () => Sample[] } {
  const counts = new Map<string, number>()
  return {
    add(word) {
      const name = counts.has(word) || counts.size < MAX_WORDS ? word : OTHER
      counts.set(name, (counts.get(name) ?? 0) + 1)
    },
    samples: (label) => () => [...counts].map(([word, value]) => ({ labels: { [label]: word }, value })),
  }
}

export function splitName(name: string): [tenant: string, service: string] {
  const slash = name.indexOf('/')
  return slash < 0 ? [name, name] : [name.slice(0, slash), name.slice(slash + 1)]
}
