/**
 * The shape of the configuration for zod. The message of every check is what is allowed, in words, so that any
 * failure of a key yields the same sentence. Sections are strict: a misspelt key is an error, never ignored.
 */
import { z } from 'zod'
import { DEFAULT_LIMITS, type Limits } from '../../sandbox/protocol/limits.ts'
import type { JsonValue } from '../registry/types.ts'
import { NATS_PATHS, NATS_SETTINGS, natsSchema, nodeSchema } from './config-nats.ts'
import type { CellsConfig, Config, EventsConfig, GatewayConfig, TasksConfig } from './config.ts'

export interface ParsedConfig extends Omit<Config, 'limits'> {
  readonly limits: { readonly default: Partial<Limits>; readonly maximum: Partial<Limits> }
}

const DAY_MS = 24 * 60 * 60 * 1000

function integer(minimum: number, maximum: number, what: string): z.ZodInt {
  const allowed = `${what} from ${minimum} to ${maximum}`
  return z.int(allowed).min(minimum, allowed).max(maximum, allowed)
}

const milliseconds = (minimum: number): z.ZodInt => integer(minimum, DAY_MS, 'whole milliseconds')
const port = (): z.ZodInt => integer(0, 65_535, 'a port (0 picks a free one)')
const flag = (): z.ZodBoolean => z.boolean('true or false')

function text(allowed: string, maximum = 4096): z.ZodString {
  return z
    .string(allowed)
    .min(1, allowed)
    .max(maximum, allowed)
    .regex(/^[^\0\r\n]*$/, allowed)
}

const host = (): z.ZodString =>
  z
    .string(HOST)
    .max(253, HOST)
    .regex(/^[A-Za-z0-9]([A-Za-z0-9.:_-]*[A-Za-z0-9])?$|^::1?$/, HOST)
const HOST = 'a host name or an IP address to listen on, without port or brackets'

const NAME = 'a name of at most 63 lower-case letters, digits and inner hyphens'
const name = (): z.ZodString => z.string(NAME).regex(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/, NAME)

const WEIGHT = 'a number from 0.01 to 100'
const weight = (): z.ZodNumber => z.number(WEIGHT).min(0.01, WEIGHT).max(100, WEIGHT)

/** Positive whole numbers under the names of Limits; shared with the manifest. */
export function limitsShape(): Record<keyof Limits, z.ZodOptional<z.ZodInt>> {
  const entries = Object.keys(DEFAULT_LIMITS).map((key) => [
    key,
    integer(1, Number.MAX_SAFE_INTEGER, 'a whole number').optional(),
  ])
  return Object.fromEntries(entries) as Record<keyof Limits, z.ZodOptional<z.ZodInt>>
}

const SECTION = 'an object'
const limits = (): z.ZodPrefault<z.ZodType<Partial<Limits>>> =>
  (z.strictObject(limitsShape(), SECTION) as unknown as z.ZodType<Partial<Limits>>).prefault({})

const gateway = z.strictObject(
  {
    host: host().default('127.0.0.1'),
    port: port().default(8787),
    trustProxy: flag().default(false),
    headerBytes: integer(1024, 1024 * 1024, 'a number of bytes').default(16_384),
    headersTimeoutMs: milliseconds(1).default(10_000),
    requestTimeoutMs: milliseconds(1).default(60_000),
    keepAliveTimeoutMs: milliseconds(1).default(10_000),
    maxConnections: integer(1, 1_000_000, 'a number').default(10_000),
    accessLog: flag().default(true),
  },
  SECTION,
)

const cells = z.strictObject(
  {
    spares: integer(0, 1000, 'a number').default(2),
    idleMs: milliseconds(1).default(60_000),
    isolateIdleMs: milliseconds(1).default(30_000),
    cordons: z
      .record(name(), z.array(name(), 'a list of tenant names'), 'an object of lists of tenant names')
      .default({}),
    weights: z.record(name(), weight(), 'an object of numbers, by tenant').default({}),
    cores: integer(0, 4096, 'a number of cores (0: all that the process may use)').default(0),
    residentMb: integer(64, 1024 * 1024, 'a number of mebibytes').default(1024),
    maxCells: integer(1, 10_000, 'a number').default(64),
    recordDir: text('a folder, or null to record nothing').nullable().default(null),
  },
  SECTION,
)

