/** What the host shows of NATS and of its cluster. Without NATS nothing of it is shown. */
import type { Metric } from 'prom-client'
import { type ClusterSources, createClusterMetrics } from './metrics-cluster.ts'
import { gauge } from './metrics-series.ts'

export interface NatsSources extends ClusterSources {
  readonly natsConnected?: () => boolean
  /** Durable events that wait for JetStream’s acknowledgement. */
  readonly natsOutbox?: () => { readonly waiting: number; readonly waitingBytes: number }
  /** Messages on subjects of events that were no events. */
  readonly natsMalformed?: () => number
}

export function createNatsMetrics(register: (metric: Metric) => void, sources: () => NatsSources): void {
  createClusterMetrics(register, sources)
  const show = (name: string, help: string, read: (given: NatsSources) => number | undefined): void =>
    register(
      gauge(name, help, () => {
        const value = read(sources())
        return value === undefined ? [] : [{ labels: {}, value }]
      }),
    )
  show('vela_nats_connected', '1 while NATS is connected, 0 while it is lost', ({ natsConnected: read }) =>
    read === undefined ? undefined : Number(read()),
  )
  show(
    'vela_nats_outbox_events',
    'Durable events that wait for JetStream',
    (given) => given.natsOutbox?.().waiting,
  )
  show('vela_nats_outbox_bytes', 'What they have in bytes', (given) => given.natsOutbox?.().waitingBytes)
  show('vela_nats_malformed_messages', 'Messages that were no events, since the start', (given) =>
    given.natsMalformed?.(),
  )
}
