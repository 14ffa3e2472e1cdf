/**
 * The shape of a manifest for zod; the message of each check is what is allowed, in words. wrangler's keys are
 * accepted where they mean the same; the others are named, so that the error can say why Vela has none of them.
 */
import { z } from 'zod'
import { limitsShape } from '../core/config-schema.ts'
import type { JsonValue } from '../registry/types.ts'
import { MAX_SCHEDULES } from './schedule.ts'
import type { Limits } from '../../sandbox/protocol/limits.ts'

export interface ParsedManifest {
  readonly name: string
  readonly main?: string | undefined
  readonly engine?: 'v8' | 'quickjs' | undefined
  readonly route?: RouteInput | undefined
  readonly routes?: readonly RouteInput[] | undefined
  readonly limits?: (Partial<Limits> & { readonly cpu_ms?: number }) | undefined
  readonly vars?: Record<string, JsonValue> | undefined
  readonly capabilities?: Record<string, JsonValue> | undefined
  readonly schedules?: readonly string[] | undefined
  readonly triggers?: { readonly crons?: readonly string[] | undefined } | undefined
  readonly kv_namespaces?: readonly WranglerKv[] | undefined
  readonly services?: readonly WranglerService[] | undefined
  readonly queues?: WranglerQueues | undefined
}

export interface WranglerKv {
  readonly binding: string
  readonly id: string
}

export interface WranglerService {
  readonly binding: string
  readonly service: string
  readonly entrypoint?: string | undefined
}

export interface WranglerQueues {
  readonly producers?: readonly { readonly binding: string; readonly queue: string }[] | undefined
  readonly consumers?: readonly WranglerConsumer[] | undefined
}

export interface WranglerConsumer {
  readonly queue: string
  readonly max_batch_size?: number | undefined
  readonly max_retries?: number | undefined
  readonly max_concurrency?: number | null | undefined
  /** Seconds. */
  readonly retry_delay?: number | undefined
}

export type RouteInput = string | { readonly pattern: string; readonly custom_domain?: boolean | undefined }

const NAME = 'a name of at most 63 lower-case letters, digits and inner hyphens'
const MAIN = 'the path of the entry file, relative to the manifest'
const ROUTE = 'a pattern such as "example.com/api/*" or "/public/*"'
const ROUTES = 'a list of patterns such as "example.com/api/*" or "/public/*"'
const KEY = 'a key of 1 to 128 characters without control characters'
const MAX_ROUTES = 64
const BINDING = 'a name for env: letters, digits, _ and $, the first no digit'
const KV_ID =
  'the name of a namespace of the tenant: at most 63 lower-case letters, digits and inner hyphens (an id of Cloudflare’s is one too)'
const CRONS = 'a list of cron expressions of five fields (UTC), such as ["*/5 * * * *"]'

const jsonRecord = (allowed: string): z.ZodRecord<z.ZodString, z.ZodType<JsonValue>> =>
  z.record(
    z.string().regex(/^[^\p{Cc}]{1,128}$/u, KEY),
    // What is here was JSON before it came here.
    z.unknown() as unknown as z.ZodType<JsonValue>,
    allowed,
  )

const pattern = (): z.ZodString => z.string(ROUTE).min(1, ROUTE).max(512, ROUTE)
const route = z.union([
  pattern(),
  z.strictObject(
    {
      pattern: pattern(),
      zone_name: z.string('the name of a zone (not used here)').optional(),
      zone_id: z.string('the id of a zone (not used here)').optional(),
      custom_domain: z.boolean('true or false').optional(),
    },
    ROUTE,
  ),
])

const cpuMs = 'a whole number from 1'
const label = (allowed: string): z.ZodString =>
  z.string(allowed).regex(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/, allowed)
const identifier = (allowed: string): z.ZodString =>
  z
    .string(allowed)
    .regex(/^(?!(?:__proto__|constructor|prototype|then)$)[A-Za-z_$][A-Za-z0-9_$]{0,127}$/, allowed)
const crons = (): z.ZodArray<z.ZodString> =>
  z.array(z.string(CRONS), CRONS).max(MAX_SCHEDULES, `at most ${MAX_SCHEDULES} schedules`)
const kvNamespace = z.strictObject(
  {
    binding: identifier(BINDING),
    id: label(KV_ID),
    preview_id: z.string('an id (not used here)').optional(),
  },
  'an object such as {"binding": "CARTS", "id": "carts"}',
)
const serviceBinding = z.strictObject(
  {
    binding: identifier(BINDING),
    service: label(NAME),
    entrypoint: identifier('the name of an exported class').optional(),
  },
  'an object such as {"binding": "MAILER", "service": "mailer"}',
)

