/**
 * The shop at work: `node examples/shop/run.ts` on one host, `--hosts 2` on two with NATS, of which the second is killed in the midst of it.
 * Customers order, stock is reserved, letters are written; every service tells the others by durable events. `--keep` leaves it running.
 */
import { parseArgs } from 'node:util'
import { startOneHost, startTwoHosts } from './hosts.ts'

interface Order {
  readonly id: string
  readonly customer: string
  readonly totalCents: number
  readonly status: string
}

const WAIT_MS = 60_000

const { values } = parseArgs({
  options: {
    hosts: { type: 'string', default: '1' },
    nats: { type: 'string' },
    keep: { type: 'boolean', default: false },
  },
})
if (values.hosts !== '1' && values.hosts !== '2') throw new Error('--hosts is 1 or 2')
const say = (text: string): void => void process.stdout.write(`${text}\n`)
const onLetter = (host: string, to: string, subject: string): void =>
  say(`  letter to ${to}, by the postman of host ${host}: ${subject}`)

const site = await (values.hosts === '1'
  ? startOneHost({ onLetter })
  : startTwoHosts({ nats: values.nats, onLetter }))
const [first = '', second = first] = site.gateways
say(`the shop is open at ${site.gateways.map((gateway) => `${gateway}/shop/orders`).join(' and ')}`)

async function ask<Answer>(gateway: string, path: string, init?: RequestInit): Promise<Answer> {
  const response = await fetch(`${gateway}/shop${path}`, init)
  if (!response.ok) throw new Error(`${path} answered ${response.status}: ${await response.text()}`)
  return (await response.json()) as Answer
}

const order = (gateway: string, customer: string, sku: string, quantity: number): Promise<Order> =>
  ask(gateway, '/orders/orders', {
    method: 'POST',
    body: JSON.stringify({ customer, lines: [{ sku, quantity }] }),
  })

/** Asks until the answer is what is waited for. */
async function until<Answer>(
  look: () => Promise<Answer>,
  isReached: (answer: Answer) => boolean,
): Promise<Answer> {
  const deadline = performance.now() + WAIT_MS
  for (;;) {
    // A host that has just gone is missed for a while.
    const answer = await look().catch(() => undefined)
    if (answer !== undefined && isReached(answer)) return answer
    if (performance.now() > deadline) throw new Error(`waited in vain, and saw ${JSON.stringify(answer)}`)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

const settled = (gateway: string, { id }: Pick<Order, 'id'>): Promise<Order> =>
  until(
    () => ask<Order>(gateway, `/orders/orders/${id}`),
    ({ status }) => status !== 'placed',
  )

const show = ({ customer, totalCents, status }: Order): void =>
  say(`  ${customer}: ${(totalCents / 100).toFixed(2)} €, ${status}`)

try {
  for (const [sku, count] of [
    ['tea', 100],
    ['mug', 3],
  ] as const)
    await ask(first, `/stock/shelves/${sku}`, { method: 'PUT', body: JSON.stringify({ count }) })

  say('ann orders twelve teas (every tenth is free), bob five mugs of the three there are:')
  const placed = [await order(first, 'ann', 'tea', 12), await order(second, 'bob', 'mug', 5)]
  for (const one of placed) show(await settled(first, one))

  say('carol uploads a list of twenty orders:')
  const lines = Array.from({ length: 20 }, () => ({
    customer: 'carol',
    lines: [{ sku: 'tea', quantity: 1 }],
  }))
  const imported = await ask(second, '/orders/import', {
    method: 'POST',
    body: lines.map((line) => JSON.stringify(line)).join('\n'),
  })
  say(`  ${JSON.stringify(imported)}`)

  if (site.gateways.length === 2) {
    say('dan orders at the second host, which is killed at once:')
    const last = await order(second, 'dan', 'tea', 2)
    await site.kill(1)
    say('  (what a host had is taken over when nothing was heard of it for ten seconds)')
    show(await settled(first, last))
  }

  const { orders } = await ask<{ orders: string[] }>(first, '/orders/orders?customer=carol')
  for (const id of orders) await settled(first, { id })
  const { count } = await ask<{ count: number }>(first, '/stock/shelves/tea')
  say(`carol has ${orders.length} orders, and ${count} teas are left on the shelf`)
  const { letters } = await until(
    () => ask<{ letters: string[] }>(first, '/mail/letters/carol'),
    (answer) => answer.letters.length === orders.length,
  )
  // Of each order two: that it was placed, and what the stock said.
  const facts = 2 * (placed.length + orders.length + site.gateways.length - 1)
  const { entries } = await until(
    () => ask<{ entries: unknown[] }>(first, '/audit/log'),
    (answer) => answer.entries.length >= facts,
  )
  say(`she has ${letters.length} letters, and the audit log has ${entries.length} facts`)
  if (values.keep) {
    say('it goes on until you press Ctrl-C')
    await new Promise((resolve) => process.once('SIGINT', resolve))
  }
} finally {
  await site.stop()
}
