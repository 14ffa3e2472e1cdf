/**
 * The operator's configuration: read once at start from flags, environment, file and defaults, in this order of
 * precedence, checked as a whole, and passed on as plain data. `parseConfig` gives embedders the same checks for
 * an object. Whatever is wrong is one VELA_CONFIG_INVALID that names the key, the value, where it came from and
 * what is allowed: a host must not start with a setting it did not understand.
 */
import { dirname, isAbsolute, resolve } from 'node:path'
import { DEFAULT_LIMITS, type Limits, MAXIMUM_LIMITS } from '../../sandbox/protocol/limits.ts'
import type { JsonValue } from '../registry/types.ts'
import { type KeyPath, printPath } from './config-document.ts'
import { copyJson, explainIssues, type Problem, valueAt } from './config-problem.ts'
import { type NatsConfig, type NatsInput, natsProblem, type NodeConfig, nodeProblem } from './config-nats.ts'
import { configSchema, type ParsedConfig, PATH_SETTINGS } from './config-schema.ts'
import {
  collectEnvironment,
  collectFlags,
  type ConfigFlags,
  findConfigFile,
  type Origin,
  readConfigFile,
  type Setting,
} from './config-sources.ts'
import { VelaError } from './errors.ts'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent'

export interface GatewayConfig {
  readonly host: string
  /** 0 picks a free one. */
  readonly port: number
  /** Believe `X-Forwarded-*`: only behind a proxy that sets them itself. */
  readonly trustProxy: boolean
  readonly headerBytes: number
  /** From the connection's (or previous response's) end to the end of the headers. */
  readonly headersTimeoutMs: number
  /** To the end of the request's body. */
  readonly requestTimeoutMs: number
  readonly keepAliveTimeoutMs: number
  readonly maxConnections: number
  readonly accessLog: boolean
}

export interface CellsConfig {
  /** Cells kept started and empty, so that a cold tenant does not wait for a process. */
  readonly spares: number
  /** A cell with nothing loaded ends after this. */
  readonly idleMs: number
  /** An isolate that served nothing for this long is unloaded until its next request. */
  readonly isolateIdleMs: number
  /** Tenants that share a cell, by the name of the cordon; everyone else has cells alone. */
  readonly cordons: Readonly<Record<string, readonly string[]>>
  /** What tenants weigh when they compete for CPU: with 2 one gets twice the share of one with 1, which is what others have. */
  readonly weights: Readonly<Record<string, number>>
  /** Cores that all cells have together, for shares; 0: as many as the process may use. */
  readonly cores: number
  /** Resident memory at which the host kills a cell (mebibytes). */
  readonly residentMb: number
  readonly maxCells: number
  /** Where frames are recorded for `vela replay`; null records nothing. */
  readonly recordDir: string | null
}

/** The host's own tasks (`runtime.spawn`, `runtime.registerTask`). */
export interface TasksConfig {
  /** Threads at most; 0: one a core. */
  readonly threads: number
  /** Functions that run at a time. */
  readonly concurrency: number
  /** Functions, and likewise jobs for threads, that may wait. */
  readonly queueLength: number
}

/** Durable events. */
export interface EventsConfig {
  /** What one tenant may have in its log; again as much for its dead letters (mebibytes). */
  readonly quotaMb: number
  /** Events older than this go, handled or not. */
  readonly retentionHours: number
}

export interface Config {
  readonly gateway: GatewayConfig
  readonly admin: { readonly host: string; readonly port: number }
  /** The data directory; null keeps everything in memory. */
  readonly data: string | null
  readonly log: { readonly level: LogLevel; readonly destination: string }
  readonly cells: CellsConfig
  /** `default` holds for a service that names no limit; `maximum` caps tenants and manifests. */
  readonly limits: { readonly default: Limits; readonly maximum: Limits }
  readonly tasks: TasksConfig
  readonly events: EventsConfig
  /** null: this host is alone, and everything runs in it. */
  readonly nats: NatsConfig | null
  readonly node: NodeConfig
  /** How long a stopping host waits for what is in flight. */
  readonly drainMs: number
  /** Operator's policy for grants; read by the capability broker. */
  readonly policy: Readonly<Record<string, JsonValue>>
}