const tasks = z.strictObject(
  {
    threads: integer(0, 1024, 'a number of threads (0: one a core)').default(0),
    concurrency: integer(1, 100_000, 'a number').default(64),
    queueLength: integer(1, 1_000_000, 'a number').default(1024),
  },
  SECTION,
)

const events = z.strictObject(
  {
    quotaMb: integer(1, 1024 * 1024, 'a number of mebibytes').default(64),
    retentionHours: integer(1, 24 * 365, 'a number of hours').default(168),
  },
  SECTION,
)

export const configSchema: z.ZodType<ParsedConfig> = z
  .strictObject(
    {
      $schema: z.string('the address of a JSON Schema').optional(),
      gateway: gateway.prefault({}) satisfies z.ZodType<GatewayConfig>,
      admin: z
        .strictObject({ host: host().default('127.0.0.1'), port: port().default(8788) }, SECTION)
        .prefault({}),
      data: text('a folder, or null to keep everything in memory').nullable().default('.vela'),
      log: z
        .strictObject(
          {
            level: z
              .enum(['debug', 'info', 'warn', 'error', 'silent'], 'one of debug, info, warn, error, silent')
              .default('info'),
            destination: text('"stdout", "stderr" or the path of a file').default('stderr'),
          },
          SECTION,
        )
        .prefault({}),
      cells: cells.prefault({}) satisfies z.ZodType<CellsConfig>,
      limits: z.strictObject({ default: limits(), maximum: limits() }, SECTION).prefault({}),
      tasks: tasks.prefault({}) satisfies z.ZodType<TasksConfig>,
      events: events.prefault({}) satisfies z.ZodType<EventsConfig>,
      nats: natsSchema.nullable().default(null),
      node: nodeSchema.prefault({}),
      drainMs: milliseconds(0).default(10_000),
      policy: z.record(z.string(), z.unknown() as z.ZodType<JsonValue>, 'an object').default({}),
    },
    'an object with the sections gateway, admin, data, log, cells, limits, tasks, events, nats, node, drainMs, policy',
  )
  .transform(({ $schema: _ignored, ...config }) => config)

/** Settings that are paths, and the words among their values that are none. */
export const PATH_SETTINGS: readonly {
  readonly path: readonly string[]
  readonly keep: readonly string[]
}[] = [
  { path: ['data'], keep: [] },
  { path: ['log', 'destination'], keep: ['stdout', 'stderr'] },
  { path: ['cells', 'recordDir'], keep: [] },
  ...NATS_PATHS.map((path) => ({ path, keep: [] })),
]

export type SettingKind = 'integer' | 'boolean' | 'text' | 'nullable-text' | 'list' | 'json'

/** Every setting that the environment can give, and how its text is read. */
export function listSettings(): { readonly path: readonly string[]; readonly kind: SettingKind }[] {
  const limitKeys = Object.keys(DEFAULT_LIMITS)
  const found: { path: readonly string[]; kind: SettingKind }[] = []
  const add = (path: readonly string[], kind: SettingKind): number => found.push({ path, kind })
  for (const key of Object.keys(gateway.shape) as (keyof typeof gateway.shape)[]) {
    add(
      ['gateway', key],
      key === 'host' ? 'text' : key === 'trustProxy' || key === 'accessLog' ? 'boolean' : 'integer',
    )
  }
  add(['admin', 'host'], 'text')
  add(['admin', 'port'], 'integer')
  add(['data'], 'nullable-text')
  add(['log', 'level'], 'text')
  add(['log', 'destination'], 'text')
  for (const key of Object.keys(cells.shape) as (keyof typeof cells.shape)[]) {
    add(
      ['cells', key],
      key === 'cordons' || key === 'weights' ? 'json' : key === 'recordDir' ? 'nullable-text' : 'integer',
    )
  }
  for (const key of limitKeys) add(['limits', 'default', key], 'integer')
  for (const key of limitKeys) add(['limits', 'maximum', key], 'integer')
  for (const key of Object.keys(tasks.shape)) add(['tasks', key], 'integer')
  for (const key of Object.keys(events.shape)) add(['events', key], 'integer')
  for (const { path, kind } of NATS_SETTINGS) add(path, kind)
  add(['node', 'name'], 'nullable-text')
  for (const key of ['heartbeatMs', 'leaseMs', 'lostAfterMs']) add(['node', key], 'integer')
  add(['node', 'links'], 'text')
  add(['drainMs'], 'integer')
  add(['policy'], 'json')
  return found
}
