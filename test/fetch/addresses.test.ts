/** Where a connection may lead: every spelling of what is not public, names that lie, and the host's own ports. */
import { createSocket } from 'node:dgram'
import { describe, expect, test } from 'vitest'
import { parseNetwork, refuseAddress } from '../../host/http/client/address.ts'
import { createResolve } from '../../host/http/client/resolve.ts'
import { asker, clientFor, codeOf, errorOf, scopeFor, serve } from './support.ts'

const NOBODY: ReadonlySet<string> = new Set()
const networks = (...texts: string[]): NonNullable<ReturnType<typeof parseNetwork>>[] =>
  texts.flatMap((text) => parseNetwork(text) ?? [])

describe('addresses that are not public', () => {
  const refused = [
    ...'127.0.0.1 127.255.255.254 0.0.0.0 0.1.2.3 10.0.0.1 172.16.0.1 172.31.255.255'.split(' '),
    ...'192.168.1.1 169.254.169.254 100.64.0.1 100.100.100.200 192.0.0.192 192.0.2.1'.split(' '),
    ...'198.18.0.1 198.51.100.1 203.0.113.1 224.0.0.1 239.1.1.1 240.0.0.1'.split(' '),
    ...'255.255.255.255 192.88.99.1 168.63.129.16'.split(' '),
    ...':: ::1 fe80::1 fe80::1%lo fec0::1 fc00::1 fd00:ec2::254 ff02::1 100::1'.split(' '),
    ...'2001:db8::1 3fff::1 5f00::1 4000::1 2001:2::1 2001:10::1'.split(' '),
    // IPv4 inside: mapped, compatible, translated, 6to4, Teredo, ISATAP.
    ...'::ffff:127.0.0.1 ::ffff:7f00:1 ::ffff:10.0.0.1 ::127.0.0.1 ::ffff:0:127.0.0.1'.split(' '),
    ...'64:ff9b::127.0.0.1 64:ff9b::a00:1 64:ff9b:1::a00:1 2002:7f00:1:: 2002:808:808::1'.split(' '),
    ...'2001:0:4136:e378:8000:63bf:3fff:fdd2 2606:4700::5efe:7f00:1 2606:4700::200:5efe:10.0.0.1'.split(' '),
    '',
    'localhost',
    '127.1',
    '0x7f000001',
    '1.2.3.4.5',
    '127.0.0.1 ',
    '1.2.3.4\n',
  ]
  test.each(refused)('%j is refused', (address) => {
    expect(refuseAddress(address, [], NOBODY)).toMatch(/^(no address|an address that is not public)$/)
  })

  test('public ones are not, in any form that leads to them', () => {
    for (const address of ['8.8.8.8', '2606:4700::1111', '::ffff:8.8.8.8', '64:ff9b::8.8.8.8', '100.128.0.1'])
      expect([address, refuseAddress(address, [], NOBODY)]).toEqual([address, undefined])
  })

  test('a public address of the machine itself is refused, and allowed by the network that names it', () => {
    const own = new Set(['8.8.8.8'])
    expect(refuseAddress('8.8.8.8', [], own)).toBe('an address of the host itself')
    expect(refuseAddress('::ffff:8.8.8.8', [], own)).toBe('an address of the host itself')
    expect(refuseAddress('8.8.8.8', networks('8.8.8.8'), own)).toBeUndefined()
  })

  test('a network of the policy opens what is in it, in its mapped form too, and nothing beside it', () => {
    const allowed = networks('10.1.0.0/16', 'fd00::/8', '::1')
    for (const address of ['10.1.2.3', '::ffff:10.1.2.3', '64:ff9b::10.1.2.3', 'fd12::1', '::1'])
      expect([address, refuseAddress(address, allowed, NOBODY)]).toEqual([address, undefined])
    for (const address of ['10.2.0.1', '127.0.0.1', 'fe80::1', '::ffff:10.2.0.1', '2002:a01:203::'])
      expect([address, refuseAddress(address, allowed, NOBODY) !== undefined]).toEqual([address, true])
  })

  test('an address with a zone is none, whatever network is allowed', () => {
    expect(refuseAddress('fe80::1%lo', networks('fe80::/10', '::/0'), NOBODY)).toBe('no address')
  })

  test('what is no network is none', () => {
    for (const text of [
      '',
      '10.0.0.0/33',
      '10.0.0.0/-1',
      '10.0/8',
      '::/129',
      '10.0.0.0/8/8',
      'x',
      '1.2.3.4/ 8',
    ])
      expect([text, parseNetwork(text)]).toEqual([text, undefined])
  })
})

describe('a request to the host itself, spelled in any way', async () => {
  const server = await serve((_, response) => response.end('secret'))
  const client = clientFor()
  const ask = asker(client, scopeFor({ networks: [] }))
  const spellings = [
    ...'127.0.0.1 127.1 2130706433 0x7f000001 0177.0.0.1 0x7f.0.0.1 127.0.0.1%2e'.split(' '),
    ...'%31%32%37.0.0.1 １２７.0.0.1 127。0。0。1 0 0.0.0.0 [::] [::1] [::ffff:127.0.0.1]'.split(' '),
    ...'[::ffff:7f00:1] [::7f00:1] [64:ff9b::7f00:1] [2002:7f00:1::] localhost LOCALHOST'.split(' '),
    ...'x.localhost localhost. 127.0.0.1. user@127.0.0.1 127.0.0.1\\@example.com'.split(' '),
  ]
  test.each(spellings)('http://%s is refused', async (host) => {
    const code = await codeOf(ask(`http://${host}:${server.port}/`))
    expect(['VELA_FETCH_ADDRESS_REFUSED', 'VELA_FETCH_INVALID']).toContain(code)
    expect(server.sockets).toHaveLength(0)
  })

  test('and is served as soon as the policy names the network', async () => {
    const allowed = asker(client, scopeFor({ networks: ['127.0.0.0/8'] }))
    expect((await allowed(`http://2130706433:${server.port}/`)).text).toBe('secret')
  })
})

