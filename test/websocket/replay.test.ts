/** A recording of a cell that served WebSockets replays to the same frames. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { replay } from '../../host/core/replay.ts'
import { startRuntime } from '../e2e/support.ts'
import { tempFolder, type Folder } from '../replay/session.ts'
import { openSocket } from './client.ts'

const SERVICE = `/* sockets */
export default {
  fetch(request, env, ctx) {
    const [client, server] = Object.values(new WebSocketPair())
    server.accept()
    server.addEventListener('message', async ({ data }) => {
      if (data === 'spin') for (;;);
      server.send(typeof data === 'string' ? data + ' ' + Math.random() : data)
      await new Promise((resolve) => setTimeout(resolve, 2))
      server.send('later ' + Date.now() + ' ' + server.bufferedAmount)
    })
    server.addEventListener('close', ({ code }) => console.log('closed', code))
    return new Response(null, { status: 101, webSocket: client })
  },
}
`

let folder: Folder
beforeAll(() => {
  folder = tempFolder()
})
afterAll(() => folder?.[Symbol.dispose]())

test('a recording of sockets replays to the same frames, a killed one too', async () => {
  {
    await using host = await startRuntime({ cells: { recordDir: folder.path, spares: 0 } })
    await host.deploy('s', SERVICE, { manifest: { limits: { cpuMs: 80 } } })
    const clients = await Promise.all(Array.from({ length: 5 }, () => openSocket(host.urls.gateway, '/t/s/')))
    for (const { socket, next } of clients) {
      socket.send('grüße')
      socket.send(Buffer.alloc(100_000, 3))
      for (let left = 4; left > 0; left--) await next()
    }
    clients[0]?.socket.close(4000, 'genug')
    await clients[0]?.closed
    clients[1]?.socket.terminate()
    clients[2]?.socket.send('spin')
    expect((await clients[3]?.closed)?.[0]).toBe(1011)
  }
  let turns = 0
  for (const file of folder.recordings()) {
    const report = await replay(file)
    expect(report.divergence).toBe(null)
    expect(report).toMatchObject({ matched: true, warnings: [] })
    turns += (report.turns.responded ?? 0) + (report.turns.killed ?? 0) + (report.turns.lost ?? 0)
  }
  expect(turns).toBe(5)
}, 120_000)
