/** The guests' sources, and fleets of them. */
import { readFileSync } from 'node:fs'
import { bundleService } from '../host/bundle/bundler.ts'
import type { Guest } from './contract.ts'

export type GuestName =
  | 'hello'
  | 'echo'
  | 'stream'
  | 'loop'
  | 'web-api'
  | 'kv'
  | 'fetch'
  | 'actors'
  | 'channels'
  | 'events'
  | 'visits'
  | 'workers'

export function guest(name: GuestName, tenant: string = 'bench', service: string = name): Guest {
  return { tenant, service, source: readFileSync(new URL(`./guests/${name}.js`, import.meta.url), 'utf8') }
}

/** An example of this repository as `vela deploy` bundles it: every contender runs the same bundle. */
export async function example(name: string): Promise<Guest> {
  const path = new URL(`../examples/${name}`, import.meta.url).pathname
  const { bundle } = await bundleService(path)
  return { tenant: 'bench', service: name, source: bundle.source }
}

/** `count` tenants with a hello service each. */
export function tenants(count: number): Guest[] {
  return Array.from({ length: count }, (_, index) => guest('hello', `tenant-${index}`))
}

/** `count` hello services of one tenant. */
export function services(count: number): Guest[] {
  return Array.from({ length: count }, (_, index) => guest('hello', 'bench', `hello-${index}`))
}
