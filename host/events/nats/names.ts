/**
 * Where events are on NATS. Everything of a tenant has its name as a token of its own, in a place that no subject of a tenant can
 * reach: guests never name a raw subject, and no wildcard of theirs leaves `<prefix>.e.<tenant>.` or `<prefix>.d.<tenant>.`.
 */
import { VelaError } from '../../core/errors.ts'

/** As registry names; a tenant that could hold a dot or a wildcard would be another tenant, or all of them. */
const TENANT = /^[A-Za-z0-9-]{1,64}$/

export interface EventNames {
  /** Of an ephemeral event or pattern. Throws VELA_EVENT_INVALID for a tenant that is no name. */
  ephemeral(tenant: string, subject: string): string
  durable(tenant: string, subject: string): string
  /** The stream of a tenant's durable events. */
  stream(tenant: string): string
  /** The other way round; undefined for any other stream. */
  tenantOf(stream: string): string | undefined
  readonly cursors: string
  /** The bucket of a tenant's dead letters. */
  dead(tenant: string): string
}

export function eventNames(prefix: string): EventNames {
  const streams = `${prefix}_events_`
  return {
    ephemeral: (tenant, subject) => `${prefix}.e.${checked(tenant)}.${subject}`,
    durable: (tenant, subject) => `${prefix}.d.${checked(tenant)}.${subject}`,
    stream: (tenant) => `${streams}${checked(tenant)}`,
    tenantOf: (stream) => {
      const tenant = stream.startsWith(streams) ? stream.slice(streams.length) : ''
      return TENANT.test(tenant) ? tenant : undefined
    },
    cursors: `${prefix}-cursors`,
    dead: (tenant) => `${prefix}_dead_${checked(tenant)}`,
  }
}

function checked(tenant: string): string {
  if (TENANT.test(tenant)) return tenant
  throw new VelaError('VELA_EVENT_INVALID', `${JSON.stringify(tenant.slice(0, 80))} is no name of a tenant`)
}

const encoder = new TextEncoder()
const decoder = new TextDecoder()

/** Any text as one token of a subject or key, `acme/shop` → `acme=2Fshop`. */
export function toToken(text: string): string {
  return text.replaceAll(/[^A-Za-z0-9_-]/gu, (character) =>
    [...encoder.encode(character)]
      .map((byte) => `=${byte.toString(16).toUpperCase().padStart(2, '0')}`)
      .join(''),
  )
}

export function fromToken(token: string): string {
  const bytes: number[] = []
  for (let index = 0; index < token.length; index++) {
    if (token[index] === '=') {
      bytes.push(Number.parseInt(token.slice(index + 1, index + 3), 16))
      index += 2
    } else bytes.push(token.charCodeAt(index))
  }
  return decoder.decode(new Uint8Array(bytes))
}
