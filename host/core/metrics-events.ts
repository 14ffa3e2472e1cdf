/** What the host counts of ephemeral events, by words of its own; no name that a tenant chose becomes a label. */
import type { Metric } from 'prom-client'
import { counter, gauge, type Sample } from './metrics-series.ts'

/** Every method is cheap and never throws. host/events/types.ts has the face that the bus asks for. */
export interface EventMetrics {
  published(): void
  delivered(count: number): void
  dropped(reason: 'overflow' | 'bytes' | 'rejected' | 'unsubscribed', count: number): void
  failed(reason: 'threw' | 'timeout' | 'lost'): void
  degraded(): void
}

export interface EventSources {
  readonly events?: () => {
    readonly subscriptions: number
    readonly waiting: number
    readonly running: number
    readonly heldCharacters: number
  }
}

export function createEventMetrics(
  register: (metric: Metric) => void,
  sources: () => EventSources,
): EventMetrics {
  const counts = { published: 0, delivered: 0, degraded: 0 }
  const dropped = { overflow: 0, bytes: 0, rejected: 0, unsubscribed: 0 }
  const failed = { threw: 0, timeout: 0, lost: 0 }
  const plain = (name: keyof typeof counts) => (): Sample[] => [{ labels: {}, value: counts[name] }]
  register(counter('vela_events_published_total', 'Ephemeral events that were accepted', plain('published')))
  register(
    counter('vela_events_delivered_total', 'Ephemeral events that a handler has handled', plain('delivered')),
  )
  register(
    counter(
      'vela_events_degraded_total',
      'Ephemeral events that reached this host’s subscribers alone',
      plain('degraded'),
    ),
  )
  register(
    counter(
      'vela_events_dropped_total',
      'Ephemeral events that did not reach a subscription',
      byReason(dropped),
    ),
  )
  register(
    counter('vela_events_failed_total', 'Ephemeral events whose handler failed for good', byReason(failed)),
  )
  const pulled = (key: 'subscriptions' | 'heldCharacters') => (): Sample[] => {
    const value = sources().events?.()[key]
    return value === undefined ? [] : [{ labels: {}, value }]
  }
  register(gauge('vela_event_subscriptions', 'Ephemeral subscriptions on this host', pulled('subscriptions')))
  register(
    gauge('vela_events_held', 'Ephemeral events in this host by state', () => {
      const { waiting, running } = sources().events?.() ?? { waiting: 0, running: 0 }
      return Object.entries({ waiting, running }).map(([state, value]) => ({ labels: { state }, value }))
    }),
  )
  register(
    gauge(
      'vela_events_held_characters',
      'Encoded data of ephemeral events in this host',
      pulled('heldCharacters'),
    ),
  )
  return {
    published() {
      counts.published++
    },
    delivered(count) {
      counts.delivered += count
    },
    dropped(reason, count) {
      dropped[reason] += count
    },
    failed(reason) {
      failed[reason]++
    },
    degraded() {
      counts.degraded++
    },
  }
}

const byReason = (counts: Readonly<Record<string, number>>) => (): Sample[] =>
  Object.entries(counts).map(([reason, value]) => ({ labels: { reason }, value }))
