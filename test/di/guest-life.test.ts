/** Lives of what is injected: actors, deadlines of bindings, cancellation, the end of a scope. */
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
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

const noted = async (what: string): Promise<string[]> => {
  await expect.poll(() => host.notes.includes(what), { timeout: 10_000 }).toBe(true)
  return host.notes.splice(0)
}

const CART = `
  const LOG = token('log'), PRICES = token('prices'), NOTES = binding('NOTES'), BAD = token('bad')
  let prices = 0
  const app = container([
    provide(PRICES, { useFactory: () => ({ id: ++prices }) }),
    provide(LOG, {
      useFactory: (actor, notes, prices) => ({ name: actor.id.name, storage: actor.storage, notes, prices, said: 0 }),
      inject: [ACTOR, NOTES, PRICES],
      scope: 'actor',
      dispose: async (log) => {
        const told = log.notes.note(log.name + ' ends after ' + log.said)
        if (log.said > 100) await log.storage.put('closed', true)
        await told
      },
    }),
    provide(BAD, { useFactory: () => { throw new Error('no') }, scope: 'actor' }),
  ])
  export class Cart extends Actor {
    log = app.scope(this.ctx).resolve(LOG)
    async add() { await this.ctx.storage.put('n', ++this.log.said); return [this.log.prices.id, app.scope(this.ctx).resolve(LOG) === this.log, this.log.said] }
    leave() { this.ctx.passivate() }
    closed() { return this.ctx.storage.get('closed') }
    fail() { throw new Error('broken') }
    onPassivate() { this.log.said += 100 }
    where() { try { app.scope(this.ctx).resolve(CONTEXT) } catch (error) { return [error.code, error.message] } }
  }
  Cart.options = { supervision: { strategy: 'restart' } }
  export class Broken extends Actor { log = app.scope(this.ctx).resolve(LOG); bad = app.scope(this.ctx).resolve(BAD); add() {} }
  export default { async fetch(request, env) {
    const [, kind, name, method] = new URL(request.url).pathname.split('/')
    try { return Response.json((await env[kind].ask(name, method)) ?? null) } catch (error) { return Response.json({ code: error.code, message: error.message }) }
  } }`
const CART_POWERS = {
  services: { NOTES: { host: 'notes' } },
  actors: { CARTS: { class: 'Cart' }, BROKEN: { class: 'Broken' } },
}

describeEngines('what lives as long as an actor', (engine) => {
  const ask = async (path: string): Promise<unknown> => await (await host.get(engine, `carts/${path}`)).json()

  test('is made for each instance, and disposed when it leaves memory or is given up', async () => {
    await host.wire(engine, 'carts', CART, CART_POWERS)
    expect(await ask('CARTS/a/add')).toEqual([1, true, 1])
    expect(await ask('CARTS/a/add')).toEqual([1, true, 2])
    expect(await ask('CARTS/b/add')).toEqual([1, true, 1])
    expect(await ask('CARTS/a/where')).toEqual([
      'VELA_DI_CAPTIVE',
      'CONTEXT has scope request, or needs what has, and there is no request in scope actor; resolve it with app.scope(ctx), or in a function that app.inject made',
    ])
    expect(host.notes).toEqual([])
    await ask('CARTS/a/leave')
    // After onPassivate, and while the actor may still write.
    expect(await noted('a ends after 102')).toEqual(['a ends after 102'])
    expect(await ask('CARTS/a/closed')).toBe(true)
    expect(await ask('CARTS/a/add')).toEqual([1, true, 1])
    await ask('CARTS/b/fail')
    expect(await noted('b ends after 1')).toEqual(['b ends after 1'])
    expect(await ask('CARTS/b/add')).toEqual([1, true, 1])
    expect(await ask('BROKEN/x/add')).toMatchObject({
      message: expect.stringMatching(/bad could not be made: no/),
    })
    expect(await noted('x ends after 0')).toContain('x ends after 0')
  })
})

