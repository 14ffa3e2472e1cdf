/** The log of each service, by name: it outlives the versions, and may be tailed before the first deploy. */
import type { Config } from '../core/config.ts'
import type { Log } from '../core/log.ts'
import type { Metrics } from '../core/metrics.ts'
import type { Catalog } from './catalog.ts'
import { createLogHub, type LogHub } from './log-hub.ts'

export interface LogHubs {
  of(tenant: string, service: string): LogHub
  forget(tenant: string, service: string): void
}

export interface LogHubsDeps {
  readonly config: Config
  readonly catalog: Catalog
  readonly log: Log
  readonly metrics: Metrics
}

export function createLogHubs({ config, catalog, log, metrics }: LogHubsDeps): LogHubs {
  const hubs = new Map<string, LogHub>()
  return {
    of(tenant, service) {
      const key = `${tenant}/${service}`
      let hub = hubs.get(key)
      if (hub === undefined) {
        const meter = metrics.service(tenant, service)
        hub = createLogHub({
          bytesPerSecond: () =>
            (catalog.get(tenant, service)?.active.limits ?? config.limits.default).logBytesPerSecond,
          write: ({ level, message, time: _time, ...fields }) => log[level]('guest', { ...fields, message }),
          onDropped: (lines) => meter.logDropped(lines),
        })
        hubs.set(key, hub)
      }
      return hub
    },
    forget(tenant, service) {
      hubs.delete(`${tenant}/${service}`)
    },
  }
}
