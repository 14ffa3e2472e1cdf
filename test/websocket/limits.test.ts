/** What bounds a WebSocket: each side's pace, the sizes and counts of the limits, and the life of who serves it. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  cellMb,
  cellPidsOf,
  residentMb,
  startRuntime,
  tempDir,
  until,
  type TempDir,
  type TestRuntime,
} from '../e2e/support.ts'
import { openSocket, rawSocket, refusal, type Client } from './client.ts'

const MB = 1024 * 1024

const SERVICE = `
const seen = []
const note = (...what) => void seen.push(what.join(' '))
export const notes = () => seen.splice(0)
let held
let got = 0
export const received = () => got
export const accept = () => void held.accept()
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
const part = new Uint8Array(32768).fill(7)
export default {
  async fetch(request, env, ctx) {
    const { pathname, searchParams } = new URL(request.url)
    const [client, server] = Object.values(new WebSocketPair())
    const upgraded = new Response(null, { status: 101, webSocket: client })
    server.addEventListener('error', () => note('error'))
    server.addEventListener('close', (event) => note('close', event.code, event.wasClean))
    if (pathname === '/held') {
      held = server
      server.addEventListener('message', ({ data }) => { got += data.byteLength })
      return upgraded
    }
    server.accept()
    if (pathname === '/echo') server.addEventListener('message', ({ data }) => server.send('one ' + data))
    if (pathname === '/spin') server.addEventListener('message', () => { for (;;); })
    if (pathname === '/flood') server.addEventListener('message', () => {
      let sent = 0
      while (server.readyState === 1) { server.send(part); sent += part.length }
      note('stopped', sent)
    })
    if (pathname === '/polite') server.addEventListener('message', async ({ data }) => {
      let most = 0
      for (let left = Number(data); left > 0; left--) {
        while (server.bufferedAmount > 200_000) await sleep(1)
        server.send(part)
        most = Math.max(most, server.bufferedAmount)
      }
      note('most', most > 0 && most < 300_000)
    })
    if (pathname === '/large') server.addEventListener('message', () => {
      try { server.send(new Uint8Array(2000)) } catch (error) { note(error.name) }
      server.send(new Uint8Array(1000))
    })
    return upgraded
  },
}
`

let folder: TempDir
let host: TestRuntime
beforeAll(async () => {
  folder = tempDir()
  host = await startRuntime({
    drainMs: 400,
    cells: { isolateIdleMs: 100 },
    gateway: { accessLog: true },
    log: { level: 'info', destination: join(folder.path, 'log') },
  })
  await host.deploy('s', SERVICE, { manifest: { limits: { cpuMs: 1000 } } })
  await host.deploy('small', SERVICE, {
    manifest: { limits: { sockets: 2, socketMessageBytes: 1000, socketIdleMs: 1000, wallMs: 1000 } },
  })
  await host.deploy('loop', SERVICE, { manifest: { limits: { cpuMs: 50 } } })
})
afterAll(async () => {
  await host?.[Symbol.asyncDispose]()
  folder?.[Symbol.dispose]()
})

const open = (path: string): Promise<Client> => openSocket(host.urls.gateway, `/t/${path}`)
const notes = async (service = 's'): Promise<string[]> =>
  (await host.runtime.invoke(`t/${service}`, 'notes')) as string[]

describe('a client that does not read', () => {
  test('makes bufferedAmount grow in the guest, memory stays flat, and everything arrives once it reads', async () => {
    const { socket } = await open('s/polite')
    let bytes = 0
    socket.on('message', (data: Buffer) => {
      bytes += data.length
    })
    const before = residentMb(process.pid)
    const cellBefore = cellMb()
    socket.pause()
    const parts = 3200
    socket.send(String(parts))
    let most = 0
    // Requests go on meanwhile: neither cell nor host is held up by it.
    for (let round = 0; round < 20; round++) {
      await notes('small')
      most = Math.max(most, residentMb(process.pid) - before, cellMb() - cellBefore)
    }
    expect(await notes()).toEqual([])
    socket.resume()
    await until('all of it is there', () => bytes === parts * 32_768)
    expect(most).toBeLessThan(64)
    await until('the guest is done', async () => (await notes()).includes('most true'))
    socket.terminate()
    await host.settled()
    await notes()
  })

  test('loses its connection when the guest sends on all the same, with 1013 and an error event', async () => {
    const { socket, closed } = await open('s/flood')
    socket.pause()
    socket.send('go')
    const seen: string[] = []
    await until('the guest has stopped', async () => {
      seen.push(...(await notes()))
      return seen.some((note) => note.startsWith('stopped'))
    })
    socket.resume()
    expect(await closed).toEqual([1013, 'The client takes messages too slowly'])
    await host.settled()
    const [stopped = '', ...rest] = [...seen, ...(await notes())]
    // A window in flight, and a mebibyte that waits.
    expect(Number(stopped.split(' ')[1])).toBeLessThan(1.5 * MB)
    expect(rest).toEqual(['error', 'close 1013 false'])
  })
})

test('a guest that does not take messages stops its client, and gets them all when it does', async () => {
  const { socket } = await open('s/held')
  const before = residentMb(process.pid)
  const part = Buffer.alloc(65_536, 1)
  const parts = 1000
  let written = 0
  for (let at = 0; at < parts; at++) socket.send(part, () => written++)
  // All of it is in this process: the client's own buffer is what must not empty.
  const buffered = residentMb(process.pid) - before
  for (let round = 0; round < 20; round++) await notes('small')
  const waiting = socket.bufferedAmount
  expect(written).toBeLessThan(200)
  expect(waiting).toBeGreaterThan(50 * MB)
  expect(residentMb(process.pid) - before - buffered).toBeLessThan(40)
  expect(await host.runtime.invoke('t/s', 'received')).toBe(0)
  await host.runtime.invoke('t/s', 'accept')
  await until(
    'all of it is there',
    async () => (await host.runtime.invoke('t/s', 'received')) === parts * 65_536,
  )
  socket.terminate()
  await host.settled()
  await notes()
})

describe('limits of the manifest', () => {
  test('a message of the client over socketMessageBytes ends the connection with 1009', async () => {
    const { socket, closed, next } = await open('small/echo')
    socket.send('x'.repeat(1000 - 4))
    expect(await next()).toBe(`one ${'x'.repeat(996)}`)
    socket.send('x'.repeat(1001))
    expect((await closed)[0]).toBe(1009)
    await host.settled()
    expect(await notes('small')).toEqual(['error', 'close 1009 false'])
  })

  test('a message of the guest over it throws, and the connection goes on', async () => {
    const { socket, next } = await open('small/large')
    socket.send('go')
    expect((await next()).length).toBe(1000)
    socket.terminate()
    await host.settled()
    expect(await notes('small')).toEqual(['RangeError', 'close 1006 false'])
  })

  test('sockets beyond the number are refused with 429, until one goes', async () => {
    const clients = [await open('small/echo'), await open('small/echo')]
    const { status, body } = await refusal(host.urls.gateway, '/t/small/echo')
    expect([status, JSON.parse(body)]).toMatchObject([429, { code: 'VELA_TENANT_QUOTA_EXCEEDED' }])
    clients[0]?.socket.close()
    await clients[0]?.closed
    await until('there is room', async () => {
      const { closed, socket } = await open('small/echo').catch(() => ({
        closed: undefined,
        socket: undefined,
      }))
      socket?.close()
      await closed
      return socket !== undefined
    })
    clients[1]?.socket.terminate()
    await host.settled()
    await notes('small')
  })

  test('a connection outlives wallMs while it is open, and its isolate is not given up', async () => {
    const { socket, next } = await open('small/echo')
    const startedMs = performance.now()
    await until('wallMs has passed', () => performance.now() - startedMs > 1500)
    socket.send('still there')
    expect(await next()).toBe('one still there')
    socket.terminate()
    await host.settled()
    await notes('small')
  })

  test('a client that answers no pings is cut off; one that does may be silent', async () => {
    const polite = await open('small/echo')
    const dead = await rawSocket(host.urls.gateway, '/t/small/echo')
    dead.pause()
    await until('the guest has heard of it', async () => (await notes('small')).includes('close 1006 false'))
    dead.destroy()
    expect(polite.socket.readyState).toBe(polite.socket.OPEN)
    polite.socket.terminate()
    await host.settled()
    await notes('small')
  })
})

describe('who serves it goes:', () => {
  test('a loop in a message ends the isolate, its clients get 1011, and the next one is served', async () => {
    const other = await open('loop/echo')
    const { socket, closed } = await open('loop/spin')
    socket.send('go')
    // On a busy machine nobody can tell the loop from a guest that was not given its time.
    expect(['1011 VELA_TURN_EXCEEDED_CPU', '1011 VELA_CELL_LOST']).toContain((await closed).join(' '))
    expect((await other.closed)[0]).toBe(1011)
    const again = await open('loop/echo')
    again.socket.send('a')
    expect(await again.next()).toBe('one a')
    again.socket.terminate()
    await host.settled()
  })

  test('a killed cell', async () => {
    const { closed } = await open('s/echo')
    for (const pid of cellPidsOf(process.pid)) process.kill(pid, 'SIGKILL')
    expect(await closed).toEqual([1011, 'VELA_CELL_LOST'])
    const again = await open('s/echo')
    again.socket.send('a')
    expect(await again.next()).toBe('one a')
    again.socket.terminate()
    await host.settled()
  })

  test('a deploy lets connections go on for the time of draining, then closes them with 1012', async () => {
    await host.deploy('d', SERVICE)
    const { socket, next, closed } = await open('d/echo')
    await host.deploy('d', SERVICE.replaceAll("'one '", "'two '"))
    socket.send('a')
    const fresh = await open('d/echo')
    fresh.socket.send('b')
    expect([await next(), await fresh.next()]).toEqual(['one a', 'two b'])
    expect(await closed).toEqual([1012, 'service restart'])
    expect(fresh.socket.readyState).toBe(fresh.socket.OPEN)
    fresh.socket.terminate()
    await host.settled()
  })

  test('a host that stops closes with 1001 at once', async () => {
    await using short = await startRuntime({ cells: { spares: 0 }, drainMs: 40_000 })
    await short.deploy('s', SERVICE)
    const { closed } = await openSocket(short.urls.gateway, '/t/s/echo')
    const startedMs = performance.now()
    await short.runtime.stop()
    expect(await closed).toEqual([1001, 'going away'])
    expect(performance.now() - startedMs).toBeLessThan(20_000)
  })
})

test('the access log has a line for each connection, with bytes and close code', async () => {
  const { socket, next, closed } = await open('s/echo?logged')
  socket.send('12345')
  await next()
  socket.close(4321)
  await closed
  let line: string | undefined
  await until('the line is written', () => {
    line = readFileSync(join(folder.path, 'log'), 'utf8')
      .split('\n')
      .find((text) => text.includes('echo?logged'))
    return line !== undefined
  })
  expect(JSON.parse(line ?? '')).toMatchObject({ status: 101, bytes: 9, closeCode: 4321, service: 's' })
})
