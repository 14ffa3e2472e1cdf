/** Services that call services: values, errors, depth, cancellation, streams, and guests that try to break the bridge. */
import { request } from 'node:http'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { until } from '../attack/harness.ts'
import { CALLER, startHost, type Host } from './support.ts'

const CALLEE = `
import { WorkerEntrypoint } from 'cloudflare:workers'
let aborted = 0, produced = 0, canceled = 0
export const echo = (...args) => args
export const nothing = () => undefined
export const fail = () => { throw new RangeError('out of range') }
export const failOddly = () => { throw { toString() { return 'odd' }, secret: 1 } }
export const counts = () => ({ aborted, produced, canceled })
export const later = (ms) => new Promise((resolve) => setTimeout(() => resolve('late'), ms))
export class Admin extends WorkerEntrypoint { hello(name) { return 'admin ' + name } }
export default {
  async fetch(request) {
    const { pathname } = new URL(request.url)
    if (pathname === '/wait') {
      request.signal.addEventListener('abort', () => aborted++)
      return await new Promise(() => undefined)
    }
    if (pathname === '/endless') {
      return new Response(new ReadableStream({
        pull(controller) { produced += 65536; controller.enqueue(new Uint8Array(65536)) },
        cancel() { canceled++ },
      }))
    }
    if (pathname === '/upload') {
      let size = 0
      for await (const part of request.body) size += part.length
      return new Response(String(size), { status: 201, headers: { 'x-from': request.headers.get('x-to') ?? '' } })
    }
    return new Response(request.method + ' ' + request.url + ' ' + await request.text())
  },
}
`

const FRONT = `
export default {
  async fetch(request, env, ctx) {
    const { pathname } = new URL(request.url)
    if (pathname === '/typo') return Response.json(await env.callee.typo())
    if (pathname === '/pipe') return env.callee.fetch('http://callee/endless')
    if (pathname === '/wait') return env.callee.fetch('http://callee/wait')
    if (pathname === '/wait-until') {
      ctx.waitUntil(env.callee.later(50).then((value) => console.log('waited ' + value)))
      return await new Promise(() => undefined)
    }
    if (pathname === '/forget') {
      env.callee.later(60000).catch((error) => console.log('forgotten: ' + error.name + ': ' + error.message))
      return new Response('gone')
    }
    if (pathname === '/upload') {
      const body = new ReadableStream({
        start(controller) { this.left = 20 },
        pull(controller) {
          if (this.left-- === 0) return controller.close()
          controller.enqueue(new Uint8Array(100000))
        },
      })
      return env.callee.fetch('http://callee/upload', { method: 'POST', body, duplex: 'half', headers: { 'x-to': 'here' } })
    }
    return env.callee.fetch(request)
  },
}
`

let host: Host
beforeAll(async () => {
  host = await startHost()
  await host.deploy('acme/callee', CALLEE)
  const callee = { service: 'callee' }
  await host.deploy('acme/caller', CALLER, {
    capabilities: { services: { callee, admin: { service: 'callee', entrypoint: 'Admin' } } },
  })
  await host.deploy('acme/front', FRONT, { capabilities: { services: { callee } } })
})
afterAll(() => host.runtime.stop())

const use = (method: string, ...args: (string | number | null | boolean)[]) =>
  host.invoke('acme/caller', 'use', 'callee', method, ...args)
const counts = async () =>
  (await host.invoke('acme/callee', 'counts')) as { aborted: number; produced: number; canceled: number }

describe('a call of a method', () => {
  test('carries JSON there and back, any character and undefined included', async () => {
    expect(await use('echo', 'ä€😀\u0000', 1.5, null, true)).toEqual({
      value: ['ä€😀\u0000', 1.5, null, true],
    })
    expect(await use('nothing')).toEqual({ value: 'undefined' })
  })

  test('reaches the methods of a named entry, and no others', async () => {
    expect(await host.invoke('acme/caller', 'use', 'admin', 'hello', 'Ada')).toEqual({ value: 'admin Ada' })
    expect(await host.invoke('acme/caller', 'use', 'admin', 'echo')).toMatchObject({
      code: 'VELA_METHOD_NOT_FOUND',
    })
  })

  test('brings what was thrown by name and message, and leaves the stack in the log of the one that threw', async () => {
    const log = host.logOf('acme/callee')
    const answer = await use('fail')
    expect(answer).toMatchObject({ name: 'RangeError', message: 'out of range', hasStackOfHost: false })
    const entry = await until('it is logged', () =>
      log.find(({ message }) => message.includes('out of range')),
    )
    expect(entry.stack).toContain('service.js')
    expect(await use('failOddly')).toMatchObject({
      name: 'Error',
      message: expect.stringContaining('no Error'),
    })
  })

  test('whose service or method is not there fails by its name', async () => {
    expect(await use('missing')).toMatchObject({ code: 'VELA_METHOD_NOT_FOUND' })
    await host.deploy('acme/lost', CALLER, { capabilities: { services: { gone: { service: 'gone' } } } })
    expect(await host.invoke('acme/lost', 'use', 'gone', 'x')).toMatchObject({
      code: 'VELA_SERVICE_NOT_FOUND',
    })
  })

  test('to a method that there is not, if nobody catches it, is a failure of the one that called', async () => {
    const log = host.logOf('acme/front')
    const response = await fetch(`${host.gateway}/acme/front/typo`)
    expect([response.status, await response.json()]).toMatchObject([500, { code: 'VELA_GUEST_THREW' }])
    await until('it is logged', () => log.find(({ message }) => message.includes('no method typo')))
  })

  test('of fetch to a service that has none says so', async () => {
    await host.deploy('acme/mute', 'export const x = () => 1')
    await host.deploy('acme/asks', CALLER, { capabilities: { services: { mute: { service: 'mute' } } } })
    expect(await host.invoke('acme/asks', 'use', 'mute', 'fetch', 'http://mute/')).toMatchObject({
      code: 'VELA_METHOD_NOT_FOUND',
    })
    const response = await fetch(`${host.gateway}/acme/mute/`)
    expect([response.status, await response.json()]).toMatchObject([404, { code: 'VELA_ROUTE_NOT_FOUND' }])
  })

  test('in a circle ends at the depth budget, with an error that says so', async () => {
    const source = `
      import { WorkerEntrypoint } from 'cloudflare:workers'
      export default class extends WorkerEntrypoint {
        async down(depth) {
          try { return await this.env.self.down(depth + 1) } catch (error) {
            if (error.code === 'VELA_CAPABILITY_TOO_DEEP') return depth
            throw error
          }
        }
      }`
    await host.deploy('acme/circle', source, { capabilities: { services: { self: { service: 'circle' } } } })
    expect(await host.invoke('acme/circle', 'down', 0)).toBe(8)
  })

  test('beyond limits.calls in flight is refused, and the others go on', async () => {
    const source = `
      import { WorkerEntrypoint } from 'cloudflare:workers'
      export default class extends WorkerEntrypoint {
        async many(count) {
          const calls = Array.from({ length: count }, () => this.env.callee.later(20))
          const results = await Promise.allSettled(calls)
          return results.map(({ value, reason }) => value ?? reason.code)
        }
      }`
    const capabilities = { services: { callee: { service: 'callee' } } }
    await host.deploy('acme/many', source, { capabilities, limits: { calls: 3 } })
    expect(await host.invoke('acme/many', 'many', 5)).toEqual([
      'late',
      'late',
      'late',
      'VELA_CAPABILITY_OVERLOADED',
      'VELA_CAPABILITY_OVERLOADED',
    ])
    expect(await host.invoke('acme/many', 'many', 2)).toEqual(['late', 'late'])
  })
})

