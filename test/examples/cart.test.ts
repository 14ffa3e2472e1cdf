/** The shopping cart: what it has answered is there afterwards, whatever happens to its cell, its host and its version. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { cellPidsOf, isRunning, tempDir, until, type TempDir } from '../e2e/support.ts'
import { describeEngines } from '../engines.ts'
import { atOnce, startExample, type ExampleHost } from './support.ts'

const item = (sku: string, quantity: number): object => ({ sku, quantity })

describeEngines('the cart', (engine) => {
  let host: ExampleHost
  beforeAll(async () => {
    host = await startExample('cart', { engine })
  })
  afterAll(() => host[Symbol.asyncDispose]())

  test('adds, counts the total, removes, and makes an order of what is left', async () => {
    expect((await host.get('/carts/ada')).body).toEqual({ items: [], totalCents: 0 })
    await host.post('/carts/ada/items', item('tea', 2))
    await host.post('/carts/ada/items', { sku: 'mug' })
    expect((await host.post('/carts/ada/items', item('tea', 1))).body).toEqual({
      items: [item('mug', 1), item('tea', 3)],
      totalCents: 2550,
    })
    expect((await host.remove('/carts/ada/items/mug')).body).toEqual({
      items: [item('tea', 3)],
      totalCents: 1350,
    })
    const order = await host.post('/carts/ada/checkout')
    expect(order.status).toBe(201)
    expect(order.body).toMatchObject({ number: 1, items: [item('tea', 3)], totalCents: 1350 })
    expect((await host.get('/carts/ada')).body).toEqual({ items: [], totalCents: 0 })
    expect((await host.get('/carts/ada/orders')).body).toEqual({ orders: [order.body] })
  })

  test('of one customer is not the cart of another', async () => {
    await host.post('/carts/bob/items', item('coffee', 1))
    expect((await host.get('/carts/eve')).body).toMatchObject({ items: [] })
  })

  test('loses none of the additions that come at the same time', async () => {
    await atOnce(20, () => host.post('/carts/grace/items', item('tea', 1)))
    expect((await host.get('/carts/grace')).body).toMatchObject({ items: [item('tea', 20)] })
  })

  test('makes one order of checkouts that come at the same time', async () => {
    await host.post('/carts/joan/items', item('mug', 1))
    const answers = await atOnce(5, () => host.post('/carts/joan/checkout'))
    expect(answers.map(({ status }) => status).sort((a, b) => a - b)).toEqual([201, 409, 409, 409, 409])
  })

  test('says what is wrong with what it cannot take', async () => {
    expect(await host.post('/carts/ada/items', item('gold', 1))).toMatchObject({
      status: 400,
      body: { error: /^sku/ },
    })
    for (const bad of [item('tea', 0), item('tea', 1.5), item('tea', 1e9)])
      expect((await host.post('/carts/ada/items', bad)).status).toBe(400)
    for (const bad of ['', 'null', '[]', '{"sku":'])
      expect((await host.post('/carts/ada/items', bad)).status).toBe(400)
    for (const path of ['/', '/carts/', '/carts/a%20b', '/carts/ada/nowhere'])
      expect((await host.get(path)).status).toBe(404)
  })

  test('is there after its cell was killed', async () => {
    await host.post('/carts/kay/items', item('tea', 7))
    const cells = cellPidsOf(process.pid)
    for (const pid of cells) process.kill(pid, 'SIGKILL')
    await until('the cells are gone', () => cells.every((pid) => !isRunning(pid)))
    expect((await host.get('/carts/kay')).body).toMatchObject({ items: [item('tea', 7)] })
  })

  test('is there in the next version, with its prices', async () => {
    await host.post('/carts/mary/items', item('tea', 2))
    await host.redeploy({ PRICES: { tea: 500 } })
    expect((await host.get('/carts/mary')).body).toEqual({ items: [item('tea', 2)], totalCents: 1000 })
  })
})

describe('the cart', () => {
  let folder: TempDir
  beforeAll(() => {
    folder = tempDir()
  })
  afterAll(() => folder[Symbol.dispose]())

  test('is there after a restart of the host, and so are the orders', async () => {
    const config = { data: folder.path }
    const before = await startExample('cart', { engine: 'v8', config })
    await before.post('/carts/ada/items', item('tea', 1))
    await before.post('/carts/ada/checkout')
    await before.post('/carts/ada/items', item('mug', 4))
    await before[Symbol.asyncDispose]()
    await using after = await startExample('cart', { engine: 'v8', config })
    expect((await after.get('/carts/ada')).body).toMatchObject({ items: [item('mug', 4)] })
    await after.post('/carts/ada/checkout')
    const { orders } = (await after.get('/carts/ada/orders')).body as { orders: { number: number }[] }
    expect(orders.map(({ number }) => number)).toEqual([1, 2])
  })
})
