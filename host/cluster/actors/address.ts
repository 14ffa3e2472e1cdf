/**
 * An actor's place in NATS. Names of actors are any text, so what stands in a subject is a digest of class and name; tenant and service
 * are names of the registry and stand as they are, so that all of a service or a tenant can be meant by a wildcard.
 */
import { createHash } from 'node:crypto'
import type { ActorAddress } from '../../concurrency/actors/types.ts'

/** `tenant.service.digest`: the rest of a subject, and a key of a bucket. No two actors share one. */
export function placeOf({ tenant, service, class: className, name }: ActorAddress): string {
  // A class has no slash.
  const digest = createHash('sha256').update(`${className}/${name}`).digest('base64url')
  return `${tenant}.${service}.${digest}`
}

/** All actors of a service, or of a tenant, as the rest of a subject. */
export const allOf = (tenant: string, service: string | undefined): string =>
  service === undefined ? `${tenant}.>` : `${tenant}.${service}.*`

/** What another host or a bucket says, as an address; undefined: it is none. */
export function readAddress(value: unknown): ActorAddress | undefined {
  if (!Array.isArray(value) || value.length !== 4) return undefined
  const [tenant, service, className, name] = value as unknown[]
  if (
    typeof tenant !== 'string' ||
    typeof service !== 'string' ||
    typeof className !== 'string' ||
    typeof name !== 'string'
  )
    return undefined
  return { tenant, service, class: className, name }
}

export const writeAddress = (address: ActorAddress): string[] => [
  address.tenant,
  address.service,
  address.class,
  address.name,
]
