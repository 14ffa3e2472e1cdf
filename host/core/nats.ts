/**
 * Part of the composition root: the connection to NATS if the configuration names one. Nothing of NATS is loaded otherwise: a host alone
 * pays nothing for it.
 */
import type { Nats } from '../nats/types.ts'
import { provide, type Provider } from '../di/provider.ts'
import { PART } from './parts.ts'

/** What may be there or not, as a part that always is. */
export interface HostNats {
  /** null: this host is alone. */
  readonly nats: Nats | null
}

export const natsParts: readonly Provider[] = [
  provide(PART.nats, {
    inject: [PART.config, PART.log, PART.metrics],
    async useFactory({ nats: config, node }, log): Promise<HostNats> {
      if (config === null) return { nats: null }
      const { openNats } = await import('../nats/nats.ts')
      return { nats: await openNats(config, log, { name: `vela ${node.name ?? ''}`.trim() }) }
    },
    onInit({ nats }, _config, _log, metrics) {
      if (nats !== null) metrics.observe({ natsConnected: () => nats.state === 'connected' })
    },
    dispose: ({ nats }) => nats?.close(),
  }),
]
