/** Containers inside a service, on both engines: what is made when, for whom, and when it ends. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { describeEngines } from '../engines.ts'
import { startDiHost, type DiHost } from './guest-support.ts'

let host: DiHost
beforeAll(async () => {
  host = await startDiHost()
})
afterAll(() => host.close())
beforeEach(() => {
  host.notes.length = 0
})

const NOTES = { services: { NOTES: { host: 'notes' } } }

describeEngines('a container', (engine) => {
  test('injects into constructors, factories and properties, each scope its own', async () => {
    await host.wire(
      engine,
      'scopes',
      `const CLOCK = token('clock'), ORDERS = token('orders'), EACH = token('each'), SAME = token('same')
       let made = 0
       class Clock { id = ++made }
       class Orders {
         id = ++made
         constructor(clock, each, greeting) { this.clock = clock; this.each = each; this.greeting = greeting }
       }
       class Each { id = ++made }
       const app = container([
         provide(CLOCK, { useClass: Clock }),
         provide(EACH, { useClass: Each, scope: 'transient' }),
         provide(ORDERS, { useClass: Orders, inject: [CLOCK, EACH, binding('GREETING')], properties: { ctx: CONTEXT }, scope: 'request' }),
         provide(SAME, { useExisting: ORDERS }),
       ])
       export const look = app.inject([ORDERS, SAME, EACH, lazy(CLOCK), optional(token('nobody'))], (orders, same, each, clock, none, word) =>
         [orders.id, orders === same, orders.clock.id === clock().id, clock().id, each.id !== orders.each.id, orders.greeting, typeof orders.ctx.waitUntil, none === undefined, word])`,
    )
    const first = (await host.ask(engine, 'scopes', 'look', 'x')) as unknown[]
    const second = (await host.ask(engine, 'scopes', 'look', 'y')) as unknown[]
    expect(first.slice(1)).toEqual([true, true, 1, true, 'hello', 'function', true, 'x'])
    expect(second.slice(1)).toEqual([true, true, 1, true, 'hello', 'function', true, 'y'])
    expect(first[0]).not.toBe(second[0])
  })

  test('makes a singleton for nobody in particular, whoever asks first, and keeps it', async () => {
    await host.wire(
      engine,
      'single',
      `const CACHE = token('cache'), NOTES = binding('NOTES')
       const app = container([provide(CACHE, { useFactory: (notes) => ({ notes }), inject: [NOTES], dispose: ({ notes }) => notes.note('cache ended') })])
       export const look = app.inject([CACHE, NOTES], (cache, notes) => [cache.notes === app.resolve(NOTES), cache.notes === notes, app.resolve(CACHE) === cache])
       export const end = () => app.dispose()`,
      NOTES,
    )
    expect(await host.ask(engine, 'single', 'look')).toEqual([true, false, true])
    expect(await host.ask(engine, 'single', 'look')).toEqual([true, false, true])
    expect(host.notes).toEqual([])
    await host.ask(engine, 'single', 'end')
    expect(host.notes).toEqual(['cache ended'])
  })

  test('waits for what is made asynchronously, makes it once for all who ask, and again after it failed', async () => {
    await host.wire(
      engine,
      'async',
      `const CONFIG = token('config'), REPO = token('repo'), SHAKY = token('shaky')
       let made = 0, tries = 0
       const sleep = (ms) => new Promise((done) => setTimeout(done, ms))
       class Repo { constructor(config) { this.config = config } ready = false }
       const app = container([
         provide(CONFIG, { useFactory: async () => { await sleep(5); return { made: ++made } } }),
         provide(REPO, { useClass: Repo, inject: [CONFIG], scope: 'request', onInit: async (repo) => { await sleep(1); repo.ready = true } }),
         provide(SHAKY, { useFactory: async () => { await sleep(1); if (++tries < 2) throw new RangeError('not yet'); return 'there' } }),
       ])
       export const look = app.inject([REPO, REPO], (one, two, n) => [one.config.made, one.ready, one === two, n])
       export const soon = () => { try { return app.resolve(CONFIG).made } catch (error) { return [error.code, error.message] } }
       export const shaky = async () => { try { return await app.resolveAsync(SHAKY) } catch (error) { return [error.code, error.message, error.cause.name] } }
       export default { async fetch(request, env, ctx) { const repo = await app.scope(ctx).resolveAsync(REPO); return new Response(String(repo.ready)) } }`,
    )
    expect(await host.ask(engine, 'async', 'soon')).toEqual([
      'VELA_DI_FACTORY_FAILED',
      'config is made asynchronously; use resolveAsync, or let it be injected',
    ])
    const [one, two] = await Promise.all([
      host.ask(engine, 'async', 'look', 1),
      host.ask(engine, 'async', 'look', 2),
    ])
    expect([one, two]).toEqual([
      [1, true, true, 1],
      [1, true, true, 2],
    ])
    expect(await host.ask(engine, 'async', 'soon')).toBe(1)
    expect(await host.ask(engine, 'async', 'shaky')).toEqual([
      'VELA_DI_FACTORY_FAILED',
      'shaky could not be made: not yet',
      'RangeError',
    ])
    expect(await host.ask(engine, 'async', 'shaky')).toBe('there')
    expect(await (await host.get(engine, 'async')).text()).toBe('true')
  })

  test('disposes what a request made, in reverse order, after all that waitUntil holds, and may call meanwhile', async () => {
    await host.wire(
      engine,
      'disposal',
      `const A = token('a'), B = token('b'), NOTES = binding('NOTES')
       const note = (name) => ({ name })
       const app = container([
         provide(A, { useFactory: (notes) => ({ notes }), inject: [NOTES], scope: 'request', dispose: async ({ notes }) => { await notes.note('a ends'); await notes.note('a ended') } }),
         provide(B, { useFactory: (a) => ({ a }), inject: [A], scope: 'request', dispose: async ({ a }) => { await a.notes.note('b ended') } }),
       ])
       const sleep = (ms) => new Promise((done) => setTimeout(done, ms))
       export default {
         fetch: app.inject([B, CONTEXT], async (b, ctx, request) => {
           const { pathname } = new URL(request.url)
           ctx.waitUntil((async () => { await sleep(20); await b.a.notes.note('waited') })())
           if (pathname === '/throws') throw new Error('no')
           if (pathname === '/stream') return new Response(new ReadableStream({ async pull(controller) { await sleep(30); await b.a.notes.note('streamed'); controller.enqueue(new TextEncoder().encode('x')); controller.close() } }))
           return new Response('ok')
         }),
         scheduled: app.inject([B], async (b, controller) => { await b.a.notes.note('ran ' + controller.cron) }),
       }
       export const call = app.inject([B], async (b) => { await b.a.notes.note('called'); return 'done' })`,
      NOTES,
    )
    const ends = ['b ended', 'a ends', 'a ended']
    const settled = async (): Promise<string[]> => {
      await expect.poll(() => host.notes.includes('a ended'), { timeout: 10_000 }).toBe(true)
      return host.notes.splice(0)
    }
    expect(await (await host.get(engine, 'disposal/')).text()).toBe('ok')
    expect(await settled()).toEqual(['waited', ...ends])
    expect((await host.get(engine, 'disposal/throws')).status).toBe(500)
    expect(await settled()).toEqual(['waited', ...ends])
    expect(await (await host.get(engine, 'disposal/stream')).text()).toBe('x')
    expect(await settled()).toEqual(['waited', 'streamed', ...ends])
    expect(await host.ask(engine, 'disposal', 'call')).toBe('done')
    expect(await settled()).toEqual(['called', ...ends])
  })
})
