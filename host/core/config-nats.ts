/**
 * The sections `nats` and `node` of the configuration. What is optional is null rather than missing, so that the rest of
 * the host reads one shape. Secrets (`token`, `password`, `clusterKey`) are never part of a message.
 */
import { isIP } from 'node:net'
import { z } from 'zod'
import type { SettingKind } from './config-schema.ts'

/** This host among others. */
export interface NodeConfig {
  /** null: the name of the machine. */
  readonly name: string | null
  /** Between two signs of life to the cluster. */
  readonly heartbeatMs: number
  /** Without an acknowledged one for this long, this host owns nothing. */
  readonly leaseMs: number
  /** A node that was not seen for this long is gone. */
  readonly lostAfterMs: number
  /** Where other hosts may open links to this one: `auto`, `off`, or `address:port`. */
  readonly links: string
}

/** Where NATS is. Paths of files are absolute, or relative to the working folder. */
export interface NatsConfig {
  /** `nats://host:port` or `tls://host:port`. */
  readonly servers: readonly string[]
  /** First token of every subject, first word of every bucket and stream. */
  readonly prefix: string
  /** A `.creds` file. */
  readonly credentials: string | null
  readonly token: string | null
  readonly user: string | null
  readonly password: string | null
  /** PEM files. */
  readonly tls: {
    readonly ca: string | null
    readonly cert: string | null
    readonly key: string | null
  } | null
  /** Copies that streams and buckets are made with. */
  readonly replicas: number
  /** How long a start waits for NATS before it goes on without. */
  readonly connectTimeoutMs: number
  /** What secrets in the cluster are sealed with. */
  readonly clusterKey: string | null
}

/** What an embedder writes of it. */
export type NatsInput = Pick<NatsConfig, 'servers'> &
  Partial<Omit<NatsConfig, 'servers' | 'tls'>> & {
    readonly tls?: Partial<NonNullable<NatsConfig['tls']>> | null
  }

const SERVER = 'an address such as nats://127.0.0.1:4222 or tls://host:4222, without user and password'
const SERVERS = 'a list of 1 to 16 addresses of NATS servers'
const PREFIX = 'a name of at most 32 letters, digits, hyphens and underscores'
const NAME = 'a name of at most 63 lower-case letters, digits and inner hyphens'
const FILE = 'the path of a file'
const TEXT = 'a text of 1 to 4096 characters on one line'
const LINKS = 'auto, off, or an address and a port such as 10.0.0.5:7222 or [fd00::5]:7222'
const SECTION = 'an object'
const NATS = 'an object with at least the key servers, or null'

const line = (allowed: string): z.ZodDefault<z.ZodNullable<z.ZodString>> =>
  z
    .string(allowed)
    .min(1, allowed)
    .max(4096, allowed)
    .regex(/^[^\0\r\n]*$/, allowed)
    .nullable()
    .default(null)

const whole = (minimum: number, maximum: number): z.ZodInt => {
  const allowed = `a whole number from ${minimum} to ${maximum}`
  return z.int(allowed).min(minimum, allowed).max(maximum, allowed)
}

const tls = z.strictObject({ ca: line(FILE), cert: line(FILE), key: line(FILE) }, SECTION)

export const natsSchema: z.ZodType<NatsConfig> = z.strictObject(
  {
    servers: z
      .array(
        z
          .string(SERVER)
          .regex(/^(?:nats|tls):\/\/(?:\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]{1,253})(?::\d{1,5})?$/, SERVER)
          .refine((server) => URL.canParse(server), SERVER),
        SERVERS,
      )
      .min(1, SERVERS)
      .max(16, SERVERS),
    prefix: z
      .string(PREFIX)
      .regex(/^[A-Za-z0-9_-]{1,32}$/, PREFIX)
      .default('vela'),
    credentials: line(FILE),
    token: line(TEXT),
    user: line(TEXT),
    password: line(TEXT),
    tls: tls.nullable().default(null),
    replicas: whole(1, 5).default(1),
    connectTimeoutMs: whole(0, 600_000).default(5000),
    clusterKey: line(TEXT),
  },
  NATS,
)

