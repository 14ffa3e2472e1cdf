/**
 * The TypeScript of a service's `env`, from its manifest: what `vela types` writes. The same manifest and flags give the
 * same text, so that a check can compare it. Everything in a manifest is data of somebody else: names and values go
 * into the text as JSON, never as they are.
 */
import { VelaError } from '../core/errors.ts'
import type { JsonValue, Manifest } from '../registry/types.ts'

export interface EnvTypesOptions {
  /** Names of secrets: strings in `env`. */
  readonly secrets?: readonly string[]
  /** Vars as literals instead of `string`, `number` and `boolean`. */
  readonly strictVars?: boolean
}

/** A module's text, `interface Env` in it global. */
export function envTypes(
  { vars, capabilities }: Pick<Manifest, 'vars' | 'capabilities'>,
  { secrets = [], strictVars = false }: EnvTypesOptions = {},
): string {
  const fields = new Map<string, Field>()
  for (const [name, value] of Object.entries(vars)) fields.set(name, { type: typeOf(value, strictVars) })
  // A secret wins over a var of its name.
  for (const name of [...secrets].sort()) fields.set(name, { type: 'string', note: 'Secret.' })
  for (const [kind, asked] of Object.entries(capabilities))
    for (const [name, field] of bindingsOf(kind, asked)) fields.set(name, field)
  const flags = [...secrets].sort().map((name) => ` --secret ${name}`)
  const command = `vela types${flags.join('')}${strictVars ? ' --strict-vars' : ''}`
  return `${header(command)}interface Env {\n${[...fields].map(print).join('')}}\n`
}

interface Field {
  readonly type: string
  readonly note?: string
}

const header = (command: string): string =>
  `/// <reference types="@vela/guest-sdk/globals" />
// Made from the manifest by \`${command}\`. Change the manifest and run it again, instead of changing this.

/** What the service finds in \`env\`. */
`

function print([name, { type, note }]: [string, Field]): string {
  const comment = note === undefined ? '' : `  /** ${note.replaceAll('*/', '* /')} */\n`
  return `${comment}  readonly ${propertyName(name)}: ${type}\n`
}

const SDK = `import('@vela/guest-sdk')`

function bindingsOf(kind: string, asked: JsonValue): [string, Field][] {
  switch (kind) {
    case 'fetch':
      // The global of that name, which every library of web types has.
      return []
    case 'channels':
      return channelBindings(asked)
    case 'events':
      return eventBindings(asked)
    case 'kv':
      return kvBindings(asked)
    case 'actors':
      return entriesOf(asked).map(([name, ask]) => [name, actorField(ask)])
    case 'services':
      return entriesOf(asked).map(([name, ask]) => [name, serviceField(name, ask)])
    case 'workers':
      return workersBindings(asked)
    default: {
      const note = `The capability ${kind}; this version of \`vela types\` has no types for it.`
      const named = entriesOf(asked)
      const names = named.length === 0 ? [kind] : named.map(([name]) => name)
      return names.map((name) => [name, { type: 'unknown', note }])
    }
  }
}

function channelBindings(asked: JsonValue): [string, Field][] {
  const named = entriesOf(asked)
  if (named.length === 0) return [['channels', { type: `${SDK}.RemoteChannel` }]]
  return named.map(([name, ask]) => {
    const { channel, access, mode } = fieldsOf(ask)
    const isBroadcast = mode === 'broadcast'
    const type =
      access === 'send'
        ? 'RemoteSender'
        : access === 'receive'
          ? isBroadcast
            ? 'RemoteBroadcastReceivers'
            : 'RemoteReceiver'
          : isBroadcast
            ? 'RemoteBroadcast'
            : 'RemoteChannel'
    const note = typeof channel === 'string' ? { note: `Channel ${channel}.` } : {}
    return [name, { type: `${SDK}.${type}`, ...note }]
  })
}

function eventBindings(asked: JsonValue): [string, Field][] {
  const named = entriesOf(asked)
  if (named.length === 0) return [['events', { type: `${SDK}.EventBinding` }]]
  return named.map(([name, ask]) => {
    const { kind, publish } = fieldsOf(ask)
    const subjects = Array.isArray(publish) ? publish.filter((subject) => typeof subject === 'string') : []
    const isPlain = subjects.every((subject) => !/[*>]/.test(subject))
    const types = subjects.map((subject) => `${literal(subject)}: unknown`)
    // Without wildcards the subjects are known; with one, any may be right.
    const known = types.length === 0 ? '{}' : `{ ${types.join('; ')} }`
    const type = isPlain ? `${SDK}.EventBinding<${known}>` : `${SDK}.EventBinding`
    return [name, { type, note: `${kind === 'durable' ? 'Durable' : 'Ephemeral'} events.` }]
  })
}

