/** The peers and the load generators, for real and briefly: what they do, not how fast. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { existsSync } from 'node:fs'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { node } from '../../bench/contenders/node.ts'
import { startServer } from '../../bench/contenders/process.ts'
import { createFolder } from '../../bench/contenders/folder.ts'
import { workerd } from '../../bench/contenders/workerd.ts'
import type { Running } from '../../bench/contract.ts'
import { guest, services } from '../../bench/guests.ts'
import { startClosedLoop } from '../../bench/load/closed-loop.ts'
import { download } from '../../bench/load/download.ts'
import { runWrk } from '../../bench/load/wrk.ts'
import { cpuTicks, memoryOf, processTree } from '../../bench/procfs.ts'

const has = (tool: string, probe: string): boolean =>
  spawnSync(tool, [probe], { stdio: 'ignore' }).error === undefined
const onLinux = process.platform === 'linux' && has('taskset', '--version')

const started: Running[] = []
const keep = (running: Running): Running => {
  started.push(running)
  return running
}
afterEach(async () => {
  await Promise.all(started.splice(0).map((running) => running.stop()))
})

describe.runIf(onLinux)('contenders', () => {
  it('workerd runs a single guest as its own worker', async () => {
    const running = keep(await workerd.start([guest('hello')], {}))
    const response = await fetch(`${running.url('bench', 'hello')}/x`)
    expect(await response.json()).toEqual({ hello: '/x' })
  })

  it('workerd dispatches to dynamic workers by tenant and service, and knows no others', async () => {
    const running = keep(await workerd.start([...services(2), guest('echo')], {}))
    const hello = await fetch(`${running.url('bench', 'hello-1')}/x`)
    expect(await hello.json()).toEqual({ hello: '/bench/hello-1/x' })
    const echo = await fetch(`${running.url('bench', 'echo')}/x`, { method: 'POST', body: '{"a":[1]}' })
    expect(await echo.text()).toBe('{"a":[1]}')
    expect((await fetch(`${running.url('bench', 'nobody')}/x`)).status).toBe(404)
  })

  it('workerd streams the whole response, to a client that pauses too', async () => {
    const running = keep(await workerd.start([guest('stream')], {}))
    const minBytes = 160 * 64 * 1024
    expect(await download(`${running.url('bench', 'stream')}/x`, { minBytes, pauseMs: 20 })).toBeGreaterThan(
      minBytes,
    )
    await expect(download(`${running.url('bench', 'stream')}/x`, { minBytes: minBytes * 2 })).rejects.toThrow(
      /sent/,
    )
  })

  it('a stopped contender leaves no process behind, even one that is stuck in a guest', async () => {
    const running = keep(await workerd.start([guest('loop')], {}))
    const pids = running.pids()
    expect(pids.length).toBeGreaterThan(0)
    const loop = startClosedLoop(`${running.url('bench', 'loop')}/x?endless`, 1)
    const ticks = (): number => pids.reduce((sum, pid) => sum + cpuTicks(pid), 0)
    const before = ticks()
    await vi.waitFor(() => expect(ticks()).toBeGreaterThan(before + 5), { timeout: 10_000 })
    await running.stop()
    await loop.stop('break')
    expect(pids.flatMap((pid) => processTree(pid))).toEqual([])
  })

  it('the bare server answers as the guests do', async () => {
    const running = keep(await node.start([], {}))
    const url = `${running.url('', '')}/x`
    expect(await (await fetch(url)).json()).toEqual({ hello: '/x' })
    expect(await (await fetch(url, { method: 'POST', body: '{"a":1}' })).text()).toBe('{"a":1}')
    expect(memoryOf(running.pids()).pssBytes).toBeGreaterThan(1024 * 1024)
  })

  it('a server that ends before it is ready is reported with what it said, and its children are gone', async () => {
    const folder = await createFolder('test')
    const args = ['-c', 'echo the port is taken >&2; exit 3']
    await expect(startServer({ command: 'sh', args, folder: folder.path }, () => undefined)).rejects.toThrow(
      /ended with 3: the port is taken/,
    )
    await folder.remove()
    expect(existsSync(folder.path)).toBe(false)
  })

  it('sees a whole process tree', async () => {
    const child = spawn('sh', ['-c', 'sleep 60 & echo up; wait'], { stdio: ['ignore', 'pipe', 'ignore'] })
    await once(child.stdout, 'data')
    const tree = processTree(child.pid ?? 0)
    expect(tree).toHaveLength(2)
    expect(tree[0]).toBe(child.pid)
    const ended = once(child, 'exit')
    for (const pid of tree) process.kill(pid, 'SIGKILL')
    await ended
  })
})

describe('load', () => {
  it.runIf(onLinux && has('wrk', '--version'))(
    'wrk visits every path with the body, and counts refusals',
    async () => {
      const seen = new Set<string>()
      const server = createServer((request, response) => {
        let body = ''
        request.on('data', (chunk: Buffer) => (body += chunk.toString()))
        request.on('end', () => {
          seen.add(`${request.method} ${request.url} ${body}`)
          response.writeHead(request.url === '/b' ? 503 : 200).end()
        })
      }).listen(0, '127.0.0.1')
      await once(server, 'listening')
      const address = server.address()
      const origin = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
      const urls = [`${origin}/a?n=1`, `${origin}/b`]
      const metrics = await runWrk({ urls, connections: 2, seconds: 1, method: 'POST', body: '{"n":1}' })
      server.close()
      expect([...seen].sort()).toEqual(['POST /a?n=1 {"n":1}', 'POST /b {"n":1}'])
      expect(metrics['requestsPerSecond']).toBeGreaterThan(10)
      expect(metrics['errors']).toBeGreaterThan(5)
    },
  )

  it('a closed loop keeps its lanes full and tells codes of problem documents', async () => {
    const server = createServer((_request, response) => {
      response.writeHead(502, { 'content-type': 'application/problem+json' }).end('{"code":"VELA_CELL_LOST"}')
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    const loop = startClosedLoop(`http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}/`, 3)
    const answer = await loop.until(() => loop.answers.length >= 10)
    expect(loop.inFlight()).toBeLessThanOrEqual(3)
    await loop.stop('finish')
    server.close()
    expect(answer).toMatchObject({ status: 502, code: 'VELA_CELL_LOST' })
    expect(loop.inFlight()).toBe(0)
  })
})
