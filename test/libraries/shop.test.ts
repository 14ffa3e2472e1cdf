/** Capabilities used together, by services that were not written for them: a Hono app, and a worker that comes with wrangler's file. */
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { describeEngines } from '../engines.ts'
import { createLibraryHost, createUpstream, SERVICES, type Service } from './harness.ts'

const PRICES: Readonly<Record<string, number>> = { tea: 1250, cup: 300 }
const upstream = createUpstream((request, response) => {
  const cents = PRICES[decodeURIComponent((request.url ?? '').replace('/prices/', ''))]
  response.statusCode = cents === undefined ? 404 : 200
  response.end(JSON.stringify({ cents }))
})
const host = createLibraryHost()

describeEngines('a Hono app with KV, fetch and other services', (engine) => {
  let shop: Service
  beforeAll(async () => {
    await host.deploy(engine, 'stock.ts', { engine, vars: { OWNER: engine } })
    shop = await host.deploy(engine, 'shop.ts', {
      engine,
      vars: { PRICES: upstream.origin() },
      capabilities: {
        ...upstream.asked().capabilities,
        kv: { CARTS: { namespace: 'carts' } },
        services: {
          STOCK: { service: 'stock', entrypoint: 'Stock', methods: ['available'] },
          WAREHOUSE: { service: 'stock' },
        },
      },
    })
  })
  const add = (cart: string, sku: string): Promise<Response> =>
    shop.fetch(`/carts/${cart}/${sku}`, { method: 'POST' })

  test('keeps carts in KV, asks for stock by RPC and for prices by fetch', async () => {
    expect((await shop.fetch('/carts/1')).status).toBe(404)
    for (const count of [1, 2])
      expect(await (await add('1', 'tea')).json()).toEqual({ lines: { tea: count } })
    expect(await (await shop.fetch('/carts/1')).json()).toEqual({ lines: { tea: 2 }, totalCents: 2500 })
    expect((await add('1', 'tea')).status).toBe(200)
    const soldOut = await add('1', 'tea')
    expect([soldOut.status, await soldOut.text()]).toEqual([409, 'tea is sold out'])
  })

  test('gets the error that the other service threw', async () => {
    const failed = await add('1', 'soap')
    expect([failed.status, await failed.json()]).toMatchObject([502, { message: 'no such article: soap' }])
  })

  test('hands a request on to the other service as it is', async () => {
    const served = await shop.fetch('/warehouse/shelves?x=1', { method: 'PUT', body: 'x' })
    expect(served.headers.get('x-served-by')).toBe('stock')
    expect(await served.json()).toEqual({ owner: engine, pathname: '/warehouse/shelves', method: 'PUT' })
  })

  test('reaches nothing that its manifest does not name', async () => {
    const refused = await shop.fetch('/outside')
    expect([refused.status, await refused.json()]).toMatchObject([502, { code: 'VELA_FETCH_DENIED' }])
  })
})

describeEngines('a worker with wrangler’s manifest', (engine) => {
  const tenant = `moved-to-${engine}`
  let links: Service
  beforeAll(async () => {
    await host.deploy(tenant, 'stock.ts', { engine })
    await host.runtime().deploy({ tenant, path: join(SERVICES, 'links') })
    await host.runtime().setEngine(tenant, 'links', engine)
    links = host.at(tenant, 'links')
  })
  const put = (slug: string, to: string): Promise<Response> =>
    links.fetch(`/${slug}`, { method: 'PUT', body: to, headers: { 'x-user': 'ada' } })

  test('stores, lists, counts and deletes by its kv_namespaces, and calls its services', async () => {
    const made = await put('home', 'https://example.com/')
    expect([made.status, made.headers.get('x-audited')]).toEqual([201, '1'])
    expect((await put('docs', 'https://example.com/docs')).headers.get('x-audited')).toBe('2')
    expect(await (await links.fetch('/')).json()).toEqual({ owner: 'acme', links: ['docs', 'home'] })
    expect(await host.runtime().invoke(`${tenant}/links`, 'Admin.count')).toBe(2)

    const hits: (string | null)[] = []
    for (let visit = 1; visit <= 3; visit++) {
      const moved = await links.fetch('/home')
      expect([moved.status, moved.headers.get('location')]).toEqual([302, 'https://example.com/'])
      expect(moved.headers.get('x-by')).toBe('ada')
      hits.push(moved.headers.get('x-hits'))
    }
    expect(hits).toEqual(['1', '2', '3'])

    expect((await links.fetch('/docs', { method: 'DELETE' })).status).toBe(204)
    expect((await links.fetch('/docs')).status).toBe(404)
    expect(await (await links.fetch('/')).json()).toMatchObject({ links: ['home'] })
  })

  test('runs on the engine that the operator chose', async () => {
    const services = await host.runtime().services(tenant)
    expect(services.find(({ service }) => service === 'links')?.engine).toBe(engine)
  })
})
