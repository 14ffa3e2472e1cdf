/**
 * A real JetStream of three nats-servers for tests: routes between them on this machine, a folder for each, any of which can be killed, frozen and
 * started again. Where it stands is asked of the servers themselves: who leads a stream, how many copies it has, who is connected to whom.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { jetstreamManager, type StreamInfo } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { freePort, type NatsServer, startNats } from './server.ts'

export interface ThreeServers {
  readonly servers: readonly NatsServer[]
  /** Addresses of all. */
  readonly urls: readonly string[]
  /** Resolves when streams with a copy on each server can be made. */
  ready(): Promise<void>
  /** All streams there are, as those who lead them see them. */
  streams(): Promise<readonly StreamInfo[]>
  /** Index of the server that leads the stream. */
  leaderOf(stream: string): Promise<number>
  /** Index of the server that a client of that name is connected to; undefined: none. */
  serverOf(client: string): Promise<number | undefined>
  stop(): Promise<void>
}

const READY_MS = 30_000
const COUNT = 3
const nameOf = (index: number): string => `s${index}`

export async function startThreeServers(): Promise<ThreeServers> {
  const ports = await Promise.all(Array.from({ length: COUNT * 2 }, freePort))
  const routes = ports.slice(0, COUNT)
  const monitors = ports.slice(COUNT)
  const servers = await Promise.all(
    routes.map((port, index) =>
      startNats({
        name: nameOf(index),
        config: [
          `http: "127.0.0.1:${monitors[index]}"`,
          `cluster { name: "three", listen: "127.0.0.1:${port}", routes: [${routes.map((each) => `"nats-route://127.0.0.1:${each}"`).join(', ')}] }`,
        ].join('\n'),
      }),
    ),
  )
  const urls = servers.map(({ url }) => url)

  const ask = async <Result>(
    work: (manager: Awaited<ReturnType<typeof jetstreamManager>>) => Promise<Result>,
  ): Promise<Result> => {
    const connection = await connect({ servers: urls, timeout: 2000 })
    try {
      return await work(await jetstreamManager(connection, { checkAPI: false, timeout: 2000 }))
    } finally {
      await connection.close()
    }
  }

  const soon = async <Result>(what: string, work: () => Promise<Result | undefined>): Promise<Result> => {
    const deadline = performance.now() + READY_MS
    let reason: unknown
    while (performance.now() < deadline) {
      try {
        const result = await work()
        if (result !== undefined) return result
      } catch (error) {
        reason = error
      }
      await sleep(50)
    }
    const logs = servers.map((server) => server.log().slice(-3000)).join('\n--\n')
    throw new Error(`${what}: not within ${READY_MS} ms\n${logs}`, { cause: reason })
  }

  const three: ThreeServers = {
    servers,
    urls,
    ready: () =>
      soon('three servers are one JetStream', () =>
        ask(async (manager) => {
          await manager.streams.add({ name: 'probe', subjects: ['probe'], num_replicas: COUNT })
          await manager.streams.delete('probe')
          return true
        }),
      ).then(() => undefined),
    streams: () =>
      soon('streams are told', () =>
        ask(async (manager) => {
          const found: StreamInfo[] = []
          for await (const name of manager.streams.names()) found.push(await manager.streams.info(name))
          return found
        }),
      ),
    leaderOf: (stream) =>
      soon(`${stream} has a leader`, async () => {
        const { cluster } = await ask((manager) => manager.streams.info(stream))
        const index = servers.findIndex((_, each) => nameOf(each) === cluster?.leader)
        return index < 0 ? undefined : index
      }),
    async serverOf(client) {
      for (const [index, port] of monitors.entries()) {
        const told = await fetch(`http://127.0.0.1:${port}/connz`).then(
          (response) => response.json() as Promise<{ connections: { name?: string }[] }>,
          () => undefined,
        )
        if (told?.connections.some(({ name }) => name === client) === true) return index
      }
      return undefined
    },
    stop: async () => void (await Promise.all(servers.map((server) => server.stop()))),
  }
  try {
    await three.ready()
  } catch (error) {
    await three.stop()
    throw error
  }
  return three
}