/** What an embedder writes: any part of it. */
export interface ConfigInput {
  readonly gateway?: Partial<GatewayConfig>
  readonly admin?: Partial<Config['admin']>
  readonly data?: string | null
  readonly log?: Partial<Config['log']>
  readonly cells?: Partial<CellsConfig>
  readonly limits?: { readonly default?: Partial<Limits>; readonly maximum?: Partial<Limits> }
  readonly tasks?: Partial<TasksConfig>
  readonly events?: Partial<EventsConfig>
  readonly nats?: NatsInput | null
  readonly node?: Partial<NodeConfig>
  readonly drainMs?: number
  readonly policy?: Readonly<Record<string, JsonValue>>
}

export interface LoadConfigOptions {
  /** `--config`; without it `VELA_CONFIG`, then vela.config.jsonc or vela.config.json of `cwd`. */
  readonly file?: string | undefined
  readonly env: Readonly<Record<string, string | undefined>>
  readonly flags: ConfigFlags
  readonly cwd?: string
}

export type { ConfigFlags } from './config-sources.ts'

export function loadConfig(options: LoadConfigOptions): Config {
  const { path, value, overrides, originOf } = readSources(options)
  const parsed = check(value, originOf)
  return finish(path === undefined ? parsed : resolveFilePaths(parsed, dirname(path), overrides))
}

interface Sources {
  readonly path: string | undefined
  readonly value: JsonValue
  readonly overrides: readonly Setting[]
  readonly originOf: (problem: Problem) => Origin
}

function readSources(options: LoadConfigOptions): Sources {
  const cwd = options.cwd ?? process.cwd()
  const path = findConfigFile(cwd, options.file ?? options.env['VELA_CONFIG'])
  const file = path === undefined ? undefined : readConfigFile(path)
  const overrides = [...collectEnvironment(options.env), ...collectFlags(options.flags)]
  const originOf = (problem: Problem): Origin => {
    const override = overrides.findLast((setting) => startsWith(problem.path, setting.path))
    return override?.origin ?? file?.originOf(problem.path, problem.part) ?? { kind: 'default' }
  }
  return { path, value: mergeSettings(file?.value ?? {}, overrides), overrides, originOf }
}

/** What a part of the host finds in its own settings, which no schema here can know: the policy of a capability. */
export class SettingProblem extends VelaError {
  readonly problem: Problem
  constructor(problem: Problem, origin: Origin = fromCode()) {
    const { code, message, details } = configError(problem, origin)
    super(code, message, { details })
    this.problem = problem
  }
}

/** A SettingProblem with the place that the setting came from; anything else as it is. */
export function locateProblem(thrown: unknown, options: LoadConfigOptions): unknown {
  if (!(thrown instanceof SettingProblem)) return thrown
  return new SettingProblem(thrown.problem, readSources(options).originOf(thrown.problem))
}

/** For `Runtime.create(config)`: the same shape and checks, without file, flags and environment. */
export function parseConfig(input: unknown = {}): Config {
  const copied = copyJson(input)
  if ('problem' in copied) throw configError(copied.problem, fromCode())
  return finish(check(copied.value === undefined ? {} : copied.value, fromCode))
}

const fromCode = (): Origin => ({ kind: 'code' })

function check(input: JsonValue, originOf: (problem: Problem) => Origin): ParsedConfig {
  const result = configSchema.safeParse(input)
  const problem = result.success
    ? crossCheck(result.data)
    : explainIssues(result.error.issues, input, configSchema)
  if (problem !== undefined) throw configError(problem, originOf(problem))
  return result.data as ParsedConfig
}

