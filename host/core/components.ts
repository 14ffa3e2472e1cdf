/** Part of the composition root: the runtime's parts, and their places in its lifecycle. */
import { createAdminServer } from '../admin/server.ts'
import type { CellPool } from '../cells/cell-pool.ts'
import type { Gateway } from '../http/gateway.ts'
import type { Middleware } from '../http/middleware.ts'
import type { Registry } from '../registry/types.ts'
import type { Scheduler } from '../services/scheduler.ts'
import type { Services } from '../services/services.ts'
import type { HostCapabilities } from './capabilities.ts'
import type { Config } from './config.ts'
import type { Control } from './control.ts'
import type { Lifecycle } from './lifecycle.ts'
import type { Log } from './log.ts'
import type { Metrics } from './metrics.ts'

export interface Parts {
  readonly config: Config
  readonly log: Log
  readonly metrics: Metrics
  readonly registry: Registry
  readonly cells: CellPool
  readonly services: Services
  readonly scheduler: Scheduler
  readonly capabilities: HostCapabilities
  /** Services of the host by name. */
  readonly hosts: Map<string, object>
  readonly lifecycle: Lifecycle
  readonly gateway: Gateway
  readonly middleware: Middleware[]
  /** Where it listens; empty until it does. */
  readonly urls: { gateway: string; admin: string }
}

/** Host services are up before the first guest and go down after the last: what is in flight may use them. */
export function addComponents(parts: Parts, control: Control): void {
  const { actors, tasks } = parts.capabilities
  const { config, lifecycle, gateway, services, scheduler, cells, metrics, log, urls } = parts
  const admin = createAdminServer({ control, log }, config.admin)
  metrics.observe({
    ...services.gauges(),
    connections: () => gateway.connections(),
    cells: () => ({ ...cells.supervisor.count() }),
    hostLogDropped: () => log.droppedLines(),
    actorsActive: () => actors.activeCount(),
  })
  lifecycle.add({
    name: 'vela:cells',
    dependsOn: [...parts.hosts.keys()],
    onStart: () => cells.supervisor.prepare(),
    onStop: () => cells.close(),
  })
  // After the services, whose guests may wait for some.
  lifecycle.add({
    name: 'vela:tasks',
    dependsOn: [...parts.hosts.keys()],
    onDrain: () => tasks.drain(config.drainMs),
    onStop: () => tasks.close(),
  })
  lifecycle.add({
    name: 'vela:services',
    dependsOn: ['vela:cells', 'vela:tasks'],
    onStart: () => services.startTicking(),
    onDrain: () => services.drain(config.drainMs),
    onStop: () => services.close(),
  })
  lifecycle.add({
    name: 'vela:scheduler',
    dependsOn: ['vela:services'],
    onReady: () => scheduler.start(),
    onDrain: () => scheduler.stop(),
    onStop: () => scheduler.stop(),
  })
  lifecycle.add({
    name: 'vela:actors',
    dependsOn: ['vela:services'],
    onReady: () => actors.start(),
    onDrain: () => actors.stop(config.drainMs),
    onStop: () => actors.stop(0),
  })
  lifecycle.add({
    name: 'vela:admin',
    dependsOn: ['vela:services'],
    onReady: async () => {
      urls.admin = await admin.listen()
    },
    onStop: () => admin.close(),
  })
  lifecycle.add({
    name: 'vela:gateway',
    dependsOn: ['vela:services'],
    onReady: async () => {
      urls.gateway = await gateway.listen()
    },
    onDrain: () => gateway.drain(config.drainMs),
    onStop: () => gateway.close(),
  })
}

export const portsOf = (urls: Parts['urls']): number[] =>
  [urls.gateway, urls.admin].filter((url) => url !== '').map((url) => Number(new URL(url).port))
