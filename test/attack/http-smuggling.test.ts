/**
 * Requests whose end two readers could see at different places, and addresses that two readers could read differently:
 * each is refused, and the connection with it, so that nothing after it is taken for a request.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { rawExchange, startTarget, type Target } from './harness.ts'

let target: Target
beforeAll(async () => {
  target = await startTarget('v8', {
    gateway: { keepAliveTimeoutMs: 300, requestTimeoutMs: 2_000, headersTimeoutMs: 1_500 },
  })
  const body = `return Response.json([request.method, request.url, Object.fromEntries(request.headers), await request.text()])`
  await target.handler('acme/shop', body)
  await target.handler('victim/secret', `return new Response('the secret of the victim')`)
})
afterAll(() => target.close())

const SMUGGLED = 'GET /victim/secret/ HTTP/1.1\r\nhost: x\r\n\r\n'
const HEAD = 'POST /acme/shop/ HTTP/1.1\r\nhost: x\r\n'

const SMUGGLING: Readonly<Record<string, string>> = {
  'both content-length and transfer-encoding': `${HEAD}content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
  'transfer-encoding and then content-length': `${HEAD}transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n${SMUGGLED}`,
  'two lengths that differ': `${HEAD}content-length: 0\r\ncontent-length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`,
  'two lengths that are the same': `${HEAD}content-length: 1\r\ncontent-length: 1\r\n\r\nx${SMUGGLED}`,
  'a list of lengths': `${HEAD}content-length: 1, 1\r\n\r\nx${SMUGGLED}`,
  'a length with a sign': `${HEAD}content-length: +1\r\n\r\nx${SMUGGLED}`,
  'a negative length': `${HEAD}content-length: -1\r\n\r\n${SMUGGLED}`,
  'a length in hexadecimal': `${HEAD}content-length: 0x1\r\n\r\nx${SMUGGLED}`,
  'a length beyond all numbers': `${HEAD}content-length: 99999999999999999999999\r\n\r\n${SMUGGLED}`,
  'a space before the colon': `${HEAD}content-length : 1\r\n\r\nx${SMUGGLED}`,
  'a transfer-encoding that is not chunked': `${HEAD}transfer-encoding: xchunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
  'chunked that is not last': `${HEAD}transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n${SMUGGLED}`,
  'transfer-encoding with a control character': `${HEAD}transfer-encoding: \x0bchunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
  'a folded header': `${HEAD}x-a: b\r\n folded: yes\r\ncontent-length: 0\r\n\r\n${SMUGGLED}`,
  'a folded transfer-encoding': `${HEAD}transfer-encoding:\r\n chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
  'bare line feeds': `POST /acme/shop/ HTTP/1.1\nhost: x\ncontent-length: 0\n\n${SMUGGLED}`,
  'a bare carriage return in a header': `${HEAD}x-a: b\rcontent-length: 9\r\n\r\n${SMUGGLED}`,
  'a chunk size that is no number': `${HEAD}transfer-encoding: chunked\r\n\r\nzz\r\nxx\r\n0\r\n\r\n${SMUGGLED}`,
  'a chunk size with a sign': `${HEAD}transfer-encoding: chunked\r\n\r\n-1\r\nx\r\n0\r\n\r\n${SMUGGLED}`,
  'a chunk size beyond all numbers': `${HEAD}transfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\nx\r\n0\r\n\r\n${SMUGGLED}`,
  'a chunk longer than it says': `${HEAD}transfer-encoding: chunked\r\n\r\n1\r\nxyz\r\n0\r\n\r\n${SMUGGLED}`,
  'a chunk ended by a bare line feed': `${HEAD}transfer-encoding: chunked\r\n\r\n1\nx\n0\n\n${SMUGGLED}`,
  'a NUL in a header': `${HEAD}x-a: b\0c\r\n\r\n${SMUGGLED}`,
  'a header without a name': `${HEAD}: b\r\n\r\n${SMUGGLED}`,
  'a header without a colon': `${HEAD}nonsense\r\n\r\n${SMUGGLED}`,
  'a space in front of the first header': `POST /acme/shop/ HTTP/1.1\r\n host: x\r\n\r\n${SMUGGLED}`,
  'two hosts': `POST /acme/shop/ HTTP/1.1\r\nhost: x\r\nhost: secret.victim.localhost\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`,
  'no host': `GET /acme/shop/ HTTP/1.1\r\nconnection: close\r\n\r\n`,
  'HTTP/2’s preface': 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  'HTTP/0.9': 'GET /acme/shop/\r\n\r\n',
  'an unknown version': `GET /acme/shop/ HTTP/3.7\r\nhost: x\r\n\r\n`,
  'a method that is none': `G@T /acme/shop/ HTTP/1.1\r\nhost: x\r\n\r\n`,
  'a space in the target': `GET /acme/shop/ /victim/secret/ HTTP/1.1\r\nhost: x\r\n\r\n`,
  'an absolute target': `GET http://x/victim/secret/ HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`,
  'an asterisk': `OPTIONS * HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`,
}

describe('a request with two readings is refused', () => {
  for (const [name, text] of Object.entries(SMUGGLING)) {
    test.concurrent(name, async () => {
      const answer = await rawExchange(target.port, text)
      expect(answer).not.toContain('the secret of the victim')
      // A body that breaks off in the middle has had its head answered or not at all; a head never gets a 200.
      expect(answer).not.toMatch(/^TIMEOUT/)
      expect(answer.match(/HTTP\/1\.1 2\d\d/g) ?? []).toEqual([])
      expect(answer === '' || /^HTTP\/1\.1 4\d\d /.test(answer)).toBe(true)
    })
  }
  test('and the host is well', () => target.expectUnharmed())
})

const HOSTS = ['secret.victim.localhost', 'SECRET.VICTIM.LOCALHOST', 'secret.victim.localhost:80', 'x']
const BAD_HOSTS = [
  'a b',
  'a/b',
  'x@y',
  'a,b',
  'a..',
  '-',
  '[::1',
  '%61',
  'x:99999999',
  'x:',
  'a\tb',
  'ä',
  'http://x',
  '..',
  '.localhost',
  '',
]

test('forms of Host that are none are refused; a host reaches only what has that name', async () => {
  for (const host of BAD_HOSTS) {
    const answer = await rawExchange(
      target.port,
      `GET /acme/shop/ HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`,
    )
    expect([host, answer.slice(0, 12)]).toEqual([host, 'HTTP/1.1 400'])
  }
  for (const host of HOSTS) {
    const answer = await rawExchange(
      target.port,
      `GET /acme/shop/ HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`,
    )
    expect([host, answer.includes('the secret')]).toEqual([host, host !== 'x'])
  }
  for (const host of [
    'x.secret.victim.localhost',
    'victim.localhost',
    'secret.victim.localhost.evil.com',
    'evil.com',
  ]) {
    const answer = await rawExchange(
      target.port,
      `GET / HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`,
    )
    expect([host, answer.slice(0, 12)]).toEqual([host, 'HTTP/1.1 404'])
  }
})

const PATHS = [
  '/acme/shop/../../victim/secret/',
  '/acme/shop/%2e%2e/%2e%2e/victim/secret/',
  '/acme/shop/..%2f..%2fvictim/secret/',
  '/acme/shop/..\\..\\victim\\secret\\',
]
PATHS.push(
  '/acme/shop//victim/secret/',
  '/acme/shop/;/victim/secret',
  '/acme/shop?/victim/secret/',
  '/acme/shop/./../x/../../victim/secret',
)
const NOWHERE = [
  '//victim/secret/',
  '/victim%2fsecret/',
  '/./victim/secret/',
  '/../victim/secret/',
  '/%76ictim/secret/',
  '/victim\\secret/',
  '/VICTIM/secret/',
  '/victim//secret/',
  '/victim/secret%00/',
  '/victim/secret;x/',
]

test('dots, slashes and encodings in a path lead to no other tenant', async () => {
  for (const path of PATHS) {
    const answer = await rawExchange(
      target.port,
      `GET ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`,
    )
    expect([path, answer.slice(0, 12), answer.includes('the secret')]).toEqual([path, 'HTTP/1.1 200', false])
  }
  for (const path of NOWHERE) {
    const answer = await rawExchange(
      target.port,
      `GET ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`,
    )
    expect([path, /^HTTP\/1\.1 40[04] /.test(answer)]).toEqual([path, true])
  }
})

test('what only the host may say is not believed from a client', async () => {
  const forged = [
    'X-Forwarded-For: 6.6.6.6',
    'Forwarded: for=6.6.6.6',
    'X-Forwarded-Host: evil',
    'X-Forwarded-Proto: https',
    'X-Real-IP: 6.6.6.6',
    'X-Request-Id: forged',
    'Connection: close, x-secret',
    'Keep-Alive: 9',
    'TE: trailers',
    'Upgrade: h2c',
    'Proxy-Connection: x',
  ]
  const answer = await rawExchange(
    target.port,
    `GET /acme/shop/ HTTP/1.1\r\nhost: x\r\n${forged.join('\r\n')}\r\n\r\n`,
  )
  expect(answer).not.toContain('forged')
  const [, , headers] = JSON.parse(
    answer.slice(answer.indexOf('[', answer.indexOf('\r\n\r\n')), answer.lastIndexOf(']') + 1),
  ) as [string, string, Record<string, string>]
  expect(headers).toEqual({ host: 'x', 'x-forwarded-for': '127.0.0.1' })
})