/** What no single key can say. */
function crossCheck(config: ParsedConfig): Problem | undefined {
  const problem = (path: KeyPath, message: string): Problem => ({
    path,
    part: 'value',
    message: `${printPath(path)} ${message}`,
    value: valueAt(config, path),
  })
  const maximum: Limits = { ...MAXIMUM_LIMITS, ...config.limits.maximum }
  for (const [key, value] of Object.entries(config.limits.default)) {
    const most = maximum[key as keyof Limits]
    if (value > most) {
      return problem(
        ['limits', 'default', key],
        `is ${value}; it must be at most limits.maximum.${key}, ${most}`,
      )
    }
  }
  const nats = config.nats === null ? undefined : natsProblem(config.nats)
  if (nats !== undefined) return problem(['nats', nats.key], nats.message)
  const node = nodeProblem(config.node)
  if (node !== undefined) return problem(['node', node.key], node.message)
  const memoryMb = config.limits.default.memoryMb ?? Math.min(DEFAULT_LIMITS.memoryMb, maximum.memoryMb)
  if (config.cells.residentMb < memoryMb + CELL_OWN_MB) {
    const least = memoryMb + CELL_OWN_MB
    const why = `limits.default.memoryMb (${memoryMb}) and ${CELL_OWN_MB} for the process itself`
    return problem(
      ['cells', 'residentMb'],
      `is ${config.cells.residentMb}; it must be at least ${least}: ${why}`,
    )
  }
  const cordonOf = new Map<string, string>()
  for (const [cordon, tenants] of Object.entries(config.cells.cordons)) {
    for (const [index, tenant] of tenants.entries()) {
      const other = cordonOf.get(tenant)
      if (other !== undefined) {
        return problem(
          ['cells', 'cordons', cordon, index],
          `is "${tenant}", which is in cordon "${other}" already`,
        )
      }
      cordonOf.set(tenant, cordon)
    }
  }
  return undefined
}

/** What a cell without a guest has resident, rounded up from the measured 52 MB. */
const CELL_OWN_MB = 64

function finish(parsed: ParsedConfig): Config {
  const maximum: Limits = { ...MAXIMUM_LIMITS, ...parsed.limits.maximum }
  const defaults: Record<string, number> = { ...DEFAULT_LIMITS, ...parsed.limits.default }
  for (const key of Object.keys(maximum) as (keyof Limits)[]) {
    defaults[key] = Math.min(defaults[key] ?? maximum[key], maximum[key])
  }
  return { ...parsed, limits: { default: defaults as unknown as Limits, maximum } }
}

function mergeSettings(base: JsonValue, settings: readonly Setting[]): JsonValue {
  // A file that is not an object is the schema's to refuse, with its place.
  if (typeof base !== 'object' || base === null || Array.isArray(base)) return base
  const merged = structuredClone(base)
  for (const { path, value } of settings) assign(merged, path, value)
  return merged
}

function assign(target: Record<string, JsonValue>, path: readonly string[], value: JsonValue): void {
  const [key = '', ...rest] = path
  if (rest.length === 0) {
    target[key] = value
    return
  }
  target[key] ??= {}
  const inner = target[key]
  if (typeof inner === 'object' && inner !== null && !Array.isArray(inner)) assign(inner, rest, value)
}

/** A path in a file means a path beside that file; one from a flag or the environment, a path from here. */
function resolveFilePaths(config: ParsedConfig, folder: string, overrides: readonly Setting[]): ParsedConfig {
  const copy = structuredClone(config) as unknown as Record<string, JsonValue>
  for (const { path, keep } of PATH_SETTINGS) {
    const value = valueAt(config, path)
    const fromElsewhere = overrides.some((setting) => startsWith(path, setting.path))
    if (typeof value !== 'string' || fromElsewhere || isAbsolute(value) || keep.includes(value)) continue
    assign(copy, path, resolve(folder, value))
  }
  return copy as unknown as ParsedConfig
}

const startsWith = (path: KeyPath, prefix: readonly string[]): boolean =>
  prefix.every((step, index) => path[index] === step)

function configError(problem: Problem, origin: Origin): VelaError {
  const key = printPath(problem.path)
  const details = {
    key,
    ...(problem.value === undefined ? {} : { value: problem.value }),
    ...(problem.allowed === undefined ? {} : { allowed: problem.allowed }),
    ...(problem.didYouMean === undefined ? {} : { didYouMean: problem.didYouMean }),
    origin,
  }
  return new VelaError('VELA_CONFIG_INVALID', `${printOrigin(origin)}${problem.message}`, { details })
}

function printOrigin(origin: Origin): string {
  if (origin.kind === 'file') return `${origin.file}:${origin.line}:${origin.column}: `
  if (origin.kind === 'flag') return `flag ${origin.name}: `
  return origin.kind === 'env' ? `environment variable ${origin.name}: ` : 'configuration: '
}
