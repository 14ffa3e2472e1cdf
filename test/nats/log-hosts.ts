/** Logs on JetStream for tests: hosts of their own on one nats-server, and events. */
import { afterAll, afterEach, beforeAll } from 'vitest'
import { BusEvent } from '../../host/events/bus-event.ts'
import { createNatsLog, type NatsLog, type NatsLogOptions } from '../../host/events/nats/log.ts'
import type { Nats } from '../../host/nats/nats.ts'
import { createTestLog, open, type TestLog } from './open.ts'
import { type NatsServer, startNats } from './server.ts'

const QUOTA = 64 * 1024 * 1024

export interface LogHost {
  readonly log: NatsLog
  readonly nats: Nats
  readonly told: TestLog
}

export interface LogHosts {
  readonly server: NatsServer
  /** Closed after the test. `patient`: a connection that says nothing is not taken for lost. */
  host(options?: Partial<NatsLogOptions> & { url?: string; patient?: boolean }): Promise<LogHost>
}

/** For a file of tests, which share a server. */
export function logHosts(): LogHosts {
  let server: NatsServer | undefined
  const opened: LogHost[] = []
  const running = (): NatsServer => {
    if (server === undefined) throw new Error('no server yet')
    return server
  }
  beforeAll(async () => {
    server = await startNats()
  })
  afterAll(() => server?.stop())
  afterEach(async () => {
    for (const { log, nats } of opened.splice(0)) {
      await log.close()
      await nats.close()
    }
  })
  return {
    get server() {
      return running()
    },
    host: async ({ url = running().url, patient = false, ...rest } = {}) => {
      const told = createTestLog()
      const nats = await open({ servers: [url] }, told, patient ? { pingMs: 60_000 } : {})
      const log = createNatsLog(nats, told, { quotaBytes: QUOTA, ...rest })
      opened.push({ log, nats, told })
      return { log, nats, told }
    },
  }
}

let tenants = 0
/** A tenant for each test. */
export const newTenant = (): string => `tenant-${++tenants}`

export function event(tenant: string, id: string, data: unknown = id, subject = 'orders.placed'): BusEvent {
  const fields = {
    tenant,
    id,
    subject,
    source: 'acme/shop',
    timeMs: 1_700_000_000_000,
    key: 'k',
    headers: {},
  }
  return BusEvent.of(fields, data)
}

/** All that is there, in order, read in pages. */
export async function readAll(log: NatsLog, tenant: string, pattern = '>'): Promise<string[]> {
  const found: string[] = []
  for (let after = 0; ;) {
    const page = await log.read(tenant, pattern, after, 7, 1e6)
    found.push(...page.events.map(({ event: { id } }) => id))
    if (page.atEnd) return found
    after = page.last
  }
}

export async function eventually(what: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 20_000
  while (!(await what())) {
    if (performance.now() > deadline) throw new Error('it never came to be')
    await new Promise((resolve) => setTimeout(resolve, 15))
  }
}
