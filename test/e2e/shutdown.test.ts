/** A host that is told to stop: what is in flight finishes, everything else goes, and nothing is left behind. */
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { describe, expect, test } from 'vitest'
import { spawnVela } from '../cli/run.ts'
import { startHost } from './host-process.ts'
import { cellPidsOf, isRunning, tempDir, until } from './support.ts'

const SERVICE = `
export default {
  stop(reason: string) { console.log('guest stops: ' + reason) },
  async fetch(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url)
    if (pathname === '/slow') await new Promise((resolve) => setTimeout(resolve, 1000))
    if (pathname === '/forever') await new Promise(() => undefined)
    if (pathname === '/ticks') {
      let left = 8
      return new Response(new ReadableStream<Uint8Array>({
        async pull(controller) {
          await new Promise((resolve) => setTimeout(resolve, 100))
          controller.enqueue(new TextEncoder().encode('tick\\n'))
          if (--left === 0) controller.close()
        },
      }))
    }
    return new Response('done')
  },
}
`

async function get(url: string, agent: Agent | false = false): Promise<IncomingMessage> {
  const [response] = (await once(httpRequest(url, { agent }).end(), 'response')) as [IncomingMessage]
  return response
}

describe('a host that is told to stop', () => {
  test('finishes long and streaming requests, closes idle connections, runs stop hooks, and exits with 0', async () => {
    using folder = tempDir()
    folder.write('svc.ts', SERVICE)
    await using host = await startHost(folder.path)
    const { exitCode, stdout } = await host.vela(['deploy', 'svc.ts', '--json'])
    expect(exitCode).toBe(0)
    const { url } = JSON.parse(stdout) as { url: string }

    const agent = new Agent({ keepAlive: true })
    expect(await text(await get(url, agent))).toBe('done')
    const silent = connect(Number(new URL(host.gateway).port), '127.0.0.1')
    await once(silent, 'connect')
    const silentClosed = once(silent, 'close')
    silent.on('error', () => undefined)
    const slow = get(`${url}slow`, new Agent({ keepAlive: true }))
    const ticks = await get(`${url}ticks`, new Agent({ keepAlive: true }))
    const cells = cellPidsOf(host.pid)
    expect(cells.length).toBeGreaterThan(0)
    const startedMs = performance.now()
    host.signal('SIGTERM')

    await until('new connections are refused', async () => {
      const refused = await fetch(url).then(
        () => false,
        () => true,
      )
      return refused
    })
    expect(await text(ticks)).toBe('tick\n'.repeat(8))
    expect(await text(await slow)).toBe('done')
    expect(await host.ended).toBe(0)
    // Idle keep-alive connections must not hold it for their timeout (10 s).
    expect(performance.now() - startedMs).toBeLessThan(6000)
    await silentClosed
    agent.destroy()
    expect(host.log()).toContain('guest stops: shutdown')
    await until('no cell is left', () => cells.every((pid) => !isRunning(pid)))
  })

  test('waits for what does not end as long as it is configured to, and then exits with 0 all the same', async () => {
    using folder = tempDir()
    folder.write('svc.ts', SERVICE)
    await using host = await startHost(folder.path, { env: { VELA_DRAIN_MS: '300' } })
    const { url } = JSON.parse((await host.vela(['deploy', 'svc.ts', '--json'])).stdout) as { url: string }
    const forever = get(`${url}forever`).then(
      (response) => response.statusCode,
      () => 'cut',
    )
    await until('it is in flight', async () =>
      (await host.vela(['list', '--json'])).stdout.includes('"inFlight":1'),
    )
    host.signal('SIGTERM')
    expect(await host.ended).toBe(0)
    expect([502, 503, 'cut']).toContain(await forever)
  })

  test('its cells end when it is killed', async () => {
    using folder = tempDir()
    folder.write('svc.ts', SERVICE)
    await using host = await startHost(folder.path)
    await host.vela(['deploy', 'svc.ts'])
    const cells = cellPidsOf(host.pid)
    expect(cells.length).toBeGreaterThan(1)
    host.signal('SIGKILL')
    await until('no cell is left', () => cells.every((pid) => !isRunning(pid)))
  })

  test('while it still starts it ends all the same, with 0 and without having served', async () => {
    using folder = tempDir()
    const child = spawnVela(['start', '--json', '--port', '0', '--admin-port', '0'], { cwd: folder.path })
    const closed = once(child, 'close')
    let stdout = ''
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
    // The store is opened before the cells are.
    await until('the store is open', () => existsSync(join(folder.path, '.vela', 'admin-token')))
    child.kill('SIGTERM')
    expect(await closed).toEqual([0, null])
    expect(stdout).toBe('')
  })
})
