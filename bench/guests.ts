/** The guests' sources, and fleets of them. */
import { readFileSync } from 'node:fs'
import type { Guest } from './contract.ts'

export type GuestName = 'hello' | 'echo' | 'stream' | 'loop'

export function guest(name: GuestName, tenant: string = 'bench', service: string = name): Guest {
  return { tenant, service, source: readFileSync(new URL(`./guests/${name}.js`, import.meta.url), 'utf8') }
}

/** `count` tenants with a hello service each. */
export function tenants(count: number): Guest[] {
  return Array.from({ length: count }, (_, index) => guest('hello', `tenant-${index}`))
}

/** `count` hello services of one tenant. */
export function services(count: number): Guest[] {
  return Array.from({ length: count }, (_, index) => guest('hello', 'bench', `hello-${index}`))
}
