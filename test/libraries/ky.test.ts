/** ky as npm has it, against a server of the test, on both engines. */
import { expect, test } from 'vitest'
import { createLibraryHost, createUpstream } from './harness.ts'

let failures = 0
const closed: (() => void)[] = []
const upstream = createUpstream((request, response, body) => {
  const { pathname, search } = new URL(request.url ?? '', 'http://upstream')
  switch (pathname) {
    case '/echo': {
      const { 'content-type': type, 'x-app': app, 'x-hooked': hooked } = request.headers
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify({ method: request.method, search, body, type, app, hooked }))
      break
    }
    case '/flaky':
      response.statusCode = ++failures % 3 === 0 ? 200 : 503
      response.end('at last')
      break
    case '/lines':
      for (let line = 1; line <= 3; line++) response.write(`line ${line}\n`)
      response.end()
      break
    case '/bytes':
      response.end(Buffer.alloc(300_000, 7))
      break
    case '/never':
      request.socket.once('close', () => closed.splice(0).forEach((told) => told()))
      break
    default:
      response.statusCode = 404
      response.end('nothing here')
  }
})
const host = createLibraryHost()

host.describe(
  'ky',
  (client) => {
    const get = async (path: string): Promise<unknown> => await (await client.fetch(path)).json()

    test('sends queries, JSON and streams, with headers and hooks', async () => {
      expect(await get('/json')).toEqual({
        method: 'GET',
        search: '?q=a+b&n=1',
        body: '',
        app: 'shop',
        hooked: 'yes',
      })
      expect(await get('/post')).toEqual({
        method: 'POST',
        search: '',
        body: '{"foo":true}',
        type: 'application/json',
        app: 'shop',
        hooked: 'yes',
      })
      const streamed = await client.fetch('/put', { method: 'POST', body: 'é'.repeat(50_000) })
      expect(await streamed.json()).toMatchObject({
        method: 'PUT',
        body: 'é'.repeat(50_000),
        app: 'other',
        hooked: 'yes',
      })
    })

    test('tries again what failed', async () => {
      expect(await get('/retry')).toEqual({
        text: 'at last',
        seen: ['answer 503', 'retry 1', 'answer 503', 'retry 2', 'answer 200'],
      })
    })

    test('reads streams, and tells their progress', async () => {
      expect(await (await client.fetch('/stream')).text()).toBe('line 1\nline 2\nline 3\n')
      expect(await get('/progress')).toEqual({ length: 300_000, last: 300_000 })
    })

    test('throws for what is no success', async () => {
      expect(await get('/missing')).toEqual({
        name: 'HTTPError',
        status: 404,
        message: `Request failed with status code 404 Not Found: GET ${upstream.origin()}/missing`,
      })
    })

    test.each([
      ['timeout', { isTimeout: true, name: 'TimeoutError' }],
      ['abort', { name: 'AbortError' }],
    ])('a %s ends the request and its connection', async (path, error) => {
      const gone = new Promise<void>((resolve) => closed.push(resolve))
      expect(await get(`/${path}`)).toEqual(error)
      await gone
    })
  },
  () => ({ ...upstream.asked(), vars: { UPSTREAM: upstream.origin() } }),
)
