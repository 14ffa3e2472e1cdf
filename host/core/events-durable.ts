/**
 * Part of the composition root: durable events. Their log is the embedded one, or JetStream's if the configuration names a NATS; the
 * engine above it is the same.
 */
import { createDurableEngine } from '../events/durable/engine.ts'
import type { DurableLog } from '../events/durable/log.ts'
import { openEventLog } from '../events/durable/embedded/store.ts'
import { tellRarely } from '../events/failure.ts'
import { provide, type Provider } from '../di/provider.ts'
import type { Registry } from '../registry/types.ts'
import { VelaError } from './errors.ts'
import { isStranger, knownOf, warnOfEventsLeft } from './events-left.ts'
import { PART } from './parts.ts'

const MEBIBYTE = 1024 * 1024
const HOUR_MS = 3_600_000

export const durableEventParts: readonly Provider[] = [
  provide(PART.eventLog, {
    inject: [PART.config, PART.log, PART.registry, PART.nats, PART.metrics, PART.cluster],
    async useFactory(config, log, registry, { nats }, metrics, { cluster }): Promise<DurableLog> {
      const quotaBytes = config.events.quotaMb * MEBIBYTE
      const retentionMs = config.events.retentionHours * HOUR_MS
      if (nats !== null) {
        const { createNatsLog } = await import('../events/nats/log.ts')
        const remote = createNatsLog(nats, log, {
          quotaBytes,
          retentionMs,
          async admit(tenant) {
            if ((await cluster?.registry.hasTenant(tenant)) === false) throw noTenant(tenant)
          },
        })
        metrics.observe({ natsOutbox: () => remote.outbox })
        await warnOfEventsLeft(config.data, registry, log, { quotaBytes, retentionMs })
        return remote
      }
      const local = await openEventLog({
        dataDir: config.data,
        quotaBytes,
        retentionMs,
        onLog: (level, message) => log[level]('events', { message }),
      })
      try {
        await forgetStrangers(local, registry)
      } catch (thrown) {
        await local.close()
        throw thrown
      }
      return local
    },
    dispose: (log) => log.close(),
  }),
  provide(PART.durableEvents, {
    inject: [PART.eventLog, PART.config, PART.log, PART.registry, PART.metrics, PART.cluster],
    useFactory: (eventLog, config, log, registry, metrics, { cluster }) =>
      createDurableEngine({
        log: eventLog,
        meter: metrics.durableEvents,
        drainMs: config.drainMs,
        ...(cluster === null ? {} : { assignment: cluster.membership }),
        async admit(tenant) {
          if ((await registry.getTenant(tenant)) === undefined) throw noTenant(tenant)
        },
        // When the log is away, all consumers say so, again and again.
        onFailure: tellRarely((untold, what: string, error: unknown) =>
          log.warn('durable events', { message: `Could not ${what}`, error, untold }),
        ),
      }),
    onInit: (engine, _eventLog, _config, _log, _registry, metrics) =>
      metrics.observe({ durableEvents: () => engine.counts() }),
    onDrain: (engine, _signal, _eventLog, config) => engine.drain(config.drainMs),
    dispose: (engine) => engine.close(),
  }),
]

const noTenant = (tenant: string): VelaError =>
  new VelaError('VELA_TENANT_NOT_FOUND', `There is no tenant ${tenant} to keep durable events for`)

/**
 * A host that ended between the two steps of deleting a service or a tenant finishes it here. Only with a log of its own: what other
 * hosts have deployed this one may not have heard of yet.
 */
async function forgetStrangers(log: DurableLog, registry: Registry): Promise<void> {
  const known = await knownOf(registry)
  for (const tenant of await log.tenants()) {
    if (!known.tenants.has(tenant)) {
      await log.deleteTenant(tenant)
      continue
    }
    for (const { consumer } of await log.cursors(tenant))
      if (isStranger(consumer, known)) await log.dropCursor(tenant, consumer)
  }
}
