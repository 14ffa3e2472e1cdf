/** One Hono app on three capabilities: carts in KV, prices by fetch, stock by RPC. */
import { Hono } from 'hono'
import { HTTPException } from 'hono/http-exception'

interface Cart {
  readonly lines: Record<string, number>
}

interface Bindings {
  readonly CARTS: {
    get(key: string, type: 'json'): Promise<Cart | null>
    put(key: string, value: string): Promise<unknown>
  }
  readonly STOCK: { available(sku: string): Promise<number> }
  readonly WAREHOUSE: { fetch(request: Request): Promise<Response> }
  readonly PRICES: string
}

const app = new Hono<{ Bindings: Bindings }>()

app.post('/carts/:id/:sku', async (c) => {
  const { id, sku } = c.req.param()
  const cart = (await c.env.CARTS.get(id, 'json')) ?? { lines: {} }
  const wanted = (cart.lines[sku] ?? 0) + 1
  if ((await c.env.STOCK.available(sku)) < wanted)
    throw new HTTPException(409, { message: `${sku} is sold out` })
  cart.lines[sku] = wanted
  await c.env.CARTS.put(id, JSON.stringify(cart))
  return c.json(cart)
})

app.get('/carts/:id', async (c) => {
  const cart = await c.env.CARTS.get(c.req.param('id'), 'json')
  if (cart === null) return c.notFound()
  const prices = await Promise.all(
    Object.entries(cart.lines).map(async ([sku, count]) => {
      const response = await fetch(`${c.env.PRICES}/prices/${encodeURIComponent(sku)}`, {
        headers: { accept: 'application/json' },
      })
      return ((await response.json()) as { cents: number }).cents * count
    }),
  )
  return c.json({ ...cart, totalCents: prices.reduce((sum, price) => sum + price, 0) })
})

app.all('/warehouse/*', (c) => c.env.WAREHOUSE.fetch(c.req.raw))
app.get('/outside', async (c) => c.text(await (await fetch('http://example.com/')).text()))
app.onError((error, c) => {
  if (error instanceof HTTPException) return error.getResponse()
  const { name, message, code } = error as Error & { code?: string }
  return c.json({ name, message, code }, 502)
})

export default app
