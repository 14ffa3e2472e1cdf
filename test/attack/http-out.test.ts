/**
 * Outgoing requests of a real guest, all the way: addresses that are not public however they are spelled or reached,
 * headers that are the client's, and answers that are too much. test/fetch tries the client itself in far more ways.
 */
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { describeEngines } from '../engines.ts'
import { startPowers, type Powers } from './powers.ts'

/** Says what became of each URL of `env.urls`. */
const TRIES = `const say = async (url) => { try { const r = await fetch(url, { redirect: 'follow' }); return r.status + ' ' + (await r.text()).slice(0, 20) } catch (error) { return error.code ?? error.name } }
  return Response.json(await Promise.all(env.urls.map(say)))`

/** 127.0.0.1, the machine itself, its neighbours and the metadata services of clouds. */
const PRIVATE = [
  ...'127.0.0.1 127.1 2130706433 0x7f000001 0177.0.0.1 0 0.0.0.0 localhost LOCALHOST. x.localhost'.split(' '),
  ...'[::1] [::] [::ffff:127.0.0.1] [::ffff:7f00:1] [64:ff9b::7f00:1] [2002:7f00:1::] 127。0。0。1'.split(
    ' ',
  ),
  ...'169.254.169.254 [fd00:ec2::254] 168.63.129.16 10.0.0.1 172.16.0.1 192.168.0.1 100.64.0.1'.split(' '),
  ...'[fe80::1] [fc00::1] 224.0.0.1 255.255.255.255 user:password@127.0.0.1'.split(' '),
]
const REFUSED = /^(VELA_FETCH_(ADDRESS_REFUSED|INVALID|DENIED)|TypeError)$/

describeEngines('requests that leave', (engine) => {
  let target: Powers
  beforeAll(async () => {
    target = await startPowers(engine)
  })
  afterAll(() => target.close())
  afterEach(() => target.expectUnharmed())

  const outcomes = async (at: string, urls: readonly string[]): Promise<string[]> => {
    await target.powerful(at, TRIES, { vars: { urls: [...urls] }, limits: { cpuMs: 5_000 } })
    return JSON.parse((await target.get(`/${at}/`)).text) as string[]
  }

  test('no address that is not public is reached, however it is spelled', async () => {
    const { port } = new URL(target.origin)
    const urls = PRIVATE.map((host) => `http://${host}:${port}/secret`)
    const results = await outcomes('poor/spelled', urls)
    expect(results.flatMap((result, at) => (REFUSED.test(result) ? [] : [[urls[at], result]]))).toEqual([])
    expect(target.asked.filter(({ url }) => url === '/secret')).toEqual([])
  })

  test('nor by a redirect from one that may be reached, nor are the host’s own ports', async () => {
    const { gateway, admin } = target
    const places = [
      'http://10.0.0.1/',
      'http://[::1]/',
      'http://169.254.169.254/',
      'file:///etc/passwd',
      gateway,
      admin,
    ]
    const urls = [
      ...places.map((place) => `${target.origin}/to?at=${encodeURIComponent(place)}`),
      `${target.origin}/to?at=${encodeURIComponent(`${target.origin}/to?at=http://192.168.0.1/`)}`,
      gateway,
      admin,
    ]
    const results = await outcomes('acme/redirected', urls)
    expect(
      results.flatMap((result, at) =>
        /^VELA_FETCH_(ADDRESS_REFUSED|DENIED|INVALID)$/.test(result) ? [] : [[urls[at], result]],
      ),
    ).toEqual([])
  })

  test('a guest cannot break out of a header, nor say where a request ends', async () => {
    const heads: string[] = []
    const server = createServer((socket) => {
      socket.on('error', () => undefined)
      socket.once('data', (data) => {
        heads.push(data.toString('latin1'))
        socket.end('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok')
      })
    }).listen(0, '127.0.0.1')
    await new Promise((resolve) => server.once('listening', resolve))
    const body = `const refused = [], at = env.at
      for (const bad of ['a\\r\\nx-injected: 1', 'a\\nx-injected: 1', 'a\\0b', '\\u560a\\u560dx']) for (const make of [() => ({ headers: { 'x-a': bad } }), () => ({ headers: [[bad, 'x']] }), () => ({ method: bad })]) try { await fetch(at, make()) } catch (error) { refused.push(error.name) }
      const forged = { host: 'evil.example', 'content-length': '3', 'transfer-encoding': 'chunked', connection: 'x-kept, close', 'x-kept': '1', upgrade: 'h2c', te: 'trailers', expect: '100-continue', 'proxy-authorization': 'x', 'keep-alive': 'timeout=9' }
      const answer = await (await fetch(at + '/a%0d%0ax-injected:1?q=\\r\\n x#f', { method: 'POST', headers: forged, body: 'four' })).text()
      return Response.json({ refused: refused.length, answer })`
    await target.powerful('acme/headers', body, {
      vars: { at: `http://127.0.0.1:${(server.address() as AddressInfo).port}` },
    })
    const { text } = await target.get('/acme/headers/')
    server.close()
    expect(JSON.parse(text)).toEqual({ refused: 12, answer: 'ok' })
    expect(heads).toHaveLength(1)
    const lines = (heads[0] ?? '').split('\r\n\r\n')[0]?.split('\r\n') ?? []
    expect(lines[0]).toBe('POST /a%0d%0ax-injected:1?q=%20x HTTP/1.1')
    const names = lines.slice(1).map((line) => line.slice(0, line.indexOf(':')).toLowerCase())
    expect(names.filter((name) => name === 'host' || name === 'content-length')).toHaveLength(2)
    expect(lines.find((line) => /^host:/i.test(line))).toMatch(/^host: 127\.0\.0\.1:\d+$/i)
    expect(lines.find((line) => /^content-length:/i.test(line))).toMatch(/: 4$/)
    for (const name of [
      'x-injected',
      'transfer-encoding',
      'upgrade',
      'te',
      'expect',
      'proxy-authorization',
      'keep-alive',
    ])
      expect([name, names.includes(name)]).toEqual([name, false])
  })

  test('an answer that unpacks to far more than it was ends as an error or as the guest’s own memory; the host’s stays flat', async () => {
    const body = `if (request.url.endsWith('/unread')) { globalThis.kept = await Promise.all(Array.from({ length: 6 }, () => fetch(env.origin + '/bomb'))); return new Response('kept') }
      try { return new Response(String((await (await fetch(env.origin + '/bomb')).bytes()).length)) } catch (error) { return new Response(error.code ?? error.name) }`
    await target.powerful('acme/bomb', body, { limits: { cpuMs: 25_000, memoryMb: 32 } })
    const before = process.memoryUsage().rss
    expect((await target.get('/acme/bomb/unread')).text).toBe('kept')
    const read = await target.get('/acme/bomb/read')
    expect([200, 500, 503]).toContain(read.status)
    if (read.status === 200) expect(read.text).toMatch(/^(VELA_FETCH_TOO_LARGE|RangeError)$/)
    // Seven of a gibibyte each, of which a few hundred KiB may wait in the host.
    expect((process.memoryUsage().rss - before) / 1024 / 1024).toBeLessThan(150)
  })
})
