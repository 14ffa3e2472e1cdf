/** Real WebSocket clients for the tests: `ws`, with what arrived kept in order; and one that writes its frames by hand. */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { connect, type Socket } from 'node:net'
import { WebSocket, type ClientOptions } from 'ws'

export interface Client {
  readonly socket: WebSocket
  /** The next message: text as a string, bytes as a Buffer. Rejects when the connection closes before. */
  next(): Promise<string | Buffer>
  /** Code and reason, once it is closed. */
  readonly closed: Promise<readonly [code: number, reason: string]>
}

const urlOf = (gateway: string, path: string): string => `${gateway.replace('http', 'ws')}${path}`

/** Resolves when it is open. */
export async function openSocket(
  gateway: string,
  path: string,
  protocols: readonly string[] = [],
  options: ClientOptions = {},
): Promise<Client> {
  const socket = new WebSocket(urlOf(gateway, path), [...protocols], options)
  const arrived: (string | Buffer)[] = []
  let wake: (() => void) | undefined
  let over = false
  socket.on('message', (data: Buffer, isBinary: boolean) => {
    arrived.push(isBinary ? data : data.toString())
    wake?.()
  })
  const closed = new Promise<readonly [number, string]>((resolve) => {
    socket.once('close', (code, reason) => {
      over = true
      wake?.()
      resolve([code, reason.toString()])
    })
  })
  await once(socket, 'open')
  socket.on('error', () => undefined)
  return {
    socket,
    closed,
    async next() {
      while (arrived.length === 0) {
        if (over) throw new Error('The connection closed before the message came')
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
      return arrived.shift() ?? ''
    },
  }
}

/** The response to a handshake that is not accepted. */
export async function refusal(
  gateway: string,
  path: string,
): Promise<{ readonly status: number; readonly body: string }> {
  const socket = new WebSocket(urlOf(gateway, path))
  socket.on('error', () => undefined)
  const [, response] = (await once(socket, 'unexpected-response')) as [unknown, IncomingMessage]
  const body = (await response.toArray()).join('')
  socket.terminate()
  return { status: response.statusCode ?? 0, body }
}

export const KEY = 'dGhlIHNhbXBsZSBub25jZQ=='

/** Upgrades by hand; resolves when the 101 is there. Never reads on by itself once it is paused. */
export async function rawSocket(gateway: string, path: string): Promise<Socket> {
  const { hostname, port } = new URL(gateway)
  const socket = connect(Number(port), hostname)
  socket.on('error', () => undefined)
  socket.write(
    `GET ${path} HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\n` +
      `sec-websocket-version: 13\r\nsec-websocket-key: ${KEY}\r\n\r\n`,
  )
  await once(socket, 'readable')
  const head = String(socket.read())
  if (!head.startsWith('HTTP/1.1 101 ')) throw new Error(`Not upgraded: ${head}`)
  return socket
}

/** A frame of a client; `first` is its first byte (fin, reserved bits, opcode). */
export function frame(first: number, payload: Buffer | string, masked = true): Buffer {
  const data = Buffer.from(payload)
  const mask = masked ? randomBytes(4) : Buffer.alloc(0)
  const bit = masked ? 0x80 : 0
  const head =
    data.length < 126 ? Buffer.from([first, bit | data.length]) : Buffer.from([first, bit | 126, 0, 0])
  if (data.length >= 126) head.writeUInt16BE(data.length, 2)
  const body = masked ? data.map((byte, at) => byte ^ (mask[at % 4] ?? 0)) : data
  return Buffer.concat([head, mask, body])
}

/** The code of the close frame with which the server ends the connection; 0 if it ends without one. */
export async function closeCodeFrom(socket: Socket): Promise<number> {
  let received = Buffer.alloc(0)
  socket.on('data', (chunk: Buffer) => {
    received = Buffer.concat([received, chunk])
  })
  await once(socket, 'close')
  // The guests of these tests send nothing, so the close frame is the first.
  return received[0] === 0x88 && received.length >= 4 ? received.readUInt16BE(2) : 0
}
