/** Connections for tests: to a server of theirs, noticing losses fast, with a log that can be read. */
import { parseConfig } from '../../host/core/config.ts'
import type { NatsInput } from '../../host/core/config-nats.ts'
import type { Log, LogFields } from '../../host/core/log.ts'
import { openNats, type Nats, type NatsState, type NatsTimes } from '../../host/nats/nats.ts'

export interface Line {
  readonly level: string
  readonly event: string
  readonly fields: LogFields
}

export interface TestLog extends Log {
  readonly lines: readonly Line[]
}

export function createTestLog(): TestLog {
  const lines: Line[] = []
  const at =
    (level: string) =>
    (event: string, fields: LogFields = {}): void =>
      void lines.push({ level, event, fields })
  const log: TestLog = {
    lines,
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: () => log,
    access: () => undefined,
    droppedLines: () => 0,
    flush: () => undefined,
    close: async () => undefined,
  }
  return log
}

export const FAST: NatsTimes = { pingMs: 150, retryMs: 30, dialMs: 1000 }

export async function open(
  input: NatsInput,
  log: Log = createTestLog(),
  times: Partial<NatsTimes> = {},
): Promise<Nats> {
  const { nats } = parseConfig({ nats: input })
  if (nats === null) throw new Error('no nats in the configuration')
  return await openNats(nats, log, { times: { ...FAST, ...times } })
}

/** Resolves at the next change to that state, or at once. */
export async function become(nats: Nats, state: NatsState): Promise<void> {
  if (nats.state === state) return
  const { promise, resolve } = Promise.withResolvers<void>()
  const end = nats.onState((now) => {
    if (now === state) resolve()
  })
  await promise
  end()
}
