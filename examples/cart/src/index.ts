/**
 * A shopping cart for each customer, in a durable actor: what was answered is on disk, so a cart survives its cell, its
 * host and the next version of this service.
 */
import { Actor, type ActorNamespace, type ExportedHandler } from '@vela/guest-sdk'

interface Env {
  readonly PRICES: Readonly<Record<string, number>>
  readonly CARTS: ActorNamespace<Cart>
}

interface Item {
  readonly sku: string
  readonly quantity: number
}

interface Contents {
  readonly items: readonly Item[]
  readonly totalCents: number
}

interface Order extends Contents {
  readonly number: number
  readonly at: number
}

const MOST = 100
const ITEM = 'item:'
const ORDER = 'order:'

export class Cart extends Actor<Env> {
  async contents(): Promise<Contents> {
    const stored = await this.ctx.storage.list<number>({ prefix: ITEM })
    const items = [...stored].map(([key, quantity]) => ({ sku: key.slice(ITEM.length), quantity }))
    const prices = this.env.PRICES
    return {
      items,
      totalCents: items.reduce((sum, { sku, quantity }) => sum + (prices[sku] ?? 0) * quantity, 0),
    }
  }

  /** Between this `get` and `put` no other message of this cart runs. */
  async add({ sku, quantity }: Item): Promise<Contents> {
    const present = (await this.ctx.storage.get<number>(ITEM + sku)) ?? 0
    await this.ctx.storage.put(ITEM + sku, Math.min(MOST, present + quantity))
    return await this.contents()
  }

  async remove(sku: string): Promise<Contents> {
    await this.ctx.storage.delete(ITEM + sku)
    return await this.contents()
  }

  /** The order is written and the cart emptied, or neither. Null: there is nothing in it. */
  async checkout(): Promise<Order | null> {
    const { items, totalCents } = await this.contents()
    if (items.length === 0) return null
    return await this.ctx.storage.transaction(async (storage) => {
      const number = ((await storage.get<number>('orders')) ?? 0) + 1
      const order = { number, at: Date.now(), items, totalCents }
      await storage.put('orders', number)
      await storage.put(ORDER + String(number).padStart(6, '0'), order)
      await storage.delete(items.map(({ sku }) => ITEM + sku))
      return order
    })
  }

  async orders(): Promise<readonly Order[]> {
    return [...(await this.ctx.storage.list<Order>({ prefix: ORDER })).values()]
  }
}

const notFound = (): Response => Response.json({ error: 'no such address' }, { status: 404 })

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const { pathname } = new URL(request.url)
    const [, customer = '', rest = ''] = /^\/carts\/([\w-]{1,64})(\/.*)?$/.exec(pathname) ?? []
    if (customer === '') return notFound()
    const cart = env.CARTS.get(customer)
    switch (`${request.method} ${rest}`) {
      case 'GET ':
        return Response.json(await cart.contents())
      case 'POST /items': {
        const item = itemOf(await request.json().catch(() => undefined), env.PRICES)
        if (typeof item === 'string') return Response.json({ error: item }, { status: 400 })
        return Response.json(await cart.add(item))
      }
      case 'POST /checkout': {
        const order = await cart.checkout()
        return order === null
          ? Response.json({ error: 'the cart is empty' }, { status: 409 })
          : Response.json(order, { status: 201 })
      }
      case 'GET /orders':
        return Response.json({ orders: await cart.orders() })
    }
    const [, sku] = /^\/items\/([\w-]{1,64})$/.exec(rest) ?? []
    if (request.method !== 'DELETE' || sku === undefined) return notFound()
    return Response.json(await cart.remove(sku))
  },
} satisfies ExportedHandler<Env>

/** The item, or what is wrong with it. */
function itemOf(body: unknown, prices: Env['PRICES']): Item | string {
  const given: { sku?: unknown; quantity?: unknown } = typeof body === 'object' && body !== null ? body : {}
  const { sku, quantity = 1 } = given
  if (typeof sku !== 'string' || !Object.hasOwn(prices, sku))
    return `sku: one of ${Object.keys(prices).join(', ')}`
  if (typeof quantity !== 'number' || !Number.isInteger(quantity) || quantity < 1 || quantity > MOST)
    return `quantity: a whole number from 1 to ${MOST}`
  return { sku, quantity }
}
