/** Server-sent events: a response of type text/event-stream flows as it is written, lasts, and ends with its client. */
import { once } from 'node:events'
import { request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startRuntime, until, type TestRuntime } from '../e2e/support.ts'

const SERVICE = `
const seen = []
export const notes = () => seen.splice(0)
let push
export const say = (text) => void push.enqueue(new TextEncoder().encode('data: ' + text + '\\n\\n'))
export default {
  fetch(request, env, ctx) {
    const { pathname } = new URL(request.url)
    const body = new ReadableStream({
      start(controller) { push = controller },
      cancel(reason) { seen.push('cancel ' + reason.code) },
    })
    if (pathname === '/late') ctx.waitUntil(new Promise((resolve) => {
      request.signal.addEventListener('abort', () => setTimeout(resolve, 20))
    }).then(() => seen.push('waited')))
    const type = pathname === '/plain' ? 'text/plain' : 'text/event-stream; charset=utf-8'
    return new Response(body, { headers: { 'content-type': type, 'cache-control': 'no-store' } })
  },
}
`

let host: TestRuntime
beforeAll(async () => {
  host = await startRuntime({ drainMs: 300, cells: { isolateIdleMs: 100 } })
  await host.deploy('s', SERVICE, { manifest: { limits: { wallMs: 800, sockets: 2 } } })
})
afterAll(async () => host?.[Symbol.asyncDispose]())

const notes = (): Promise<unknown> => host.runtime.invoke('t/s', 'notes')
const say = (text: string): Promise<unknown> => host.runtime.invoke('t/s', 'say', [text])

interface Listener {
  readonly request: ClientRequest
  readonly response: IncomingMessage
  next(): Promise<string>
}

async function listen(path: string): Promise<Listener> {
  const request = httpRequest(`${host.urls.gateway}/t/s${path}`, { agent: false }).end()
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  response.on('error', () => undefined)
  return {
    request,
    response,
    async next() {
      const [chunk] = (await once(response, 'data')) as [Buffer]
      return chunk.toString()
    },
  }
}

test('events arrive as they are written, beyond wallMs and whether anything flows or not', async () => {
  const { request, response, next } = await listen('/')
  expect(response.headers['content-type']).toBe('text/event-stream; charset=utf-8')
  const first = next()
  await say('one')
  expect(await first).toBe('data: one\n\n')
  const startedMs = performance.now()
  await until('wallMs has passed', () => performance.now() - startedMs > 1200)
  const second = next()
  await say('two')
  expect(await second).toBe('data: two\n\n')
  request.destroy()
  await host.settled()
  expect(await notes()).toEqual(['cancel VELA_TURN_CANCELED'])
})

test('a stream of another type ends at wallMs', async () => {
  const { response } = await listen('/plain')
  const ended = new Promise((resolve) => response.once('close', resolve))
  response.resume()
  await ended
  expect(response.complete).toBe(false)
  await host.settled()
  expect(await notes()).toEqual(['cancel VELA_TURN_EXCEEDED_WALL'])
})

test('they count among limits.sockets: one more is refused with 429', async () => {
  const open = [await listen('/'), await listen('/')]
  const refused = await host.get('/t/s/')
  expect([refused.status, await refused.json()]).toMatchObject([429, { code: 'VELA_TENANT_QUOTA_EXCEEDED' }])
  for (const { request } of open) request.destroy()
  await host.settled()
  await notes()
})

test('what waitUntil holds after the client has gone has wallMs from then', async () => {
  const { request } = await listen('/late')
  const startedMs = performance.now()
  await until('wallMs has passed', () => performance.now() - startedMs > 1000)
  request.destroy()
  await host.settled()
  expect(await notes()).toEqual(['cancel VELA_TURN_CANCELED', 'waited'])
})

test('a deploy ends them whole after the time of draining, so that clients come back to the new version', async () => {
  const { response } = await listen('/')
  const ended = once(response, 'end')
  response.resume()
  await host.deploy('s', `${SERVICE}// two`, { manifest: { limits: { wallMs: 800, sockets: 2 } } })
  await ended
  expect(response.complete).toBe(true)
  await host.settled()
})