describe('HTTP between services', () => {
  test('passes a request on and its response back', async () => {
    const response = await fetch(`${host.gateway}/acme/front/some/path?q=1`, { method: 'POST', body: 'sent' })
    expect(await response.text()).toMatch(/^POST http:\/\/\S+\/some\/path\?q=1 sent$/)
  })

  test('streams a body up in parts, with status and headers on the way back', async () => {
    const response = await fetch(`${host.gateway}/acme/front/upload`)
    expect([response.status, response.headers.get('x-from'), await response.text()]).toEqual([
      201,
      'here',
      '2000000',
    ])
  })

  test('streams down no further than the client reads, and ends with the client', async () => {
    const before = await counts()
    const client = await openResponse(`${host.gateway}/acme/front/pipe`)
    // Nobody reads: what is produced fills the windows on the way, and then no more.
    const settled = await until('production stops', async () => {
      const first = (await counts()).produced
      await host.invoke('acme/callee', 'later', 150)
      return (await counts()).produced === first ? first : undefined
    })
    expect(settled - before.produced).toBeGreaterThan(0)
    expect(settled - before.produced).toBeLessThan(32 * 1024 * 1024)
    client.destroy()
    await until('the producer is told', async () => (await counts()).canceled > before.canceled)
  })

  test('a client that leaves takes the service behind the service along', async () => {
    const before = await counts()
    const leave = new AbortController()
    const answer = fetch(`${host.gateway}/acme/front/wait`, { signal: leave.signal }).catch(() => 'left')
    await until('it is called', () => inFlight('callee', 1))
    leave.abort()
    expect(await answer).toBe('left')
    await until('its signal aborts', async () => (await counts()).aborted === before.aborted + 1)
  })

  test('what waitUntil holds goes on without the client', async () => {
    const log = host.logOf('acme/front')
    const leave = new AbortController()
    const answer = fetch(`${host.gateway}/acme/front/wait-until`, { signal: leave.signal }).catch(
      () => 'left',
    )
    await until('it is called', () => inFlight('callee', 1))
    leave.abort()
    expect(await answer).toBe('left')
    await until('it is done', () => log.some(({ message }) => message === 'waited late'))
  })

  test('a turn that is over ends what it began and nobody waits for, and says so', async () => {
    const log = host.logOf('acme/front')
    expect(await (await fetch(`${host.gateway}/acme/front/forget`)).text()).toBe('gone')
    const entry = await until('it is told', () => log.find(({ message }) => message.startsWith('forgotten')))
    expect(entry.message).toMatch(/AbortError: .*ctx\.waitUntil/)
  })

  test('the time limit of the first holds for all behind it', async () => {
    const capabilities = { services: { callee: { service: 'callee' } } }
    await host.deploy('acme/hasty', FRONT, { capabilities, limits: { wallMs: 300 } })
    const before = await counts()
    const response = await fetch(`${host.gateway}/acme/hasty/wait`)
    expect([response.status, await response.json()]).toMatchObject([504, { code: 'VELA_TURN_EXCEEDED_WALL' }])
    await until('the callee is told', async () => (await counts()).aborted > before.aborted)
  })
})

async function inFlight(service: string, count: number): Promise<boolean> {
  const services = await host.runtime.services('acme')
  return (services.find((one) => one.service === service)?.inFlight ?? 0) >= count
}

/** A response whose body nobody reads. */
function openResponse(url: string): Promise<{ destroy(): void }> {
  return new Promise((resolve, reject) => {
    const sent = request(url, (response) => {
      response.pause()
      resolve({ destroy: () => sent.destroy() })
    })
    sent.on('error', reject)
    sent.end()
  })
}
