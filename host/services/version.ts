/**
 * One version of a service in operation: what its cells load, how it is called, and what its log lines mean. A service
 * has one that serves and, for a while after a deploy, others that drain.
 */
import { randomBytes } from 'node:crypto'
import type { DeploymentGrants } from '../capabilities/broker.ts'
import type { Isolates } from '../capabilities/capability.ts'
import { createStackMapper } from '../bundle/source-map.ts'
import type { Cell, LoadPayload } from '../cells/cell.ts'
import type { GuestError } from '../cells/call.ts'
import { errorOf } from '../cells/guest-output.ts'
import {
  createLiveDeployment,
  type LiveDeployment,
  type LiveDeploymentDeps,
} from '../cells/live-deployment.ts'
import type { ReplicaEnd } from '../cells/replica.ts'
import { nowMs } from '../cells/clock.ts'
import type { LogEntry } from '../core/control.ts'
import type { EngineName } from '../../sandbox/protocol/engine-files.ts'
import type { Limits } from '../../sandbox/protocol/limits.ts'
import type { Bundle, Deployment } from '../registry/types.ts'
import type { CodeCaches } from './code-caches.ts'
import type { LogHub } from './log-hub.ts'
import { createVersionWorkers, type WorkerSettings } from './version-workers.ts'

export interface ServiceVersion {
  readonly deployment: Deployment
  readonly limits: Limits
  readonly engine: EngineName
  readonly live: LiveDeployment
  /** Brings the code into memory ahead of the first request; resolves to its size in bytes. */
  preload(): Promise<number>
  /** Logs what a handler threw, with the author's places. */
  threw(error: GuestError, requestId: string): void
  /** Vela speaks in the service's log. */
  note(level: 'warn' | 'error', message: string, extra?: Pick<Partial<LogEntry>, 'code' | 'requestId'>): void
  /** Drains, and gives back what it held of its capabilities. `reason` is for the guest's `stop`. */
  drain(reason: string, deadlineMs: number): Promise<void>
  /** A guest's stack with the author's places. */
  mapStack(stack: string): string
}

export interface ServiceVersionDeps {
  readonly deployment: Deployment
  readonly limits: Limits
  readonly engine: EngineName
  /** Resolves when cells can load guests for that engine. */
  readonly prepareEngine: () => Promise<void>
  readonly hub: LogHub
  readonly acquireCell: (index: number) => Promise<Cell> | Cell
  /** When it has how many isolates. */
  readonly scale: Pick<LiveDeploymentDeps, 'mostReplicas' | 'calmMs' | 'onSteal'>
  readonly codeCaches: CodeCaches
  readonly readBundle: () => Promise<Bundle> | Bundle
  readonly readSecrets: () => Promise<Readonly<Record<string, string>>> | Readonly<Record<string, string>>
  /** What it may do beside computing, and with more isolates; closed when it is over. */
  readonly openGrants: (isolates: Isolates) => DeploymentGrants
  readonly workers: WorkerSettings
  /** One of its isolates is to be given up: what lives there is to leave. */
  readonly onRest?: LiveDeploymentDeps['onRest']
  readonly onFault: (end: ReplicaEnd) => void
}

const LEVELS = ['debug', 'info', 'warn', 'error'] as const

