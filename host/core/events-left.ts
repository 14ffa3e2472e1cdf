/**
 * Part of the composition root: durable events that this host stored while it was alone. In a cluster the log is JetStream's, so nobody
 * handles what lies in the host's own, and nobody would notice: the start says so.
 */
import { existsSync } from 'node:fs'
import { openEventLog } from '../events/durable/embedded/store.ts'
import type { DurableLog } from '../events/durable/log.ts'
import { pathsIn } from '../registry/store/directory.ts'
import type { Registry } from '../registry/types.ts'
import type { Log } from './log.ts'

export interface EventsLeft {
  readonly tenant: string
  /** That the consumer which is furthest behind has not handled; of whatever subject. */
  readonly events: number
  readonly deadLetters: number
}

/** Of tenants and services, as the registry knows them. */
export interface Known {
  readonly tenants: ReadonlySet<string>
  /** `tenant/service`. */
  readonly services: ReadonlySet<string>
}

export async function knownOf(registry: Registry): Promise<Known> {
  const [services, tenants] = await Promise.all([registry.listServices(), registry.listTenants()])
  return {
    services: new Set(services.map(({ tenant, service }) => `${tenant}/${service}`)),
    tenants: new Set(tenants.map(({ name }) => name)),
  }
}

/** The service whose consumer it is, or was, is deleted. The host's own (`host:…`) are nobody's. */
export function isStranger(consumer: string, { services }: Known): boolean {
  if (consumer.startsWith('host:')) return false
  const service = consumer.split('/').slice(0, 2).join('/')
  return service.includes('/') && !services.has(service)
}

/** What is still needed of a log: of what is deleted nothing is. */
export async function leftIn(log: DurableLog, known: Known): Promise<EventsLeft[]> {
  const left: EventsLeft[] = []
  for (const tenant of await log.tenants()) {
    if (!known.tenants.has(tenant)) continue
    const [cursors, dead, { last }] = await Promise.all([
      log.cursors(tenant),
      log.countDead(tenant),
      log.usage(tenant),
    ])
    const behind = cursors
      .filter(({ consumer }) => !isStranger(consumer, known))
      .map(({ state }) => Math.max(0, last - state.position) + state.open.length)
    const letters = [...dead].filter(([consumer]) => !isStranger(consumer, known))
    const events = Math.max(0, ...behind)
    const deadLetters = letters.reduce((sum, [, count]) => sum + count, 0)
    if (events + deadLetters > 0) left.push({ tenant, events, deadLetters })
  }
  return left
}

/** A warning if there are any; opens nothing where there is no log. Never fails: the cluster does not need them. */
export async function warnOfEventsLeft(
  dataDir: string | null,
  registry: Registry,
  log: Log,
  limits: { readonly quotaBytes: number; readonly retentionMs: number },
): Promise<void> {
  if (dataDir === null || !existsSync(pathsIn(dataDir, 'events').database)) return
  try {
    const own = await openEventLog({ dataDir, ...limits })
    try {
      const left = await leftIn(own, await knownOf(registry))
      if (left.length === 0) return
      log.warn('events of this host are not handled', {
        message:
          'This host stored durable events before it was given NATS, and they are not handled while it is in the cluster. To have them handled, start it without nats until "vela events T" says lag 0 for each of these tenants; it is alone then, without the cluster’s actors and keys. To give them up, stop it and remove events.* from its data directory.',
        left,
      })
    } finally {
      await own.close()
    }
  } catch (error) {
    log.warn('events of this host cannot be looked at', { error })
  }
}
