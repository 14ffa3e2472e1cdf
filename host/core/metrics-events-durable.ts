/** What the host counts of durable events. Labels are words of the host's own. */
import type { Metric } from 'prom-client'
import { counter, gauge } from './metrics-series.ts'

export interface DurableEventSources {
  /** Consumers on this host, and events that they have read and not finished. */
  readonly durableEvents?: () => {
    readonly consumers: number
    readonly waiting: number
    readonly running: number
  }
}

/** Every method is cheap and never throws. */
export interface DurableEventMetrics {
  stored(isDuplicate: boolean): void
  refused(): void
  handled(): void
  retried(): void
  dead(): void
}

export function createDurableEventMetrics(
  register: (metric: Metric) => void,
  sources: () => DurableEventSources,
): DurableEventMetrics {
  const counts = { stored: 0, duplicate: 0, refused: 0, handled: 0, retried: 0, dead: 0 }
  register(
    counter('vela_events_durable_total', 'Durable events that were published or handled, by outcome', () =>
      Object.entries(counts).map(([outcome, value]) => ({ labels: { outcome }, value })),
    ),
  )
  register(
    gauge('vela_events_durable_consumers', 'Durable consumers on this host', () => {
      const now = sources().durableEvents?.()
      return now === undefined ? [] : [{ labels: {}, value: now.consumers }]
    }),
  )
  register(
    gauge(
      'vela_events_durable_in_work',
      'Durable events read and not finished: that wait, batches that run',
      () => {
        const now = sources().durableEvents?.()
        if (now === undefined) return []
        return [
          { labels: { state: 'waiting' }, value: now.waiting },
          { labels: { state: 'running' }, value: now.running },
        ]
      },
    ),
  )
  return {
    stored(isDuplicate) {
      counts[isDuplicate ? 'duplicate' : 'stored'] += 1
    },
    refused: () => void (counts.refused += 1),
    handled: () => void (counts.handled += 1),
    retried: () => void (counts.retried += 1),
    dead: () => void (counts.dead += 1),
  }
}