function kvBindings(asked: JsonValue): [string, Field][] {
  const named = entriesOf(asked)
  if (named.length === 0) return [['kv', { type: `${SDK}.KvNamespace` }]]
  return named.map(([name, ask]) => {
    const { namespace, access } = fieldsOf(ask)
    const type = access === 'read' ? `${SDK}.KvReader` : `${SDK}.KvNamespace`
    return [name, typeof namespace === 'string' ? { type, note: `Namespace ${namespace}.` } : { type }]
  })
}

function workersBindings(asked: JsonValue): [string, Field][] {
  const named = entriesOf(asked)
  if (named.length === 0) return [['workers', { type: `${SDK}.WorkerPool` }]]
  return named.map(([name, ask]) => {
    const { host } = fieldsOf(ask)
    if (typeof host !== 'string') return [name, { type: `${SDK}.WorkerPool` }]
    return [name, { type: `${SDK}.HostTask`, note: `The host's task ${host}.` }]
  })
}

function serviceField(name: string, ask: JsonValue): Field {
  const fields = fieldsOf(ask)
  const { host, service, entrypoint } = fields
  const methods = Array.isArray(ask) ? ask : fields['methods']
  const target =
    typeof host === 'string' ? `the host's service ${host}` : `the service ${text(service, name)}`
  const note = `${target[0]?.toUpperCase()}${target.slice(1)}${typeof entrypoint === 'string' ? `, entry ${entrypoint}` : ''}.`
  if (!Array.isArray(methods))
    return { note, type: typeof host === 'string' ? `${SDK}.MethodStub` : `${SDK}.ServiceStub` }
  const names = methods.filter((method) => typeof method === 'string')
  const shape = names
    .filter((method) => method !== 'fetch')
    .map((method) => `${propertyName(method)}: ${SDK}.RemoteMethod`)
  const stub = names.includes('fetch') && typeof host !== 'string' ? 'ServiceStub' : 'MethodStub'
  return { note, type: `${SDK}.${stub}<{ ${shape.join('; ')} }>` }
}

function actorField(ask: JsonValue): Field {
  const { class: className, service } = fieldsOf(ask)
  const owner = typeof service === 'string' ? ` of the service ${service}` : ''
  return { type: `${SDK}.ActorNamespace`, note: `Actors of the class ${text(className, 'unknown')}${owner}.` }
}

const text = (value: JsonValue | undefined, otherwise: string): string =>
  typeof value === 'string' ? value : otherwise

const MOST_DEPTH = 32

function typeOf(value: JsonValue, strict: boolean, depth = 0): string {
  if (depth > MOST_DEPTH) throw new VelaError('VELA_DEPLOY_INVALID_MANIFEST', 'vars: nested too deeply')
  if (value === null) return 'null'
  if (Array.isArray(value)) {
    const types = value.map((item) => typeOf(item, strict, depth + 1))
    if (strict && types.length > 0) return `readonly [${types.join(', ')}]`
    return `readonly (${types.length === 0 ? 'unknown' : [...new Set(types)].join(' | ')})[]`
  }
  if (typeof value === 'object') {
    const fields = Object.entries(value).map(
      ([key, item]) => `readonly ${propertyName(key)}: ${typeOf(item, strict, depth + 1)}`,
    )
    return fields.length === 0 ? '{}' : `{ ${fields.join('; ')} }`
  }
  return strict ? literal(value) : typeof value
}

const PLAIN = /^[A-Za-z_$][A-Za-z0-9_$]*$/
const propertyName = (name: string): string => (PLAIN.test(name) ? name : literal(name))

/** JSON as TypeScript, without the two line ends that only JSON takes inside a string. */
const literal = (value: string | number | boolean): string =>
  JSON.stringify(value).replace(/[\u2028\u2029]/g, (char) => `\\u${char.charCodeAt(0).toString(16)}`)

const fieldsOf = (value: JsonValue): { readonly [key: string]: JsonValue } =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? value : {}

const entriesOf = (value: JsonValue): [string, JsonValue][] => Object.entries(fieldsOf(value))