const isAddress = (text: string): boolean => {
  const { host, port } = readAddress(text)
  return isIP(host) !== 0 && port <= 65_535
}

type NodeInput = { readonly [Key in keyof NodeConfig]?: NodeConfig[Key] | undefined }

export const nodeSchema: z.ZodType<NodeConfig, NodeInput> = z.strictObject(
  {
    name: z
      .string(NAME)
      .regex(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/, NAME)
      .nullable()
      .default(null),
    heartbeatMs: whole(50, 60_000).default(2000),
    leaseMs: whole(150, 300_000).default(6000),
    lostAfterMs: whole(200, 600_000).default(10_000),
    links: z
      .string(LINKS)
      .regex(/^(?:auto|off|(?:\[[0-9a-fA-F:.]+\]|\d+\.\d+\.\d+\.\d+):\d{1,5})$/, LINKS)
      .refine((links) => links === 'auto' || links === 'off' || isAddress(links), LINKS)
      .default('auto'),
  },
  SECTION,
)

/** Of `node.links`, where it is an address and a port. */
export function readAddress(text: string): { readonly host: string; readonly port: number } {
  const colon = text.lastIndexOf(':')
  return { host: text.slice(0, colon).replaceAll(/[[\]]/g, ''), port: Number(text.slice(colon + 1)) }
}

/** Settings that are paths of files. */
export const NATS_PATHS: readonly (readonly string[])[] = [
  ['nats', 'credentials'],
  ['nats', 'tls', 'ca'],
  ['nats', 'tls', 'cert'],
  ['nats', 'tls', 'key'],
]

/** What the environment can give. */
export const NATS_SETTINGS: readonly { readonly path: readonly string[]; readonly kind: SettingKind }[] = [
  { path: ['nats', 'servers'], kind: 'list' },
  { path: ['nats', 'prefix'], kind: 'text' },
  { path: ['nats', 'credentials'], kind: 'nullable-text' },
  { path: ['nats', 'token'], kind: 'nullable-text' },
  { path: ['nats', 'user'], kind: 'nullable-text' },
  { path: ['nats', 'password'], kind: 'nullable-text' },
  { path: ['nats', 'tls', 'ca'], kind: 'nullable-text' },
  { path: ['nats', 'tls', 'cert'], kind: 'nullable-text' },
  { path: ['nats', 'tls', 'key'], kind: 'nullable-text' },
  { path: ['nats', 'replicas'], kind: 'integer' },
  { path: ['nats', 'connectTimeoutMs'], kind: 'integer' },
  { path: ['nats', 'clusterKey'], kind: 'nullable-text' },
]

/** What no single key can say: one kind of credentials at most, and whole ones. */
export function natsProblem(
  nats: NatsConfig,
): { readonly key: 'token' | 'user' | 'password' | 'tls'; readonly message: string } | undefined {
  const { credentials, token, user, password } = nats
  if (token !== null && credentials !== null)
    return { key: 'token', message: 'is set beside nats.credentials; keep one of them' }
  if (user !== null && (credentials !== null || token !== null))
    return { key: 'user', message: 'is set beside nats.credentials or nats.token; keep one of them' }
  if ((user === null) !== (password === null))
    return {
      key: user === null ? 'password' : 'user',
      message: 'needs the other of nats.user and nats.password',
    }
  if (nats.tls !== null && (nats.tls.cert === null) !== (nats.tls.key === null))
    return { key: 'tls', message: 'has one of cert and key; it needs both or none' }
  return undefined
}

/** What no single time can say: a host must know that it owns nothing before another may think so. */
export function nodeProblem(
  node: NodeConfig,
): { readonly key: keyof NodeConfig; readonly message: string } | undefined {
  if (node.leaseMs <= 2 * node.heartbeatMs)
    return { key: 'leaseMs', message: 'must be more than twice node.heartbeatMs' }
  if (node.lostAfterMs < node.leaseMs + node.heartbeatMs)
    return { key: 'lostAfterMs', message: 'must be at least node.leaseMs and node.heartbeatMs together' }
  return undefined
}
