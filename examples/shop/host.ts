/**
 * One host of the shop: a program that embeds Vela, offers guests a service of its own (the postman) and lets the shop call its partner's
 * plugin. With NATS it is one of several hosts. Run by itself it prints where it listens as a line of JSON, and ends with SIGTERM.
 */
import { parseArgs } from 'node:util'
import { Runtime } from 'vela-runtime'
import type { Postman } from './facts.ts'

export interface ShopHostOptions {
  readonly name: string
  /** null: nothing is kept. */
  readonly data: string | null
  /** null: alone. */
  readonly nats: string | null
  readonly onLetter: (to: string, subject: string) => void
}

export interface ShopHost {
  readonly runtime: Runtime
  readonly gateway: string
}

const SERVICES = [
  ['partner', 'discounts'],
  ['shop', 'stock'],
  ['shop', 'mail'],
  ['shop', 'audit'],
  ['shop', 'orders'],
] as const

export async function startShopHost({ name, data, nats, onLetter }: ShopHostOptions): Promise<ShopHost> {
  const runtime = await Runtime.create({
    gateway: { port: 0 },
    admin: { port: 0 },
    data,
    log: { level: 'warn' },
    node: { name },
    ...(nats === null ? {} : { nats: { servers: [nats] } }),
    policy: {
      tenants: { shop: { services: { host: ['postman'], services: ['partner/discounts'] } } },
    },
  })
  const postman: Postman = { deliver: onLetter }
  await runtime.registerService('postman', postman)
  const { gateway } = await runtime.start()
  return { runtime, gateway }
}

/** On one of the hosts: the others have it then. The plugin comes first, for what `orders` needs is looked for when it is deployed. */
export async function deployShop(runtime: Runtime): Promise<void> {
  for (const [tenant, service] of SERVICES)
    await runtime.deploy({ tenant, path: new URL(service, import.meta.url).pathname })
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      name: { type: 'string', default: 'host' },
      data: { type: 'string' },
      nats: { type: 'string' },
      deploy: { type: 'boolean', default: false },
    },
  })
  const { name, data = null, nats = null, deploy } = values
  const say = (what: object): void => void process.stdout.write(`${JSON.stringify(what)}\n`)
  const { runtime, gateway } = await startShopHost({
    name,
    data,
    nats,
    onLetter: (to, subject) => say({ event: 'letter', to, subject }),
  })
  if (deploy) await deployShop(runtime)
  say({ event: 'ready', gateway })
  const stop = (): void => void runtime.stop().then(() => process.exit(0))
  process.once('SIGTERM', stop)
  process.once('SIGINT', stop)
}
