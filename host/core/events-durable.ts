/**
 * Part of the composition root: durable events. Their log is the embedded one, or JetStream's if the configuration names a NATS; the
 * engine above it is the same.
 */
import { createDurableEngine } from '../events/durable/engine.ts'
import type { DurableLog } from '../events/durable/log.ts'
import { openEventLog } from '../events/durable/embedded/store.ts'
import { provide, type Provider } from '../di/provider.ts'
import type { Registry } from '../registry/types.ts'
import { VelaError } from './errors.ts'
import { PART } from './parts.ts'

const MEBIBYTE = 1024 * 1024
const HOUR_MS = 3_600_000

export const durableEventParts: readonly Provider[] = [
  provide(PART.eventLog, {
    inject: [PART.config, PART.log, PART.registry, PART.nats, PART.metrics],
    async useFactory(config, log, registry, { nats }, metrics): Promise<DurableLog> {
      const quotaBytes = config.events.quotaMb * MEBIBYTE
      const retentionMs = config.events.retentionHours * HOUR_MS
      if (nats !== null) {
        const { createNatsLog } = await import('../events/nats/log.ts')
        const remote = createNatsLog(nats, log, { quotaBytes, retentionMs })
        metrics.observe({ natsOutbox: () => remote.outbox })
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
          if ((await registry.getTenant(tenant)) === undefined)
            throw new VelaError(
              'VELA_TENANT_NOT_FOUND',
              `There is no tenant ${tenant} to keep durable events for`,
            )
        },
        onFailure: createComplaints((what, error, untold) =>
          log.warn('durable events', { message: `Could not ${what}`, error, untold }),
        ),
      }),
    onInit: (engine, _eventLog, _config, _log, _registry, metrics) =>
      metrics.observe({ durableEvents: () => engine.counts() }),
    onDrain: (engine, _signal, _eventLog, config) => engine.drain(config.drainMs),
    dispose: (engine) => engine.close(),
  }),
]

/** At most one a second: when the log is away, all consumers say so, again and again. */
function createComplaints(
  tell: (what: string, error: unknown, untold: number) => void,
): (what: string, error: unknown) => void {
  let toldMs = -Infinity
  let untold = 0
  return (what, error) => {
    const nowMs = performance.now()
    if (nowMs - toldMs < 1_000) {
      untold += 1
      return
    }
    toldMs = nowMs
    tell(what, error, untold)
    untold = 0
  }
}

/**
 * A host that ended between the two steps of deleting a service or a tenant finishes it here. Only with a log of its own: what other
 * hosts have deployed this one may not have heard of yet.
 */
async function forgetStrangers(log: DurableLog, registry: Registry): Promise<void> {
  const services = new Set(
    (await registry.listServices()).map(({ tenant, service }) => `${tenant}/${service}`),
  )
  const tenants = new Set((await registry.listTenants()).map(({ name }) => name))
  for (const tenant of await log.tenants()) {
    if (!tenants.has(tenant)) {
      await log.deleteTenant(tenant)
      continue
    }
    for (const { consumer } of await log.cursors(tenant)) {
      const service = consumer.split('/').slice(0, 2).join('/')
      if (service.includes('/') && !consumer.startsWith('host:') && !services.has(service))
        await log.dropCursor(tenant, consumer)
    }
  }
}
