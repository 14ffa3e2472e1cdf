/**
 * A busy service as its tenant and its operator see it: one service, whatever it runs in. Deploys lose nothing, limits hold
 * for all replicas together, sockets stay, and recordings of every cell replay.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { replay } from '../../host/core/replay.ts'
import { startRuntime, until, type TestRuntime } from '../e2e/support.ts'
import { tempFolder, type Folder } from '../replay/session.ts'
import { openSocket, type Client } from '../websocket/client.ts'

let folder: Folder
let host: TestRuntime
beforeAll(async () => {
  folder = tempFolder()
  host = await startRuntime({
    drainMs: 10_000,
    cells: { cores: 2, spares: 0, isolateIdleMs: 60_000, recordDir: folder.path },
  })
})
afterAll(async () => {
  await host[Symbol.asyncDispose]()
  folder[Symbol.dispose]()
})

const source = (version: number): string => `
const me = crypto.randomUUID()
let running = 0
export function spin(rounds) {
  let sum = 0
  for (let round = 0; round < rounds; round++) sum += Math.sqrt(round)
  return sum < 0 ? '' : [${version}, me]
}
export async function hold(ms) {
  running++
  await new Promise((resolve) => setTimeout(resolve, ms))
  return running--
}
export default {
  fetch() {
    const { 0: client, 1: server } = new WebSocketPair()
    server.accept()
    server.addEventListener('message', ({ data }) => server.send(me + data))
    return new Response(null, { status: 101, webSocket: client })
  },
}`
const MANIFEST = { limits: { cpuMs: 2_000, concurrency: 4 } }

interface Traffic {
  /** By connection: the versions that answered, in order. */
  readonly seen: number[][]
  readonly isolates: Set<string>
  stop(): Promise<void>
}

function startTraffic(): Traffic {
  const isolates = new Set<string>()
  const seen: number[][] = []
  let stopped = false
  const running = Array.from({ length: 6 }, async () => {
    const mine: number[] = []
    seen.push(mine)
    while (!stopped) {
      const [version, isolate] = (await host.runtime.invoke('t/busy', 'spin', [1_500_000])) as [
        number,
        string,
      ]
      mine.push(version)
      isolates.add(isolate)
    }
  })
  return {
    seen,
    isolates,
    async stop() {
      stopped = true
      await Promise.all(running)
    },
  }
}

const replicas = async (): Promise<number> => (await host.runtime.services('t'))[0]?.replicas ?? -1

test('deploys while several replicas are at work fail no call, and nobody sees an old version after a new one', async () => {
  await host.deploy('busy', source(1), { manifest: MANIFEST })
  expect(await replicas()).toBe(1)
  const traffic = startTraffic()
  for (const version of [2, 3]) {
    await until('it has grown', async () => (await replicas()) === 2, 30_000)
    await host.deploy('busy', source(version), { manifest: MANIFEST })
    await until('all are answered by it', () => traffic.seen.every((mine) => mine.at(-1) === version))
  }
  await until('it has grown again', async () => (await replicas()) === 2, 30_000)
  await until('both answer', () => traffic.isolates.size >= 6, 30_000)
  await traffic.stop()
  for (const mine of traffic.seen) expect(mine).toEqual(mine.toSorted((one, other) => one - other))
  const metrics = await host.runtime.metrics()
  expect(metrics).toMatch(/^vela_service_replicas\{tenant="t",service="busy"\} 2$/m)
  expect(metrics).toMatch(/^vela_service_queue_length\{tenant="t",service="busy"\} 0$/m)
  expect(metrics).toMatch(/^vela_calls_stolen_total \d+$/m)
})

test('concurrency holds for both replicas together', async () => {
  expect(await replicas()).toBe(2)
  const calls = Array.from({ length: 12 }, (_, index) =>
    host.runtime.invoke('t/busy', 'hold', [150], { affinity: `key ${index}` }),
  )
  await until('some are in flight', async () => ((await host.runtime.services('t'))[0]?.inFlight ?? 0) > 0)
  expect((await host.runtime.services('t'))[0]?.inFlight).toBeLessThanOrEqual(4)
  const running = (await Promise.all(calls)) as number[]
  expect(Math.max(...running)).toBeLessThanOrEqual(4)
})

test('a key asks for its isolate', async () => {
  const isolates = async (key: (call: number) => string): Promise<Set<unknown>> => {
    const seen = new Set<unknown>()
    for (let call = 0; call < 24; call++)
      seen.add(JSON.stringify(await host.runtime.invoke('t/busy', 'spin', [1], { affinity: key(call) })))
    return seen
  }
  expect((await isolates(() => 'always this')).size).toBe(1)
  expect((await isolates((call) => `key ${call}`)).size).toBe(2)
})

test('sockets stay with the isolate that has them, whatever else its service does', async () => {
  const sockets = await Promise.all(
    Array.from({ length: 4 }, () => openSocket(host.urls.gateway, '/t/busy/')),
  )
  const before = await Promise.all(sockets.map((client) => echo(client, '')))
  const traffic = startTraffic()
  await until('there is load', () => traffic.seen.every((mine) => mine.length > 3))
  expect(await Promise.all(sockets.map((client) => echo(client, '')))).toEqual(before)
  await traffic.stop()
  for (const { socket } of sockets) socket.close()
})

async function echo(client: Client, text: string): Promise<string> {
  client.socket.send(text)
  return String(await client.next())
}

test('every cell has a recording of its own, and that of a replica replays', async () => {
  await host.runtime.deleteService('t', 'busy')
  await host.runtime.stop()
  const ofReplica = folder.recordings('tenant-t-1')
  expect(ofReplica.length).toBeGreaterThan(0)
  expect(folder.recordings('tenant-t').length).toBeGreaterThan(ofReplica.length)
  const { turns, divergence } = await replay(ofReplica[0] ?? '')
  expect([divergence, Object.keys(turns).length > 0]).toEqual([null, true])
}, 60_000)
