/**
 * What is on the shelves. Each shelf is an actor that reserves for an order at most once, so an event that comes twice changes nothing:
 * durable events come at least once.
 */
import {
  Actor,
  binding,
  container,
  type ActorNamespace,
  type EventBinding,
  type EventMessage,
} from '@vela/guest-sdk'
import type { Facts, Order } from '../../facts.ts'

const SHELVES = binding<ActorNamespace<Shelf>>('SHELVES')
const FACTS = binding<EventBinding<Facts>>('FACTS')

export class Shelf extends Actor {
  async count(): Promise<number> {
    return (await this.ctx.storage.get<number>('count')) ?? 0
  }

  async fill(count: number): Promise<number> {
    await this.ctx.storage.put('count', count)
    return count
  }

  /** Whether the order has what it asked for. */
  async reserve(order: string, quantity: number): Promise<boolean> {
    if ((await this.ctx.storage.get(`order:${order}`)) !== undefined) return true
    const count = await this.count()
    if (count < quantity) return false
    await this.ctx.storage.put({ count: count - quantity, [`order:${order}`]: quantity })
    return true
  }

  async release(order: string): Promise<void> {
    const quantity = await this.ctx.storage.get<number>(`order:${order}`)
    if (quantity === undefined) return
    await this.ctx.storage.transaction(async (storage) => {
      await storage.put('count', (await this.count()) + quantity)
      await storage.delete(`order:${order}`)
    })
  }
}

const app = container([])

export const onOrder = app.inject([SHELVES, FACTS], async (shelves, facts, event: EventMessage<Order>) => {
  const order = event.data
  const about = { key: order.customer, id: `stock-${order.id}` }
  for (const [index, { sku, quantity }] of order.lines.entries()) {
    if (await shelves.get(sku).reserve(order.id, quantity)) continue
    for (const line of order.lines.slice(0, index)) await shelves.get(line.sku).release(order.id)
    await facts.publish('stock.short', { ...order, sku }, about)
    return
  }
  await facts.publish('stock.reserved', order, about)
})

export default {
  fetch: app.inject([SHELVES], async (shelves, request: Request) => {
    const sku = /^\/shelves\/([a-z]{1,32})$/.exec(new URL(request.url).pathname)?.[1]
    if (sku === undefined) return Response.json({ error: 'GET or PUT /shelves/SKU' }, { status: 404 })
    if (request.method === 'GET') return Response.json({ sku, count: await shelves.get(sku).count() })
    const { count } = ((await request.json().catch(() => null)) ?? {}) as { count?: unknown }
    if (!Number.isInteger(count) || (count as number) < 0)
      return Response.json({ error: 'count: a whole number' }, { status: 400 })
    return Response.json({ sku, count: await shelves.get(sku).fill(count as number) })
  }),
}
