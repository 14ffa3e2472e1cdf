/**
 * The server that guests fetch from, in this process and so on the load core. It finds the end of a request's head and
 * parses nothing: an HTTP server would be as slow as the clients that are measured.
 */
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { BenchError } from '../contract.ts'

export interface Origin {
  readonly url: string
  /** What it answers to every GET. */
  readonly body: string
  /** Requests answered so far. */
  served(): number
  /** Breaks the connections that clients keep. */
  close(): Promise<void>
}

const BODY = JSON.stringify({ item: 1, note: 'n'.repeat(200) })
const ANSWER = `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${BODY.length}\r\n\r\n${BODY}`
const HEAD_END = '\r\n\r\n'

export async function startOrigin(): Promise<Origin> {
  const sockets = new Set<Socket>()
  let served = 0
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket)
    let pending = ''
    socket.setEncoding('latin1')
    socket.on('data', (chunk: string) => {
      const heads = (pending + chunk).split(HEAD_END)
      pending = heads.pop() ?? ''
      served += heads.length
      if (heads.length > 0) socket.write(ANSWER.repeat(heads.length))
    })
    // A client that resets its connection has had what it wanted.
    socket.on('error', () => undefined)
    socket.on('close', () => sockets.delete(socket))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new BenchError('the origin has no port')
  return {
    url: `http://127.0.0.1:${address.port}/item`,
    body: BODY,
    served: () => served,
    async close() {
      const closed = once(server, 'close')
      server.close()
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}
