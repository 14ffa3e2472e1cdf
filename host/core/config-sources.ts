/**
 * Where settings come from: the file (with places), the environment (a systematic mapping: `gateway.headerBytes`
 * is `VELA_GATEWAY_HEADER_BYTES`) and the flags of the command line. Each setting keeps its origin, so that an
 * error can say which of the three to correct.
 */
import { readFileSync, statSync } from 'node:fs'
import { relative, resolve } from 'node:path'
import type { JsonValue } from '../registry/types.ts'
import { type KeyPath, parseDocument, type Position, printValue } from './config-document.ts'
import { closest } from './config-problem.ts'
import { listSettings, type SettingKind } from './config-schema.ts'
import { VelaError } from './errors.ts'

export type Origin =
  | ({ readonly kind: 'file'; readonly file: string } & Position)
  | { readonly kind: 'env' | 'flag'; readonly name: string }
  | { readonly kind: 'code' | 'default' }

export interface Setting {
  readonly path: readonly string[]
  readonly value: JsonValue
  readonly origin: Origin
}

/** The flags of `vela start`; text is read like the environment's. */
export interface ConfigFlags {
  readonly host?: string | undefined
  readonly port?: string | number | undefined
  readonly adminHost?: string | undefined
  readonly adminPort?: string | number | undefined
  readonly data?: string | null | undefined
  readonly logLevel?: string | undefined
  readonly record?: string | null | undefined
  readonly nats?: string | undefined
}

const FLAG_PATHS: Readonly<Record<keyof ConfigFlags, string>> = {
  host: 'gateway.host',
  port: 'gateway.port',
  adminHost: 'admin.host',
  adminPort: 'admin.port',
  data: 'data',
  logLevel: 'log.level',
  record: 'cells.recordDir',
  nats: 'nats.servers',
}

/** Variables of Vela that are no settings. */
const OTHER_VARIABLES: readonly string[] = [
  'VELA_CONFIG',
  'VELA_ADMIN_TOKEN',
  'VELA_API_URL',
  'VELA_API_TOKEN',
  'VELA_TENANT',
]
const SECTION_PREFIX = /^VELA_(?:GATEWAY|ADMIN|LOG|CELLS|LIMITS|POLICY|DRAIN|DATA|NATS|NODE)(?:_|$)/
/** What Kubernetes puts into every pod beside a service whose name begins with `vela`. */
const SERVICE_LINK = /_(?:SERVICE_(?:HOST|PORT(?:_\w+)?)|PORT_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)$/

const MAX_FILE_BYTES = 256 * 1024
const FILE_NAMES = ['vela.config.jsonc', 'vela.config.json'] as const

export function findConfigFile(cwd: string, given: string | undefined): string | undefined {
  if (given !== undefined && given !== '') return resolve(cwd, given)
  const found = FILE_NAMES.map((name) => resolve(cwd, name)).filter((path) => isThere(path))
  if (found.length > 1) {
    const message = `${FILE_NAMES.join(' and ')} are both here; remove one, or name one with --config`
    throw new VelaError('VELA_CONFIG_INVALID', message, { details: { files: FILE_NAMES } })
  }
  return found[0]
}

const isThere = (path: string): boolean => statSync(path, { throwIfNoEntry: false }) !== undefined

export interface ConfigFile {
  readonly value: JsonValue
  originOf(path: KeyPath, part: 'key' | 'value'): Origin
}

export function readConfigFile(path: string): ConfigFile {
  const file = shortName(path)
  const document = parseDocument(readText(path, file), {
    fileName: file,
    code: 'VELA_CONFIG_INVALID',
    maxBytes: MAX_FILE_BYTES,
  })
  return {
    value: document.value,
    originOf: (keyPath, part) => ({ kind: 'file', file, ...document.positionOf(keyPath, part) }),
  }
}

function shortName(path: string): string {
  const short = relative(process.cwd(), path)
  return short.startsWith('..') ? path : short
}

function readText(path: string, file: string): string {
  const fail = (reason: string, cause?: unknown): never => {
    throw new VelaError('VELA_CONFIG_UNREADABLE', `${file}: ${reason}`, { cause, details: { file } })
  }
  try {
    const stat = statSync(path)
    if (!stat.isFile()) return fail('is not a file; name a vela.config.jsonc with --config')
    if (stat.size > MAX_FILE_BYTES)
      return fail(`has ${stat.size} bytes; at most ${MAX_FILE_BYTES} are allowed`)
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (error instanceof VelaError) throw error
    const code = (error as NodeJS.ErrnoException).code
    return fail(
      code === 'ENOENT' ? 'there is no such file' : `cannot be read (${code ?? 'unknown reason'})`,
      error,
    )
  }
}

