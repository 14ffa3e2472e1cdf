/**
 * Takes orders. An order is an actor, so that placing it twice (a client that asks again) and hearing of its stock are one thing after the
 * other; that it was placed is a durable event, from which everything else follows.
 */
import {
  Actor,
  binding,
  channel,
  container,
  provide,
  taskGroup,
  token,
  type ActorNamespace,
  type Channel,
  type EventBinding,
  type EventMessage,
  type KvNamespace,
  type MethodStub,
} from '@vela/guest-sdk'
import type { Discounts, Facts, Line, Order } from '../../facts.ts'

type Status = 'placed' | 'reserved' | 'short'

interface Env {
  readonly FACTS: EventBinding<Facts>
}

const SKU = /^[a-z]{1,32}$/
const NAME = /^[a-z0-9-]{1,64}$/
const MOST_LINES = 20
const IMPORTERS = 4

const PRICES = binding<Readonly<Record<string, number>>>('PRICES')
const BOOKS = binding<ActorNamespace<OrderBook>>('ORDERS')
const CUSTOMERS = binding<KvNamespace>('CUSTOMERS')
// A stranger's plugin may take its time, or never answer: then there is no discount.
const DISCOUNTS = binding<MethodStub<Discounts>>('DISCOUNTS', { deadlineMs: 500 })
const CASHIER = token<Cashier>('cashier')
const ORDERS = token<Orders>('orders')

export class OrderBook extends Actor<Env> {
  /** The event has the order's id: however often it is published, it is one fact. */
  async place(order: Order): Promise<Status> {
    const known = await this.status()
    if (known !== null && known !== 'placed') return known
    await this.ctx.storage.put({ order, status: 'placed' })
    await this.env.FACTS.publish('orders.placed', order, { key: order.customer, id: `placed-${order.id}` })
    return 'placed'
  }

  async settle(status: Status): Promise<void> {
    await this.ctx.storage.put('status', status)
  }

  async status(): Promise<Status | null> {
    return (await this.ctx.storage.get<Status>('status')) ?? null
  }

  async show(): Promise<(Order & { status: Status }) | null> {
    const order = await this.ctx.storage.get<Order>('order')
    return order === undefined ? null : { ...order, status: (await this.status()) ?? 'placed' }
  }
}

class Cashier {
  readonly #prices: Readonly<Record<string, number>>
  readonly #discounts: MethodStub<Discounts>
  constructor(prices: Readonly<Record<string, number>>, discounts: MethodStub<Discounts>) {
    this.#prices = prices
    this.#discounts = discounts
  }

