/** How a request finds its service: by path, by host, by the routes of manifests; and what nobody can claim. */
import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startRuntime, type TestRuntime } from './support.ts'

/** Tells its name and the URL it sees. */
const named = (name: string): string =>
  `export default { fetch: (request) => new Response('${name} ' + request.url.replace(/:\\d+/, '')) }`

let host: TestRuntime
beforeAll(async () => {
  host = await startRuntime()
  await host.deploy('shop', named('shop'))
  await host.deploy('api', named('api'), {
    manifest: {
      routes: [
        'api.example.com/*',
        'example.com/users/:id/posts',
        '*.wild.example.com/*',
        '/files/*',
        '/exact',
      ],
    },
  })
  await host.deploy('deep', named('deep'), {
    tenant: 'other',
    manifest: {
      routes: ['api.example.com/v2/*', 'one.wild.example.com/*', '/files/special/*', '/shop/shop/*', '/t/*'],
    },
  })
})
afterAll(async () => host[Symbol.asyncDispose]())

async function ask(path: string, hostHeader?: string): Promise<string> {
  // Not as a URL, which the client would tidy up.
  const { hostname, port } = new URL(host.urls.gateway)
  const request = httpRequest({
    hostname,
    port,
    path,
    agent: false,
    ...(hostHeader === undefined ? {} : { headers: { host: hostHeader } }),
  })
  const [response] = (await once(request.end(), 'response')) as [IncomingMessage]
  const body = await text(response)
  return response.statusCode === 200 ? body : `${response.statusCode}`
}

describe('a request finds its service', () => {
  test.each([
    [
      'by path, and the guest sees the rest of it',
      '/t/shop/a/b?c=d',
      undefined,
      'shop http://127.0.0.1/a/b?c=d',
    ],
    ['by path without a slash at the end', '/t/shop', undefined, 'shop http://127.0.0.1/'],
    ['by path with a query alone', '/t/shop?x=1', undefined, 'shop http://127.0.0.1/?x=1'],
    ['by host', '/a?b', 'shop.t.localhost', 'shop http://shop.t.localhost/a?b'],
    ['by host with a port', '/', 'shop.t.localhost:8787', 'shop http://shop.t.localhost/'],
    ['by host in capitals', '/', 'SHOP.T.LOCALHOST', 'shop http://shop.t.localhost/'],
    ['by a route’s host, with the whole path', '/x/y', 'api.example.com', 'api http://api.example.com/x/y'],
    ['by a parameter', '/users/7/posts?q', 'example.com', 'api http://example.com/users/7/posts?q'],
    ['by a wildcard host', '/', 'two.wild.example.com', 'api http://two.wild.example.com/'],
    ['by a wildcard host of several labels', '/', 'a.b.wild.example.com', 'api http://a.b.wild.example.com/'],
    ['by the longer path of two', '/v2/x', 'api.example.com', 'deep http://api.example.com/v2/x'],
    [
      'by the exact host before the wildcard',
      '/',
      'one.wild.example.com',
      'deep http://one.wild.example.com/',
    ],
    ['by a path on any host', '/files/a', undefined, 'api http://127.0.0.1/files/a'],
    [
      'by a path on any host, the longer one',
      '/files/special/a',
      'whatever.test',
      'deep http://whatever.test/files/special/a',
    ],
    ['by an exact path', '/exact', undefined, 'api http://127.0.0.1/exact'],
  ])('%s', async (_how, path, hostHeader, expected) => {
    expect(await ask(path, hostHeader)).toBe(expected)
  })

  test.each([
    ['another path of a route', '/users/7/other', 'example.com'],
    ['more than an exact path', '/exact/more', undefined],
    ['the name below a wildcard', '/', 'wild.example.com'],
    ['a service that is not there', '/t/none/', undefined],
    ['a tenant that is not there', '/none/shop/', undefined],
    ['a tenant alone', '/t', undefined],
    ['the root', '/', undefined],
    ['a service by a host of a wrong tenant', '/', 'shop.other.localhost'],
    ['names with an encoding in them', '/%74/shop/', undefined],
    ['dots that would leave the prefix', '/t/../t/shop/', undefined],
  ])('nobody answers at %s', async (_what, path, hostHeader) => {
    expect(await ask(path, hostHeader)).toBe('404')
  })

  test('a route on any host cannot catch what another tenant’s service is called by', async () => {
    expect(await ask('/t/shop/x')).toBe('shop http://127.0.0.1/x')
  })

  test('dots and encodings in the rest of the path never reach another service', async () => {
    expect(await ask('/t/shop/../../other/deep/')).toMatch(/^shop /)
    expect(await ask('/t/shop/%2e%2e/%2e%2e/other/deep/')).toMatch(/^shop /)
  })
})

describe('a route cannot be claimed', () => {
  test.each([
    ['that is another’s', 'api.example.com/*'],
    ['that is another’s under another parameter name', 'example.com/users/:name/posts'],
    ['on the built-in host of another tenant', 'shop.t.localhost/*'],
    ['on every host below localhost', '*.localhost/*'],
    ['on localhost', 'localhost/*'],
    ['on an address', '127.0.0.1/*'],
    ['on a bare name', 'intranet/*'],
  ])('%s', async (_what, route) => {
    await expect(
      host.deploy('greedy', named('greedy'), { tenant: 'mallory', manifest: { routes: [route] } }),
    ).rejects.toMatchObject({
      code: 'VELA_DEPLOY_ROUTE_CONFLICT',
    })
    expect(await ask('/mallory/greedy/')).toBe('404')
  })

  test('and is free again when its service gives it up or is deleted', async () => {
    const manifest = { routes: ['free.example.com/*'] }
    await host.deploy('holder', named('holder'), { manifest })
    await host.deploy('holder', named('holder without'))
    await host.deploy('heir', named('heir'), { tenant: 'other', manifest })
    expect(await ask('/', 'free.example.com')).toBe('heir http://free.example.com/')
    await host.runtime.deleteService('other', 'heir')
    expect(await ask('/', 'free.example.com')).toBe('404')
    await host.deploy('holder', named('holder'), { manifest })
    expect(await ask('/', 'free.example.com')).toBe('holder http://free.example.com/')
  })
})
