/**
 * Whole responses over raw sockets, counted and dropped, one connection each: an HTTP parser in this process would
 * be what is measured. `Connection: close` marks the end, so that no framing needs to be understood.
 */
import { connect } from 'node:net'
import { BenchError } from '../contract.ts'

const READ_BYTES = 256 * 1024

export interface DownloadOptions {
  /** Read no more for this long after the first bytes, as a slow client does. */
  readonly pauseMs?: number
  readonly minBytes: number
}

/** Resolves to the bytes received once the response ended; rejects unless it is a 200 of at least `minBytes`. */
export function download(url: string, options: DownloadOptions): Promise<number> {
  const { hostname, port, pathname, host } = new URL(url)
  return new Promise((resolve, reject) => {
    let received = 0
    let status = ''
    const onBytes = (count: number, buffer: Uint8Array): boolean => {
      if (received === 0) {
        status = Buffer.from(buffer.buffer, buffer.byteOffset, 12).toString('latin1')
        if (options.pauseMs !== undefined) {
          socket.pause()
          setTimeout(() => socket.resume(), options.pauseMs)
        }
      }
      received += count
      return true
    }
    const onread = { buffer: new Uint8Array(READ_BYTES), callback: onBytes }
    const socket = connect({ host: hostname, port: Number(port), onread })
    socket.on('connect', () =>
      socket.write(`GET ${pathname} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`),
    )
    socket.on('error', reject)
    socket.on('close', () => {
      if (status.endsWith(' 200') && received >= options.minBytes) resolve(received)
      else reject(new BenchError(`${url} sent ${received} bytes, beginning "${status}"`))
    })
  })
}