describeEngines('a binding', (engine) => {
  const WIRED = `const SLOW = binding('SLOW', { deadlineMs: 150 }), PATIENT = binding('SLOW')
    const app = container([])
    const outcome = async (work) => { try { return await work } catch (error) { return [error.name, error.code, error.message] } }
    export const late = app.inject([SLOW], (slow) => outcome(slow.answer(20_000)))
    export const soon = app.inject([SLOW], (slow) => outcome(slow.answer(1)))
    export const patient = app.inject([PATIENT], (slow) => outcome(slow.answer(300)))
    export const kept = app.inject([SLOW, SLOW, PATIENT], (one, two, other) => [one === two, one === other, binding('SLOW') === PATIENT, app.resolve(PATIENT) === other])
    export default { async fetch(request, env, ctx) {
      const slow = app.scope(ctx).resolve(PATIENT)
      slow.answer(60_000).catch((error) => console.log('ended: ' + error.name))
      return new Response('answered')
    } }`

  test('ends a call at its deadline, and is the same within a scope', async () => {
    await host.wire(engine, 'deadlines', WIRED, { services: { SLOW: { host: 'slow' } } })
    expect(await host.ask(engine, 'deadlines', 'late')).toEqual([
      'TimeoutError',
      'VELA_TASK_TIMEOUT',
      'answer was not answered within 150 ms',
    ])
    expect(await host.ask(engine, 'deadlines', 'soon')).toBe('at last')
    expect(await host.ask(engine, 'deadlines', 'patient')).toBe('at last')
    expect(await host.ask(engine, 'deadlines', 'kept')).toEqual([true, false, true, false])
  })

  test('of a request ends its calls with the request', async () => {
    await host.wire(engine, 'ends', WIRED, { services: { SLOW: { host: 'slow' } } })
    const log = host.logOf(`${engine}/ends`)
    expect(await (await host.get(engine, 'ends')).text()).toBe('answered')
    await expect
      .poll(() => log.map(({ message }) => message), { timeout: 10_000 })
      .toContain('ended: AbortError')
  })
})