describe('names', () => {
  test('a name that leads to a private address is refused without saying which', async () => {
    const client = clientFor({ resolve: () => Promise.resolve(['10.20.30.40']) })
    const thrown = (await errorOf(asker(client, scopeFor())('http://intranet.example/'))) as Error
    expect(thrown).toMatchObject({ code: 'VELA_FETCH_ADDRESS_REFUSED' })
    expect(thrown.message).not.toContain('10.20')
  })

  test('one refused address among good ones condemns the answer', async () => {
    const server = await serve((_, response) => response.end())
    const url = `http://mixed.example:${server.port}/`
    for (const bad of ['10.0.0.1', '::1', 'fe80::1%lo', '::ffff:169.254.169.254', 'nonsense']) {
      const client = clientFor({ resolve: () => Promise.resolve(['127.0.0.1', bad]) })
      expect([bad, await codeOf(asker(client, scopeFor())(url))]).toEqual([bad, 'VELA_FETCH_ADDRESS_REFUSED'])
    }
    expect(server.sockets).toHaveLength(0)
  })

  test('a name is resolved once, and the connection goes to the address that was judged', async () => {
    const good = await serve((_, response) => response.end('good'))
    const evil = await serve((_, response) => response.end('evil'), '127.0.0.2', good.port)
    let asked = 0
    const resolve = (): Promise<string[]> => Promise.resolve([asked++ === 0 ? '127.0.0.1' : '127.0.0.2'])
    const ask = asker(clientFor({ resolve }), scopeFor())
    expect((await ask(`http://rebind.example:${good.port}/`)).text).toBe('good')
    expect([asked, evil.sockets.length]).toEqual([1, 0])
  })

  test('the next address is tried when one does not answer', async () => {
    const server = await serve((_, response) => response.end('here'))
    const resolve = (): Promise<string[]> => Promise.resolve(['127.0.0.3', '127.0.0.1'])
    const ask = asker(clientFor({ resolve }), scopeFor({ networks: ['127.0.0.0/8'] }))
    expect((await ask(`http://two.example:${server.port}/`)).text).toBe('here')
  })

  test('one that does not exist fails with a code', async () => {
    const failing = clientFor({ resolve: () => Promise.reject(new Error('ENOTFOUND 10.0.0.53')) })
    const thrown = (await errorOf(asker(failing, scopeFor())('http://gone.example/'))) as Error
    expect(thrown).toMatchObject({ code: 'VELA_FETCH_FAILED' })
    expect(thrown.message).toBe('http://gone.example: the name cannot be resolved')
    const empty = clientFor({ resolve: () => Promise.resolve([]) })
    expect(await codeOf(asker(empty, scopeFor())('http://gone.example/'))).toBe('VELA_FETCH_FAILED')
  })

  test('the resolver asks DNS for both families, and never for localhost', async () => {
    const questions: string[] = []
    const dns = createSocket('udp4').on('message', (query, from) => {
      const labels: string[] = []
      let at = 12
      for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
        labels.push(query.toString('latin1', at + 1, at + 1 + length))
        at += 1 + length
      }
      const type = query.readUInt16BE(at + 1)
      questions.push(`${labels.join('.')} ${type === 1 ? 'A' : type === 28 ? 'AAAA' : type}`)
      const reply = Buffer.concat([
        query.subarray(0, at + 5),
        Buffer.from(type === 1 ? 'c00c000100010000003c000408080808' : '', 'hex'),
      ])
      reply.writeUInt16BE(0x8180, 2)
      reply.writeUInt16BE(type === 1 ? 1 : 0, 6)
      reply.writeUInt16BE(0, 10)
      dns.send(reply, from.port, from.address)
    })
    await new Promise<void>((resolve) => {
      dns.bind(0, '127.0.0.1', resolve)
    })
    try {
      const resolve = createResolve([`127.0.0.1:${dns.address().port}`])
      expect(await resolve('name.example')).toEqual(['8.8.8.8'])
      expect(await resolve('app.localhost')).toEqual(['127.0.0.1', '::1'])
      expect(questions.sort()).toEqual(['name.example A', 'name.example AAAA'])
    } finally {
      dns.close()
    }
  })
})

describe("the host's own ports", async () => {
  const admin = await serve((_, response) => response.end('control'))
  const client = clientFor({ ownPorts: () => [admin.port] })

  test('are refused even where the network is allowed', async () => {
    const ask = asker(client, scopeFor({ networks: ['127.0.0.0/8', '::/0'] }))
    for (const host of ['127.0.0.1', '127.8.9.1', '[::ffff:127.0.0.1]', 'localhost', '[64:ff9b::127.0.0.1]'])
      expect([host, await codeOf(ask(`http://${host}:${admin.port}/`))]).toEqual([
        host,
        'VELA_FETCH_ADDRESS_REFUSED',
      ])
    expect(admin.sockets).toHaveLength(0)
  })

  test('are reached by a scope that may', async () => {
    expect((await asker(client, scopeFor({ ownPorts: true }))(`${admin.origin}/`)).text).toBe('control')
  })

  test('and a connection made by that scope serves no other of the tenant', async () => {
    expect(await codeOf(asker(client, scopeFor())(`${admin.origin}/`))).toBe('VELA_FETCH_ADDRESS_REFUSED')
  })
})
