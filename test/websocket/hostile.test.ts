/** Clients that break the rules of WebSocket or of its handshake: each is told so and cut off, and nobody else notices. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { rawExchange, startTarget, type Target } from '../attack/harness.ts'
import { until } from '../e2e/support.ts'
import { closeCodeFrom, frame, KEY, openSocket, rawSocket } from './client.ts'

const SERVICE = `
const seen = []
export const notes = () => seen.splice(0)
export default {
  async fetch(request) {
    if (request.headers.get('upgrade') !== 'websocket') return Response.json([request.method, Object.fromEntries(request.headers), await request.text()])
    const [client, server] = Object.values(new WebSocketPair())
    server.accept()
    server.addEventListener('error', () => seen.push('error'))
    server.addEventListener('message', ({ data }) => seen.push('message'))
    server.addEventListener('close', ({ code, wasClean }) => seen.push(code + ' ' + wasClean))
    return new Response(null, { status: 101, webSocket: client })
  },
}
`

let target: Target
beforeAll(async () => {
  target = await startTarget()
  await target.deploy('acme/chat', SERVICE, { limits: { socketMessageBytes: 10_000 } })
  await target.handler('victim/secret', `return new Response('the secret of the victim')`)
})
afterAll(() => target?.close())

const close = (code: number, reason = ''): Buffer => {
  const payload = Buffer.alloc(2 + reason.length, reason)
  payload.writeUInt16BE(code, 0)
  payload.write(reason, 2)
  return payload
}

const FRAMES: Readonly<Record<string, { readonly sent: Buffer; readonly code: number }>> = {
  'an unknown opcode': { sent: frame(0x83, 'x'), code: 1002 },
  'an unknown control opcode': { sent: frame(0x8b, ''), code: 1002 },
  'no mask': { sent: frame(0x81, 'x', false), code: 1002 },
  'reserved bits': { sent: frame(0xf1, 'x'), code: 1002 },
  'a compressed frame that was not agreed on': { sent: frame(0xc1, 'x'), code: 1002 },
  'a fragment of nothing': { sent: frame(0x80, 'x'), code: 1002 },
  'a message within another': { sent: Buffer.concat([frame(0x01, 'x'), frame(0x81, 'x')]), code: 1002 },
  'a ping in fragments': { sent: frame(0x09, 'x'), code: 1002 },
  'a ping that is too long': { sent: frame(0x89, 'x'.repeat(126)), code: 1002 },
  'text that is no UTF-8': { sent: frame(0x81, Buffer.from([0xc3, 0x28])), code: 1007 },
  'text whose end is missing': { sent: frame(0x81, Buffer.from([0xf0, 0x9f])), code: 1007 },
  'a close with one byte': { sent: frame(0x88, Buffer.from([3])), code: 1002 },
  'a close with a code that must not be sent': { sent: frame(0x88, close(1006)), code: 1002 },
  'a close with a reason that is no UTF-8': {
    sent: frame(0x88, Buffer.from([3, 232, 0xff])),
    code: 1007,
  },
  'a message over the limit': { sent: frame(0x82, Buffer.alloc(10_001)), code: 1009 },
  'a message over the limit in fragments': {
    sent: Buffer.concat([frame(0x02, Buffer.alloc(6_000)), frame(0x80, Buffer.alloc(6_000))]),
    code: 1009,
  },
  'a length beyond all limits': {
    sent: Buffer.concat([Buffer.from([0x82, 0xff, 0x7f]), Buffer.alloc(7, 0xff), Buffer.alloc(4)]),
    code: 1009,
  },
}

describe('a frame that breaks the rules ends its connection with the right code:', () => {
  for (const [name, { sent, code }] of Object.entries(FRAMES)) {
    test(name, async () => {
      const socket = await rawSocket(target.gateway, '/acme/chat/')
      const told = closeCodeFrom(socket)
      socket.write(sent)
      expect(await told).toBe(code)
      const seen: unknown[] = []
      await until('the guest has heard of it', async () => {
        seen.push(...((await target.runtime.invoke('acme/chat', 'notes')) as unknown[]))
        return seen.length === 2
      })
      expect(seen).toEqual(['error', `${code} false`])
    })
  }
  test('and neighbours are well', () => target.expectUnharmed())
})

const SMUGGLED = 'GET /victim/secret/ HTTP/1.1\r\nhost: x\r\n\r\n'
const HEAD = 'GET /acme/chat/ HTTP/1.1\r\nhost: x\r\n'
const UPGRADE = 'upgrade: websocket\r\nconnection: upgrade\r\n'
const REST = `sec-websocket-version: 13\r\nsec-websocket-key: ${KEY}\r\n`

const HANDSHAKES: Readonly<Record<string, string>> = {
  'no key': `${HEAD}${UPGRADE}sec-websocket-version: 13\r\n\r\n`,
  'a key that is none': `${HEAD}${UPGRADE}sec-websocket-version: 13\r\nsec-websocket-key: short\r\n\r\n`,
  'two keys': `${HEAD}${UPGRADE}${REST}sec-websocket-key: ${KEY}\r\n\r\n`,
  'another version': `${HEAD}${UPGRADE}sec-websocket-version: 12\r\nsec-websocket-key: ${KEY}\r\n\r\n`,
  'no version': `${HEAD}${UPGRADE}sec-websocket-key: ${KEY}\r\n\r\n`,
  'a subprotocol that is none': `${HEAD}${UPGRADE}${REST}sec-websocket-protocol: a b\r\n\r\n`,
  'HTTP/1.0': `GET /acme/chat/ HTTP/1.0\r\nhost: x\r\n${UPGRADE}${REST}\r\n`,
  'a body with a length': `${HEAD}${UPGRADE}${REST}content-length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`,
  'a length of nothing, and more behind it': `${HEAD}${UPGRADE}${REST}content-length: 0\r\n\r\n${SMUGGLED}`,
  'a chunked body': `${HEAD}${UPGRADE}${REST}transfer-encoding: chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
  'two hosts': `${HEAD}host: secret.victim.localhost\r\n${UPGRADE}${REST}\r\n`,
  'no host': `GET /acme/chat/ HTTP/1.1\r\n${UPGRADE}${REST}\r\n`,
  'an absolute target': `GET http://x/acme/chat/ HTTP/1.1\r\nhost: x\r\n${UPGRADE}${REST}\r\n`,
}

describe('a handshake that is none is refused, and so is all behind it:', () => {
  for (const [name, text] of Object.entries(HANDSHAKES)) {
    test.concurrent(name, async () => {
      const answer = await rawExchange(target.port, text)
      expect(answer).toMatch(/^HTTP\/1\.1 400 /)
      expect(answer).toContain('VELA_GATEWAY_BAD_REQUEST')
      expect(answer.match(/HTTP\/1\.1 /g)).toHaveLength(1)
      expect(answer).not.toContain('the secret')
    })
  }
})

test('what follows a handshake is frames: a request behind a refusal is not answered', async () => {
  await target.handler('acme/no', `return new Response('no', { status: 403 })`)
  const answer = await rawExchange(
    target.port,
    `GET /acme/no/ HTTP/1.1\r\nhost: x\r\n${UPGRADE}${REST}\r\n${SMUGGLED}`,
  )
  expect(answer).toMatch(/^HTTP\/1\.1 403 /)
  expect(answer).toMatch(/connection: close/i)
  expect(answer).not.toContain('the secret')
})

test('requests for other upgrades are ordinary requests, and forge no upgrade before the guest', async () => {
  for (const upgrade of ['upgrade: h2c', 'upgrade: websocket, h2c', 'upgrade: websocket\r\nupgrade: h2c']) {
    const answer = await rawExchange(
      target.port,
      `POST /acme/chat/ HTTP/1.1\r\nhost: x\r\nconnection: upgrade, close\r\n${upgrade}\r\ncontent-length: 2\r\n\r\nok`,
    )
    expect(answer).toMatch(/^HTTP\/1\.1 200 /)
    expect(answer).toContain('"ok"')
    expect(answer).not.toContain('upgrade":')
  }
})

test('frames that come with the handshake are kept for the guest', async () => {
  await target.runtime.invoke('acme/chat', 'notes')
  const { socket } = await openSocket(target.gateway, '/acme/chat/')
  socket.terminate()
  const answer = rawExchange(
    target.port,
    Buffer.concat([
      Buffer.from(`${HEAD}${UPGRADE}${REST}\r\n`),
      frame(0x81, 'early'),
      frame(0x88, close(1000)),
    ]).toString('latin1'),
  )
  expect(await answer).toMatch(/^HTTP\/1\.1 101 /)
  const seen: unknown[] = []
  await until('the guest has heard of it', async () => {
    seen.push(...((await target.runtime.invoke('acme/chat', 'notes')) as unknown[]))
    return seen.includes('1000 true')
  })
  expect(seen.slice(-2)).toEqual(['message', '1000 true'])
})