describeEngines('a scope', (engine) => {
  test('does not keep the calls of a request alive whose client has left, and is disposed all the same', async () => {
    await host.wire(
      engine,
      'left',
      `const A = token('a'), NOTES = binding('NOTES'), SLOW = binding('SLOW')
       const app = container([provide(A, { useFactory: (notes) => notes, inject: [NOTES], scope: 'request', dispose: (notes) => notes.note('ended behind it') })])
       export default { fetch: app.inject([A, SLOW], async (a, slow) => {
         await a.note('waits')
         try { await slow.answer(9_000) } catch (error) { await env.NOTES.note('let go: ' + error.name) }
         return new Response()
       }) }`,
      { services: { NOTES: { host: 'notes' }, SLOW: { host: 'slow' } } },
    )
    const client = new AbortController()
    const request = fetch(`${host.gateway}/${engine}/left`, { signal: client.signal })
    await noted('waits')
    client.abort()
    await expect(request).rejects.toThrow()
    expect(await noted('ended behind it')).toEqual(['let go: AbortError', 'ended behind it'])
  })

  test('of nobody goes on making a singleton when the first who asked for it has left', async () => {
    const { promise: asked, resolve: heard } = Promise.withResolvers<ServerResponse>()
    const server = createServer((_request, response) => heard(response)).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    try {
      await host.wire(
        engine,
        'first',
        `const A = token('a')
         const app = container([provide(A, { useFactory: async () => await (await fetch('http://127.0.0.1:${port}/')).text() })])
         const answer = app.inject([A], (a) => new Response(a))
         export const use = async () => { await env.NOTES.note('second asks'); return await app.resolveAsync(A) }
         export default { fetch(request, own, ctx) {
           ctx.signal.addEventListener('abort', () => env.NOTES.note('first has left'))
           return answer()
         } }`,
        { fetch: { allow: [`http://127.0.0.1:${port}`] }, services: { NOTES: { host: 'notes' } } },
      )
      const client = new AbortController()
      const first = fetch(`${host.gateway}/${engine}/first`, { signal: client.signal })
      const response = await asked
      const second = host.ask(engine, 'first', 'use')
      await noted('second asks')
      client.abort()
      await expect(first).rejects.toThrow()
      await noted('first has left')
      response.end('made')
      expect(await second).toBe('made')
    } finally {
      server.close()
    }
  })

  test('that is over gives nothing more, and neither does a container that was disposed', async () => {
    await host.wire(
      engine,
      'over',
      `const A = token('a'), B = token('b')
       const app = container([
         provide(A, { useFactory: () => ({}), scope: 'request' }),
         provide(B, { useFactory: () => ({}), dispose: () => { throw new Error('stuck') } }),
       ])
       let kept, later
       const code = (work) => { try { work(); return 'fine' } catch (error) { return error.code } }
       export default {
         fetch(request, env, ctx) { kept = app.scope(ctx); later = ctx; kept.resolve(A); return new Response('ok') },
         stop: () => app.dispose(),
       }
       export const look = () => [code(() => kept.resolve(A)), code(() => app.scope(later).resolve(A)), code(() => app.resolve(A)), code(() => app.resolve(B)), code(() => app.scope({}))]
       export const again = app.inject([B], (b) => typeof b)
       export const end = async () => { const how = await app.dispose().then(() => 'fine', (error) => [error.name, error.errors[0].message]); return [how, code(() => app.resolve(B))] }`,
    )
    expect(await (await host.get(engine, 'over')).text()).toBe('ok')
    expect(await host.ask(engine, 'over', 'look')).toEqual([
      'VELA_DI_DISPOSED',
      'VELA_DI_DISPOSED',
      'VELA_DI_CAPTIVE',
      'fine',
      null,
    ])
    expect(await host.ask(engine, 'over', 'again')).toBe('object')
    expect(await host.ask(engine, 'over', 'end')).toEqual([['AggregateError', 'stuck'], 'VELA_DI_DISPOSED'])
    // Also not what a request would find there.
    await expect(host.ask(engine, 'over', 'again')).rejects.toMatchObject({
      message: expect.stringContaining('The container was disposed'),
    })
  })

  test('that fails to dispose something disposes the rest, says so in the log, and the request is answered', async () => {
    await host.wire(
      engine,
      'stuck',
      `const A = token('a'), B = token('b'), NOTES = binding('NOTES')
       const app = container([
         provide(A, { useFactory: (notes) => notes, inject: [NOTES], scope: 'request', dispose: (notes) => notes.note('a ended') }),
         provide(B, { useFactory: (a) => ({ a }), inject: [A], scope: 'request', dispose: () => { throw new Error('stuck in b') } }),
       ])
       export default { fetch: app.inject([B], () => new Response('ok')) }`,
      { services: { NOTES: { host: 'notes' } } },
    )
    const log = host.logOf(`${engine}/stuck`)
    expect(await (await host.get(engine, 'stuck')).text()).toBe('ok')
    expect(await noted('a ended')).toEqual(['a ended'])
    await expect
      .poll(() => log.some(({ message }) => message.includes('stuck in b')), { timeout: 10_000 })
      .toBe(true)
  })

  test('ends what is being made when the request is over before it is there', async () => {
    await host.wire(
      engine,
      'midway',
      `const A = token('a'), NOTES = binding('NOTES')
       const app = container([
         provide(A, { useFactory: async () => { await new Promise((done) => setTimeout(done, 40)); return {} }, scope: 'request', dispose: () => env.NOTES.note('ended all the same') }),
       ])
       export default { fetch(request, own, ctx) { app.scope(ctx).resolveAsync(A).catch((error) => console.log(error.code)); return new Response('ok') } }
       export const tick = () => new Promise((done) => setTimeout(done, 20, 1))`,
      { services: { NOTES: { host: 'notes' } } },
    )
    const log = host.logOf(`${engine}/midway`)
    expect(await (await host.get(engine, 'midway')).text()).toBe('ok')
    // Timers that no turn waits for run with the next one.
    const tick = async (): Promise<boolean> =>
      (await host.ask(engine, 'midway', 'tick')) === 1 && host.notes.includes('ended all the same')
    await expect.poll(tick, { timeout: 10_000 }).toBe(true)
    expect(log.map(({ message }) => message)).toContain('VELA_DI_DISPOSED')
  })
})
