/** Arguments as people type them, checked before anything is asked of a host. */
import { InvalidArgumentError } from 'commander'
import type { JsonValue } from '../registry/types.ts'
import { UsageError } from './usage-error.ts'

export interface Target {
  readonly tenant: string
  readonly service: string
}

/** `acme/shop`. Which names exist, and which are allowed, the host says. */
export function parseTarget(text: string): Target {
  const [tenant, service, ...rest] = text.split('/')
  if (!tenant || !service || rest.length > 0) {
    throw new UsageError(
      `${JSON.stringify(text)} does not name a service; write <tenant>/<service>, such as demo/hello`,
    )
  }
  return { tenant, service }
}

export function parsePort(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN
  if (port <= 65_535) return port
  throw new InvalidArgumentError('a port is a number from 0 (any free one) to 65535.')
}

export function parseArgs(text: string): JsonValue[] {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new UsageError(
      `the arguments are not JSON (${error instanceof Error ? error.message : 'unreadable'}); write an array, such as '["a", 2]'`,
    )
  }
  if (Array.isArray(value)) return value as JsonValue[]
  throw new UsageError(
    `the arguments must be a JSON array, one element for each parameter; write '[${text}]'`,
  )
}
