/** A wire between a client and nats-server that can lose what the server says, as a network does: what was asked is done, and not answered. */
import { connect, createServer, type Socket } from 'node:net'

export interface Cable {
  readonly url: string
  /** From now on nothing of what the server says arrives; what the client says does. */
  loseAnswers(): void
  /** Ends all connections. New ones work both ways. */
  reset(): void
  /** Bytes that the client has sent. */
  readonly sent: number
  close(): Promise<void>
}

export async function createCable(port: number): Promise<Cable> {
  const pairs = new Set<{ client: Socket; server: Socket; mute: boolean }>()
  let sent = 0
  const listener = createServer((client) => {
    const pair = { client, server: connect(port, '127.0.0.1'), mute: false }
    pairs.add(pair)
    client.on('data', (data) => {
      sent += data.length
      pair.server.write(data)
    })
    pair.server.on('data', (data) => {
      if (!pair.mute) client.write(data)
    })
    const end = (): void => {
      pairs.delete(pair)
      client.destroy()
      pair.server.destroy()
    }
    for (const socket of [client, pair.server]) socket.on('close', end).on('error', end)
  })
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  const address = listener.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  const reset = (): void => {
    for (const { client, server } of pairs) {
      client.destroy()
      server.destroy()
    }
  }
  return {
    url: `nats://127.0.0.1:${address.port}`,
    get sent() {
      return sent
    },
    loseAnswers: () => {
      for (const pair of pairs) pair.mute = true
    },
    reset,
    close: async () => {
      reset()
      await new Promise((resolve) => listener.close(resolve))
    },
  }
}
