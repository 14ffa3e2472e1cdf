/** Cells are killed, stopped and crash under load: only what was in flight in them fails, typed, and all is well again. */
import { Agent, request as httpRequest } from 'node:http'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeEngines } from '../engines.ts'
import { on } from './engine-differences.ts'
import { cellPids, rawClient, startTarget, until, type Target } from './harness.ts'

const agent = new Agent({ keepAlive: true, maxSockets: 16 })
afterAll(() => agent.destroy())

describeEngines('cells that end', (engine) => {
  let target: Target
  beforeAll(async () => {
    target = await startTarget(engine, { cells: { spares: 0 } })
  })
  afterAll(() => target.close())

  /** Deploys, and tells which process serves it. */
  async function cellOf(at: string, body: string): Promise<number> {
    const before = new Set(cellPids())
    await target.handler(at, body)
    await target.get(`/${at}/`)
    const fresh = cellPids().filter((pid) => !before.has(pid))
    expect(fresh).toHaveLength(1)
    return fresh[0] as number
  }

  function ask(path: string): Promise<{ status: number; text: string }> {
    const { promise, resolve } = Promise.withResolvers<{ status: number; text: string }>()
    const request = httpRequest({ port: target.port, path, agent }, (response) => {
      let text = ''
      response.on('data', (chunk: Buffer) => (text += chunk.toString()))
      response.on('error', () => resolve({ status: 0, text: 'broken off' }))
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }))
    })
    request.on('error', () => resolve({ status: 0, text: 'broken off' }))
    request.end()
    return promise
  }

  test('kill -9 under load: at most what was in flight fails, typed, and none hangs', async () => {
    const clients = 16
    const pid = await cellOf('killed/svc', `return new Response('served')`)
    let running = true
    const answers: { status: number; text: string }[] = []
    const load = Array.from({ length: clients }, async () => {
      while (running) answers.push(await ask('/killed/svc/'))
    })
    await until('the load runs', () => answers.length > 200)
    process.kill(pid, 'SIGKILL')
    const sentBefore = answers.length
    await until(
      'it serves again',
      () => answers.slice(sentBefore + clients).filter(({ status }) => status === 200).length > 200,
    )
    running = false
    await Promise.all(load)
    const failed = answers.filter(({ status }) => status !== 200)
    expect(failed.length).toBeLessThanOrEqual(clients)
    for (const { status, text } of failed) {
      expect(text).toContain('VELA_CELL_LOST')
      expect(status).toBe(502)
    }
    expect(cellPids()).not.toContain(pid)
    await target.expectUnharmed()
  })

  test('kill -9 in the middle of a stream: the client sees that it is not whole', async () => {
    const body = `if (new URL(request.url).pathname === '/') return new Response('streams ' + (globalThis.streams ?? 0))
    globalThis.streams = (globalThis.streams ?? 0) + 1
    return new Response(new ReadableStream({ async pull(c) { c.enqueue(new TextEncoder().encode('part;')); await new Promise((done) => setTimeout(done, 5)) } }))`
    const pid = await cellOf('streaming/svc', body)
    const client = rawClient(target.port)
    client.send('GET /streaming/svc/stream HTTP/1.1\r\nhost: x\r\n\r\n')
    await until('the stream has begun', () => client.received().includes('part;'))
    const log = target.logOf('streaming/svc')
    process.kill(pid, 'SIGKILL')
    const received = await client.closed
    expect(received).not.toMatch(/\r\n0\r\n\r\n$/)
    expect(received).not.toContain('HTTP/1.1 5')
    // Had the broken request been tried again, another isolate would have made a stream, and ended for it.
    expect((await target.get('/streaming/svc/')).text).toBe('streams 0')
    expect(log.filter(({ message }) => message.includes('ended'))).toHaveLength(1)
  })

  test('kill -9 while a service starts: the deploy is refused in a typed way, and the next one works', async () => {
    const before = new Set(cellPids())
    const starting = target.refusal(
      'startkill/svc',
      `await new Promise(() => 0); export default { fetch() {} }`,
    )
    const pid = await until('its cell is there', () => cellPids().find((pid) => !before.has(pid)))
    // It may not have greeted yet; test/e2e/cells.test.ts kills one whose load is under way.
    process.kill(pid, 'SIGKILL')
    expect(await starting).toMatch(/^VELA_(CELL_START_FAILED|CELL_LOST|DEPLOY_START_[A-Z]+)$/)
    await target.handler('startkill/svc', `return new Response('up')`)
    expect((await target.get('/startkill/svc/')).text).toBe('up')
  })

  test('a stopped cell is replaced, and does not come back when it is continued', async () => {
    const pid = await cellOf('stopped/svc', `return new Response('served')`)
    process.kill(pid, 'SIGSTOP')
    const answer = await target.get('/stopped/svc/')
    expect(answer.status === 200 || answer.code === 'VELA_CELL_LOST').toBe(true)
    try {
      process.kill(pid, 'SIGCONT')
    } catch (thrown) {
      expect(thrown).toMatchObject({ code: 'ESRCH' })
    }
    await until('the process is gone', () => !cellPids().includes(pid))
    expect((await target.get('/stopped/svc/')).text).toBe('served')
    await target.expectUnharmed()
  })

  test('a service that aborts its process each time is paused, and its neighbour is served', async () => {
    // Filling a Map makes V8 ask for one huge table; it then ends the whole process, not the isolate. QuickJS never asks
    // in the middle of an operation how much time is left, so that the host has to end the process.
    const [crime, cpuMs] = on(engine, 'abortsItsProcess')
      ? ['const map = new Map(); for (let i = 0; ; i++) map.set(i, { i })', 20_000]
      : [`/^(a|a)*$/.test('a'.repeat(60) + 'b')`, 30]
    const bomb = `if (request.url.endsWith('/bomb')) { ${crime} } return new Response('ok')`
    await target.handler('aborts/svc', bomb, { limits: { memoryMb: 16, cpuMs } })
    await until('it is paused', async () => {
      const { status, code } = await target.get('/aborts/svc/bomb')
      expect(status).toBe(503)
      await target.expectUnharmed()
      return code === 'VELA_GUEST_QUARANTINED'
    })
    await until('it serves again', async () => (await target.get('/aborts/svc/')).text === 'ok')
  })
})
