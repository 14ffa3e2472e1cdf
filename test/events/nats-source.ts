/** Two hosts on one nats-server, for the suites of events. Each test has a prefix of its own, so that nothing of one reaches another. */
import { createEventBus, type EventBusDeps, type EventBusOptions } from '../../host/events/bus.ts'
import type { DurableLog } from '../../host/events/durable/log.ts'
import { createNatsLog } from '../../host/events/nats/log.ts'
import { createNatsTransport } from '../../host/events/nats/transport.ts'
import type { EventBus } from '../../host/events/types.ts'
import type { Nats } from '../../host/nats/nats.ts'
import { createTestLog, open } from '../nats/open.ts'
import { type NatsServer, startNats } from '../nats/server.ts'

export interface NatsHosts {
  open(): Promise<void>
  close(): Promise<void>
  /** A connection of a host of its own. `space`: those of one test share it. */
  connect(space: string): Promise<Nats>
}

export function natsHosts(): NatsHosts {
  let server: NatsServer | undefined
  const connections: Nats[] = []
  return {
    open: async () => {
      server = await startNats()
    },
    close: async () => {
      for (const nats of connections.splice(0)) await nats.close()
      await server?.stop()
      server = undefined
    },
    connect: async (space) => {
      if (server === undefined) throw new Error('the source is not open')
      const nats = await open({ servers: [server.url], prefix: space }, createTestLog())
      connections.push(nats)
      return nats
    },
  }
}

export interface NatsBusSource {
  readonly name: string
  readonly isLocal: boolean
  create(
    host: number,
    deps: Pick<EventBusDeps, 'meter' | 'onFailure'>,
    options?: EventBusOptions,
  ): Promise<EventBus>
  open(): Promise<void>
  close(): Promise<void>
}

export function natsBuses(): NatsBusSource {
  const hosts = natsHosts()
  let fleet = 0
  return {
    name: 'NATS',
    isLocal: false,
    open: hosts.open,
    close: hosts.close,
    create: async (host, deps, options) => {
      if (host === 0) fleet++
      const nats = await hosts.connect(`test${fleet}`)
      return createEventBus({ ...deps, transport: createNatsTransport(nats, createTestLog()) }, options)
    },
  }
}

export interface NatsLogSource {
  readonly name: string
  create(space: string, options: { readonly quotaBytes?: number }): Promise<DurableLog>
  open(): Promise<void>
  close(): Promise<void>
}

export function natsLogs(): NatsLogSource {
  const hosts = natsHosts()
  return {
    name: 'JetStream',
    open: hosts.open,
    close: hosts.close,
    create: async (space, { quotaBytes = 64 * 1024 * 1024 }) =>
      createNatsLog(await hosts.connect(space), createTestLog(), {
        quotaBytes,
        readers: { watchMs: 20, skipMs: 20 },
      }),
  }
}