/** `['gateway', 'headerBytes']` → `VELA_GATEWAY_HEADER_BYTES` */
export function variableName(path: readonly string[]): string {
  return `VELA_${path.map((part) => part.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()).join('_')}`
}

export function collectEnvironment(env: Readonly<Record<string, string | undefined>>): Setting[] {
  const settings = new Map(listSettings().map((setting) => [variableName(setting.path), setting]))
  const found: Setting[] = []
  for (const name of Object.keys(env).sort()) {
    const text = env[name]
    // An empty variable is how shells and compose files say "not set".
    if (!name.startsWith('VELA_') || text === undefined || text === '') continue
    const setting = settings.get(name)
    if (setting !== undefined) {
      const origin = { kind: 'env', name } as const
      found.push({ path: setting.path, value: readSetting(text, setting.kind, origin), origin })
    } else if (!OTHER_VARIABLES.includes(name))
      refuseMisspelling(name, [...settings.keys(), ...OTHER_VARIABLES])
  }
  return found
}

/** Not every foreign VELA_* variable is an error: only what is meant to be a setting by its section or spelling. */
function refuseMisspelling(name: string, known: readonly string[]): void {
  if (SERVICE_LINK.test(name)) return
  const didYouMean = closest(name, known)
  if (didYouMean === undefined && !SECTION_PREFIX.test(name)) return
  const advice = didYouMean === undefined ? 'see docs/config.md for the names' : `did you mean ${didYouMean}?`
  const origin: Origin = { kind: 'env', name }
  throw new VelaError(
    'VELA_CONFIG_INVALID',
    `environment variable ${name} is not a known setting; ${advice}`,
    {
      details: { key: name, origin, ...(didYouMean === undefined ? {} : { didYouMean }) },
    },
  )
}

export function collectFlags(flags: ConfigFlags): Setting[] {
  const kinds = new Map(listSettings().map(({ path, kind }) => [path.join('.'), kind]))
  const found: Setting[] = []
  for (const [key, given] of Object.entries(flags) as [string, string | number | null | undefined][]) {
    if (given === undefined) continue
    const name = `--${key.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
    const origin: Origin = { kind: 'flag', name }
    const setting = Object.hasOwn(FLAG_PATHS, key) ? FLAG_PATHS[key as keyof ConfigFlags] : undefined
    if (setting === undefined) {
      const advice = closest(key, Object.keys(FLAG_PATHS))
      const message = `flag ${name} is not known${advice === undefined ? '' : `; did you mean --${advice}?`}`
      throw new VelaError('VELA_CONFIG_INVALID', message, { details: { key, origin } })
    }
    const value = typeof given === 'string' ? readSetting(given, kinds.get(setting) ?? 'text', origin) : given
    found.push({ path: setting.split('.'), value, origin })
  }
  return found
}

/**
 * Text as the setting's type. What cannot be read stays text, and the schema then says what is allowed; only
 * JSON is refused here, since its own error is more telling.
 */
function readSetting(
  text: string,
  kind: SettingKind,
  origin: { kind: 'env' | 'flag'; name: string },
): JsonValue {
  if (kind === 'integer') return /^-?\d{1,16}$/.test(text.trim()) ? Number(text) : text
  if (kind === 'boolean') return BOOLEANS.get(text.trim().toLowerCase()) ?? text
  if (kind === 'nullable-text') return text === 'none' ? null : text
  if (kind === 'text') return text
  if (kind === 'list') return text.split(',').map((part) => part.trim())
  return parseDocument(text, {
    fileName: `${origin.kind === 'env' ? 'environment variable' : 'flag'} ${origin.name} (${printValue(text)})`,
    code: 'VELA_CONFIG_INVALID',
    maxBytes: MAX_FILE_BYTES,
  }).value
}

const BOOLEANS: ReadonlyMap<string, boolean> = new Map([
  ['true', true],
  ['1', true],
  ['yes', true],
  ['on', true],
  ['false', false],
  ['0', false],
  ['no', false],
  ['off', false],
])