export function createServiceVersion(deps: ServiceVersionDeps): ServiceVersion {
  const { deployment, limits, engine, hub } = deps
  const { tenant, service, version } = deployment
  let source: Buffer | undefined
  let secrets: Readonly<Record<string, string>> = {}
  let mapper: (stack: string) => string = (stack) => stack

  const entry = (fields: Omit<LogEntry, 'time' | 'tenant' | 'service' | 'version'>): LogEntry => ({
    time: nowMs(),
    tenant,
    service,
    version,
    ...fields,
  })

  /** What loads read from the store, once: a changed secret or source comes with a new version object. */
  const fetchContent = async (): Promise<Buffer> => {
    const [bundle, values] = await Promise.all([deps.readBundle(), deps.readSecrets(), deps.prepareEngine()])
    mapper = createStackMapper(bundle.sourceMap, 'service.js')
    secrets = values
    source = Buffer.from(bundle.source)
    return source
  }

  const payloadOf = (code: Buffer, armed: boolean): LoadPayload => ({
    config: loadConfig(deps, grants, armed ? limits : { ...limits, startupMs: 0 }, secrets),
    source: code,
    codeCache: engine === 'v8' ? deps.codeCaches.get(code) : undefined,
  })

  const prepare = (armed: boolean): Promise<LoadPayload> | LoadPayload =>
    source === undefined ? fetchContent().then((code) => payloadOf(code, armed)) : payloadOf(source, armed)

  const errorEntry = (error: GuestError, requestId: string, extra: Partial<LogEntry>): LogEntry =>
    entry({
      level: 'error',
      source: 'runtime',
      message: `${error.name}: ${error.message}`,
      ...(error.stack === undefined ? {} : { stack: mapper(error.stack) }),
      ...(requestId === '' ? {} : { requestId }),
      ...extra,
    })

  const onLog = (level: number, text: string): void => {
    const end = text.indexOf('\n')
    const requestId = text.slice(0, Math.max(0, end))
    const message = text.slice(end + 1)
    if (message.startsWith('\u0000')) {
      return hub.guest(
        errorEntry(parseError(message.slice(1)), requestId, { message: `Uncaught ${describe(message)}` }),
      )
    }
    hub.guest(
      entry({
        level: LEVELS[level & 3] ?? 'info',
        source: 'guest',
        message,
        ...(requestId === '' ? {} : { requestId }),
      }),
    )
  }

  const threw = (error: GuestError, requestId: string): void =>
    hub.guest(errorEntry(error, requestId, { code: error.code ?? 'VELA_GUEST_THREW' }))

  const isolate: LiveDeploymentDeps = {
    limits,
    startsAtOnce: deployment.startsAtOnce === true,
    acquireCell: deps.acquireCell,
    ...deps.scale,
    prepare,
    onLog,
    perform: (grant, call) => grants.perform(grant, call),
    onRest: deps.onRest,
    onFault: (end, pauseMs) => {
      const paused = pauseMs > 0 ? `; paused for ${pauseMs / 1000} s` : ''
      const stack = end.fault?.stack
      hub.runtime(
        entry({
          level: end.guilty ? 'error' : 'warn',
          source: 'runtime',
          message: `The isolate ended (${end.reason}): ${end.message}${paused}`,
          ...(stack === undefined ? {} : { stack: mapper(stack) }),
        }),
      )
      deps.onFault(end)
    },
  }
  const workers = createVersionWorkers({ ...deps.workers, tenant, threw, live: isolate })
  const grants = deps.openGrants(workers)
  const live = createLiveDeployment(isolate)

  return {
    deployment,
    limits,
    engine,
    live,
    preload: async () => (source ?? (await fetchContent())).length,
    note: (level, message, extra) => hub.runtime(entry({ level, source: 'runtime', message, ...extra })),
    async drain(reason, deadlineMs) {
      try {
        await live.drain(reason, deadlineMs)
      } finally {
        grants.close()
      }
    },
    mapStack: (stack) => mapper(stack),
    // What it says is the guest's, so it counts as the guest's.
    threw,
  }
}

/** The JSON of LoadFrameConfig; a fresh seed each time, so that no two loads draw the same numbers. */
function loadConfig(
  { deployment, engine }: ServiceVersionDeps,
  grants: DeploymentGrants,
  limits: Limits,
  secrets: Readonly<Record<string, string>>,
): string {
  return JSON.stringify({
    guest: {
      nowMs: nowMs(),
      seed: randomBytes(16).toString('hex'),
      timers: limits.timers,
      responseBodyBytes: limits.responseBodyBytes,
      socketMessageBytes: limits.socketMessageBytes,
      env: { ...deployment.manifest.vars, ...secrets },
      capabilities: grants.bindings,
    },
    engine,
    memoryMb: limits.memoryMb,
    startupMs: limits.startupMs,
  })
}

function parseError(json: string): GuestError {
  try {
    return errorOf(JSON.parse(json))
  } catch {
    return { name: 'Error', message: 'unknown' }
  }
}

const describe = (message: string): string => {
  const { name, message: text } = parseError(message.slice(1))
  return `${name}: ${text}`
}
