/**
 * The network between a host and NATS, as something that a test can cut. A cut is a silent one: connections stay and nothing
 * passes, as when a network is partitioned.
 */
import { connect, createServer, type Socket } from 'node:net'

/** The network between one host and NATS. */
export interface Cable {
  /** What the host is given as NATS. */
  readonly url: string
  /** From now on nothing passes, either way; new connections are taken and left silent. */
  cut(): void
  /** What stood in the cable passes. */
  mend(): void
  /** Resets every connection: the host notices at once and dials again. */
  reset(): void
  close(): Promise<void>
}

export async function createCable(port: number): Promise<Cable> {
  const pairs = new Set<readonly [Socket, Socket]>()
  let isCut = false
  const server = createServer({ allowHalfOpen: true }, (near) => {
    const far = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    const pair = [near, far] as const
    pairs.add(pair)
    const end = (): void => {
      pairs.delete(pair)
      near.destroy()
      far.destroy()
    }
    for (const [from, to] of [pair, [far, near] as const]) {
      from.setNoDelay(true)
      from.on('data', (bytes: Buffer) => {
        if (!to.write(bytes)) from.pause()
      })
      to.on('drain', () => {
        if (!isCut) from.resume()
      })
      // An end does not pass a cut cable either.
      from.on('end', () => (isCut ? undefined : end()))
      from.on('error', end)
      from.on('close', end)
    }
    if (isCut) for (const socket of pair) socket.pause()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  const all = (): Socket[] => [...pairs].flat()
  return {
    url: `nats://127.0.0.1:${address.port}`,
    cut() {
      isCut = true
      for (const socket of all()) socket.pause()
    },
    mend() {
      isCut = false
      for (const socket of all()) socket.resume()
    },
    reset() {
      for (const socket of all()) socket.destroy()
    },
    async close() {
      for (const socket of all()) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