const QUEUE_NAME = 'the name of a queue: at most 63 lower-case letters, digits and inner hyphens'
const atLeast = (least: number, most: number): z.ZodInt => {
  const allowed = `a whole number from ${least} to ${most}`
  return z.int(allowed).min(least, allowed).max(most, allowed)
}
const queues = z.strictObject(
  {
    producers: z
      .array(
        z.strictObject(
          { binding: identifier(BINDING), queue: label(QUEUE_NAME) },
          'an object such as {"binding": "JOBS", "queue": "jobs"}',
        ),
        'a list such as [{"binding": "JOBS", "queue": "jobs"}]',
      )
      .optional(),
    consumers: z
      .array(
        z.strictObject(
          {
            queue: label(QUEUE_NAME),
            max_batch_size: atLeast(1, 100).optional(),
            max_batch_timeout: z.number('a number of seconds (not used here: nothing waits)').optional(),
            max_retries: atLeast(0, 100).optional(),
            max_concurrency: atLeast(1, 250).nullable().optional(),
            retry_delay: atLeast(0, 60).optional(),
          },
          'an object such as {"queue": "jobs", "max_batch_size": 10}',
        ),
        'a list such as [{"queue": "jobs"}]',
      )
      .optional(),
  },
  'an object such as {"producers": [{"binding": "JOBS", "queue": "jobs"}], "consumers": [{"queue": "jobs"}]}',
)

export const manifestSchema: z.ZodType<ParsedManifest> = z.strictObject(
  {
    $schema: z.string('the address of a JSON Schema').optional(),
    name: label(NAME).describe('Name of the service; part of its address.'),
    main: z
      .string(MAIN)
      .min(1, MAIN)
      .max(1024, MAIN)
      .regex(/^[^\p{Cc}]+$/u, MAIN)
      .optional()
      .describe('Entry file; else index.ts, index.js, src/index.ts or src/index.js.'),
    engine: z.enum(['v8', 'quickjs'], '"v8" or "quickjs"').optional(),
    route: route.optional(),
    routes: z
      .array(route, ROUTES)
      .max(MAX_ROUTES, `at most ${MAX_ROUTES} routes`)
      .optional()
      .describe('Addresses beside /<tenant>/<service>: host/path or /path, with :param and a last *.'),
    limits: z
      .strictObject(
        { ...limitsShape(), cpu_ms: z.int(cpuMs).min(1, cpuMs).optional() },
        'an object of limits, such as {"cpuMs": 50}',
      )
      .optional() as unknown as z.ZodOptional<z.ZodType<Partial<Limits>>>,
    vars: jsonRecord('an object of values for env')
      .optional()
      .describe('Values that the service finds in env.'),
    capabilities: jsonRecord('an object of capabilities, such as {"kv": {}}')
      .optional()
      .describe('Powers asked for; nothing is granted by default.'),
    schedules: crons()
      .optional()
      .describe('When the scheduled handler runs: cron expressions of five fields, UTC.'),
    triggers: z
      .strictObject({ crons: crons().optional() }, 'an object such as {"crons": ["*/5 * * * *"]}')
      .optional()
      .describe('wrangler’s way to write schedules.'),
    kv_namespaces: z
      .array(kvNamespace, 'a list such as [{"binding": "CARTS", "id": "carts"}]')
      .optional()
      .describe('wrangler’s way to write capabilities.kv.'),
    services: z
      .array(serviceBinding, 'a list such as [{"binding": "MAILER", "service": "mailer"}]')
      .optional()
      .describe('wrangler’s way to write capabilities.services.'),
    queues: queues.optional().describe('wrangler’s way to write capabilities.events, durable.'),
    compatibility_date: z.string('a date (accepted and ignored)').optional(),
  },
  'an object such as {"name": "shop", "main": "src/index.ts"}',
) as z.ZodType<ParsedManifest>

const NO_NODE = 'wrangler’s key; guests have no Node APIs here, remove it'
const AS_CAPABILITY = 'wrangler’s key; here bindings are asked for in "capabilities"'

/** Keys that wrangler has and Vela has not, with what to do instead. */
export const WRANGLER_KEYS: ReadonlyMap<string, string> = new Map([
  ['compatibility_flags', NO_NODE],
  ['node_compat', NO_NODE],
  ['durable_objects', AS_CAPABILITY],
  ['r2_buckets', AS_CAPABILITY],
  ['d1_databases', AS_CAPABILITY],
  ['assets', 'wrangler’s key; Vela serves no static files, import them into the service'],
  ['env', 'wrangler’s key; deploy each environment as a service or tenant of its own'],
  ['account_id', 'wrangler’s key; the tenant is given to "vela deploy --tenant"'],
  ['workers_dev', 'wrangler’s key; every service has an address, remove it'],
])