  sells = (sku: string): boolean => Object.hasOwn(this.#prices, sku)

  async total(lines: readonly Line[]): Promise<number> {
    const priced = lines.map((line) => ({ ...line, priceCents: this.#prices[line.sku] ?? 0 }))
    const sum = priced.reduce((cents, { priceCents, quantity }) => cents + priceCents * quantity, 0)
    try {
      const off = await this.#discounts.discount(priced)
      return typeof off === 'number' && off >= 0 && off <= sum ? sum - Math.floor(off) : sum
    } catch (error) {
      console.warn('no discount', error)
      return sum
    }
  }
}

class Orders {
  readonly #cashier: Cashier
  readonly #books: ActorNamespace<OrderBook>
  readonly #customers: KvNamespace
  constructor(cashier: Cashier, books: ActorNamespace<OrderBook>, customers: KvNamespace) {
    this.#cashier = cashier
    this.#books = books
    this.#customers = customers
  }

  async place(asked: unknown, id: string): Promise<Order & { status: Status }> {
    const { customer, lines } = this.#check(asked)
    const totalCents = await this.#cashier.total(lines)
    const order = { id, customer, lines, totalCents }
    const status = await this.#books.get(id).place(order)
    await this.#customers.put(`${customer}/${id}`, '', { metadata: { totalCents } })
    return { ...order, status }
  }

  show = (id: string): Promise<(Order & { status: Status }) | null> => this.#books.get(id).show()

  async ofCustomer(customer: string): Promise<readonly string[]> {
    const { keys } = await this.#customers.list({ prefix: `${customer}/`, limit: 100 })
    return keys.map(({ name }) => name.slice(customer.length + 1))
  }

  /** A line of JSON each. Who uploads waits when those who place are busy: no more than eight lines stand between. */
  async import(body: ReadableStream<Uint8Array>): Promise<{ placed: number; refused: number }> {
    const lines = channel<string>({ capacity: 8 })
    let placed = 0
    let refused = 0
    await taskGroup(async (group) => {
      group.spawn(() => splitInto(body, lines))
      for (let count = 0; count < IMPORTERS; count++)
        group.spawn(async () => {
          for await (const line of lines) {
            try {
              await this.place(JSON.parse(line), crypto.randomUUID())
              placed += 1
            } catch (error) {
              if (!(error instanceof BadOrder || error instanceof SyntaxError)) throw error
              refused += 1
            }
          }
        })
    })
    return { placed, refused }
  }

  #check(asked: unknown): Pick<Order, 'customer' | 'lines'> {
    const { customer, lines } = (asked ?? {}) as { customer?: unknown; lines?: unknown }
    if (typeof customer !== 'string' || !NAME.test(customer))
      throw new BadOrder('customer: 1 to 64 of a-z, 0-9 and "-"')
    if (!Array.isArray(lines) || lines.length === 0 || lines.length > MOST_LINES)
      throw new BadOrder(`lines: 1 to ${MOST_LINES} of {sku, quantity}`)
    const checked = lines.map((line: unknown): Line => {
      const { sku, quantity } = (line ?? {}) as { sku?: unknown; quantity?: unknown }
      if (typeof sku !== 'string' || !SKU.test(sku) || !this.#cashier.sells(sku))
        throw new BadOrder('sku: nothing that is sold here')
      if (!Number.isInteger(quantity) || (quantity as number) < 1 || (quantity as number) > 100)
        throw new BadOrder('quantity: 1 to 100')
      return { sku, quantity: quantity as number }
    })
    return { customer, lines: checked }
  }
}

class BadOrder extends Error {}

const app = container([
  provide(CASHIER, { useClass: Cashier, inject: [PRICES, DISCOUNTS], scope: 'request' }),
  provide(ORDERS, { useClass: Orders, inject: [CASHIER, BOOKS, CUSTOMERS], scope: 'request' }),
])

/** A handler of events: when it returns the event is acknowledged, when it throws it comes again. */
export const onStock = app.inject([BOOKS], async (books, event: EventMessage<Order>) => {
  await books.get(event.data.id).settle(event.subject === 'stock.reserved' ? 'reserved' : 'short')
})

export default {
  fetch: app.inject([ORDERS], async (orders, request: Request) => {
    try {
      return await route(orders, request)
    } catch (error) {
      if (error instanceof BadOrder) return Response.json({ error: error.message }, { status: 400 })
      // Its actor was on a host that has just gone: another takes it over in a moment.
      if ((error as { code?: string }).code !== 'VELA_NODE_LOST') throw error
      return Response.json({ error: 'ask again' }, { status: 503, headers: { 'retry-after': '1' } })
    }
  }),
}

async function route(orders: Orders, request: Request): Promise<Response> {
  const url = new URL(request.url)
  const id = /^\/orders\/([a-z0-9-]{1,64})$/.exec(url.pathname)?.[1]
  if (request.method === 'POST' && url.pathname === '/orders') {
    const key = request.headers.get('idempotency-key')
    const asked: unknown = await request.json().catch(() => undefined)
    if (key !== null && !NAME.test(key)) throw new BadOrder('idempotency-key: 1 to 64 of a-z, 0-9 and "-"')
    return Response.json(await orders.place(asked, key ?? crypto.randomUUID()), { status: 201 })
  }
  if (request.method === 'POST' && url.pathname === '/import' && request.body !== null)
    return Response.json(await orders.import(request.body))
  if (request.method === 'GET' && id !== undefined) {
    const order = await orders.show(id)
    return order === null ? Response.json({ error: 'no such order' }, { status: 404 }) : Response.json(order)
  }
  const customer = url.searchParams.get('customer')
  if (request.method === 'GET' && url.pathname === '/orders' && customer !== null && NAME.test(customer))
    return Response.json({ orders: await orders.ofCustomer(customer) })
  return Response.json(
    { error: 'POST /orders, POST /import, GET /orders/ID or GET /orders?customer=NAME' },
    { status: 404 },
  )
}

async function splitInto(body: ReadableStream<Uint8Array>, lines: Channel<string>): Promise<void> {
  let rest = ''
  const decoder = new TextDecoder()
  for await (const part of body) {
    const pieces = (rest + decoder.decode(part, { stream: true })).split('\n')
    rest = pieces.pop() ?? ''
    if (rest.length > 65_536) throw new BadOrder('a line has at most 65,536 characters')
    for (const line of pieces) if (line.trim() !== '') await lines.send(line)
  }
  if (rest.trim() !== '') await lines.send(rest)
  lines.close()
}
