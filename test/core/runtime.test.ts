/** The embedding API as an application uses it: host services, middleware, calls, guest hooks, and the order of it all. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { Runtime } from '../../host/index.ts'
import { handler, problemCode, startRuntime, until, type TestRuntime } from '../e2e/support.ts'

let host: TestRuntime | undefined
afterEach(async () => {
  await host?.[Symbol.asyncDispose]()
  host = undefined
})

describe('host services', () => {
  test('start in the order of their dependencies, before the gateway listens, and stop in reverse, after guests have stopped', async () => {
    const order: string[] = []
    const service = (name: string): object => ({
      onStart: () => void order.push(`start ${name}`),
      onReady: () => void order.push(`ready ${name}`),
      onDrain: () => void order.push(`drain ${name}`),
      onStop: () => void order.push(`stop ${name}`),
    })
    host = await startRuntime({}, async (runtime) => {
      await runtime.registerService('mailer', () => service('mailer'), { dependsOn: ['pool'] })
      await runtime.registerService('pool', service('pool'))
    })
    await host.deploy(
      'svc',
      'export default { stop() { console.log("guest stopped") }, fetch: () => new Response() }',
    )
    host.runtime.tail('t', 'svc', ({ message }) => order.push(message))
    order.push('serving')
    await host.runtime.stop()
    expect(order).toEqual([
      'start pool',
      'start mailer',
      'ready pool',
      'ready mailer',
      'serving',
      'guest stopped',
      'drain mailer',
      'drain pool',
      'stop mailer',
      'stop pool',
    ])
  })

  test('a class is built once, and the instance is what registerService resolves to', async () => {
    class Clock {
      started = false
      onStart(): void {
        this.started = true
      }
    }
    let clock: object | undefined
    host = await startRuntime({}, async (runtime) => {
      clock = await runtime.registerService('clock', Clock)
    })
    expect(clock).toBeInstanceOf(Clock)
    expect(clock).toMatchObject({ started: true })
  })

  test('one that does not start keeps the host from starting, by its name, and what had started is stopped', async () => {
    const order: string[] = []
    const runtime = await Runtime.create({
      data: null,
      gateway: { port: 0 },
      admin: { port: 0 },
      log: { level: 'silent' },
    })
    await runtime.registerService('fine', {
      onStart: () => void order.push('start'),
      onStop: () => void order.push('stop'),
    })
    const broken = { onStart: () => Promise.reject(new Error('no database')) }
    await runtime.registerService('broken', broken, { dependsOn: ['fine'] })
    await expect(runtime.start()).rejects.toMatchObject({
      code: 'VELA_LIFECYCLE_HOOK_FAILED',
      message: expect.stringMatching(/broken.*no database/),
    })
    expect(order).toEqual(['start', 'stop'])
    await runtime.stop()
  })
})

describe('middleware', () => {
  test('runs around the dispatch, in order; may answer by itself; what it throws is a 500 that tells nothing', async () => {
    const order: string[] = []
    host = await startRuntime({}, (runtime) => {
      runtime
        .use(async ({ tenant, service, request, requestId }, next) => {
          order.push(`first ${tenant}/${service} ${request.url}`)
          expect(requestId).not.toBe('')
          await next()
          order.push('first after')
        })
        .use(async ({ request, response }, next) => {
          if (request.url?.endsWith('/teapot') === true) {
            response.writeHead(418).end('short and stout')
            return
          }
          if (request.url?.endsWith('/throw') === true) throw new Error('secret detail')
          response.setHeader('x-from-middleware', 'yes')
          await next()
          order.push(`second after ${response.statusCode}`)
        })
    })
    await host.deploy('svc', handler('return new Response("guest", { headers: { "x-guest": "1" } })'))
    const answered = await host.get('/t/svc/a')
    expect(await answered.text()).toBe('guest')
    expect(answered.headers.get('x-from-middleware')).toBe('yes')
    expect(answered.headers.get('x-guest')).toBe('1')
    await until('the middleware has returned', () => order.length === 3)
    expect(order).toEqual(['first t/svc /t/svc/a', 'second after 200', 'first after'])

    const teapot = await host.get('/t/svc/teapot')
    expect([teapot.status, await teapot.text()]).toEqual([418, 'short and stout'])
    const thrown = await host.get('/t/svc/throw')
    expect(thrown.status).toBe(500)
    const problem = await thrown.text()
    expect(problem).toContain('VELA_GATEWAY_INTERNAL')
    expect(problem).not.toContain('secret detail')
    expect((await host.get('/t/none/')).status).toBe(404)
    // The metrics know of each, once.
    await until('all are counted', async () => /outcome="ok"\} 2/.test((await host?.runtime.metrics()) ?? ''))
  })
})

let shared: TestRuntime
beforeAll(async () => {
  shared = await startRuntime()
})
afterAll(async () => shared[Symbol.asyncDispose]())

describe('calls', () => {
  test('carry JSON both ways; undefined, errors and unknown methods are told apart', async () => {
    await shared.deploy(
      'plugin',
      `export const echo = (value) => value
       export const nothing = () => undefined
       export const fails = () => { throw new RangeError('out of stock') }
       export const failsWithCode = () => { throw Object.assign(new Error('no tea'), { code: 'E_TEA' }) }
       export const late = async () => { await new Promise((r) => setTimeout(r, 20)); return 'late' }
       export default { fetch: () => new Response(), greet(name) { return 'Hello, ' + name } }`,
    )
    const { runtime } = shared
    const value = { text: 'žluťoučký 🐎 \u2028', list: [1, null, true, { deep: [] }] }
    expect(await runtime.invoke('t/plugin', 'echo', [value])).toEqual(value)
    expect(await runtime.invoke('t/plugin', 'nothing')).toBeUndefined()
    expect(await runtime.invoke('t/plugin', 'late')).toBe('late')
    expect(await runtime.invoke('t/plugin', 'greet', ['Ada'])).toBe('Hello, Ada')
    await expect(runtime.invoke('t/plugin', 'fails')).rejects.toMatchObject({
      code: 'VELA_GUEST_THREW',
      message: 'RangeError: out of stock',
      details: { thrown: { name: 'RangeError', message: 'out of stock' } },
    })
    await expect(runtime.invoke('t/plugin', 'failsWithCode')).rejects.toMatchObject({
      code: 'VELA_GUEST_THREW',
      details: { thrown: { name: 'Error', message: 'no tea', code: 'E_TEA' } },
    })
    for (const method of ['unknown', 'fetch', 'constructor', '__proto__', 'toString']) {
      await expect(runtime.invoke('t/plugin', method)).rejects.toMatchObject({
        code: 'VELA_METHOD_NOT_FOUND',
      })
    }
    await expect(runtime.invoke('t/none', 'x')).rejects.toMatchObject({ code: 'VELA_SERVICE_NOT_FOUND' })
  })
})

describe('a guest', () => {
  test('has its start hook run before the first request and its stop hook when it is replaced or deleted', async () => {
    const lines: string[] = []
    const source = (version: number): string => `let ready = false
      export default {
        async start(env) { await new Promise((r) => setTimeout(r, 20)); ready = true; console.log('start ${version} ' + env.NAME) },
        stop(reason) { console.log('stop ${version} ' + reason) },
        fetch: () => new Response(String(ready)),
      }`
    shared.runtime.tail('t', 'svc', ({ message }) => lines.push(message))
    const manifest = { vars: { NAME: 'x' } }
    await shared.deploy('svc', source(1), { manifest })
    expect(await (await shared.get('/t/svc/')).text()).toBe('true')
    await shared.deploy('svc', source(2), { manifest })
    await until('the first has stopped', () => lines.includes('stop 1 replaced'))
    await shared.runtime.deleteService('t', 'svc')
    expect(lines).toEqual(['start 1 x', 'start 2 x', 'stop 1 replaced', 'stop 2 deleted'])
    expect((await shared.get('/t/svc/')).status).toBe(404)
  })

  test('that throws, answers with something else or answers nothing fails alone, and its message stays inside', async () => {
    await shared.deploy(
      'failing',
      handler(`
      const { pathname } = new URL(request.url)
      if (pathname === '/throw') throw new Error('password is 1234')
      if (pathname === '/object') return { status: 200 }
      if (pathname === '/nothing') return
      if (pathname === '/used') { const r = new Response('x'); await r.text(); return r }
      return new Response('fine')`),
    )
    for (const [path, code] of [
      ['throw', 'VELA_GUEST_THREW'],
      ['object', 'VELA_GUEST_BAD_RESPONSE'],
      ['nothing', 'VELA_GUEST_BAD_RESPONSE'],
    ] as const) {
      const response = await shared.get(`/t/failing/${path}`)
      expect(response.status).toBe(500)
      const problem = await response.clone().text()
      expect(problem).not.toContain('1234')
      expect(await problemCode(response)).toBe(code)
    }
    expect((await shared.get('/t/failing/used')).status).toBe(500)
    expect(await (await shared.get('/t/failing/')).text()).toBe('fine')
  })
})
