/** Who runs where: a process per tenant, cordons, spares, hibernation, and what a lost process costs. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import type { ConfigInput } from '../../host/index.ts'
import {
  cellPidsOf,
  handler,
  isRunning,
  problemCode,
  startRuntime,
  tempDir,
  until,
  type TempDir,
  type TestRuntime,
} from './support.ts'

const COUNTER = 'let count = 0; export default { fetch: () => new Response(String(++count)) }'

interface Started extends TestRuntime {
  /** The cell that an owner was given last; the host's log knows. */
  pidOf(owner: string): Promise<number | undefined>
}

let host: Started | undefined
let folder: TempDir | undefined
afterEach(async () => {
  await host?.[Symbol.asyncDispose]()
  folder?.[Symbol.dispose]()
})

async function start(cells: ConfigInput['cells'], limits?: ConfigInput['limits']): Promise<Started> {
  folder = tempDir()
  const file = join(folder.path, 'log')
  const started = await startRuntime({
    cells: { spares: 1, ...cells },
    log: { level: 'debug', destination: file },
    ...(limits === undefined ? {} : { limits }),
  })
  const assigned = (): { owner: string; pid: number }[] =>
    readFileSync(file, 'utf8')
      .split('\n')
      .filter((line) => line.includes('"cell assigned"'))
      .map((line) => JSON.parse(line) as { owner: string; pid: number })
  host = {
    ...started,
    async pidOf(owner) {
      // The log is written within a second.
      await until(`${owner} is in the log`, () => assigned().some((entry) => entry.owner === owner))
      return assigned().findLast((entry) => entry.owner === owner)?.pid
    },
  }
  return host
}

const stateOf = async (runtime: TestRuntime['runtime'], tenant: string): Promise<string | undefined> =>
  (await runtime.services(tenant))[0]?.state
const body = async (response: Response): Promise<string> => response.text()

describe('cells', () => {
  test('each tenant has a process of its own, taken from the spares; a cordon’s tenants share one', async () => {
    const { deploy, get, pidOf, runtime } = await start({ spares: 2, cordons: { small: ['c', 'd'] } })
    const spares = cellPidsOf(process.pid)
    expect(spares).toHaveLength(2)
    for (const tenant of ['a', 'b', 'c', 'd']) await deploy('svc', COUNTER, { tenant })
    for (const tenant of ['a', 'b', 'c', 'd']) expect(await body(await get(`/${tenant}/svc/`))).toBe('1')
    const [a, b, small] = [await pidOf('tenant:a'), await pidOf('tenant:b'), await pidOf('cordon:small')]
    expect(new Set([a, b, small]).size).toBe(3)
    expect(spares).toContain(a)
    expect(runtime.health().cells).toBe(3)
    await until('there are spares again', () => cellPidsOf(process.pid).length === 5)
  })

  test('no more than maxCells serve; one with nothing in it makes room', async () => {
    const { deploy, get, runtime } = await start({
      spares: 0,
      maxCells: 1,
      isolateIdleMs: 100,
      idleMs: 600_000,
    })
    await deploy('svc', COUNTER, { tenant: 'a' })
    await expect(deploy('svc', COUNTER, { tenant: 'b' })).rejects.toMatchObject({
      code: 'VELA_CELL_START_FAILED',
      message: expect.stringContaining('cells.maxCells'),
    })
    await until('a sleeps', async () => (await stateOf(runtime, 'a')) === 'idle')
    await deploy('svc', COUNTER, { tenant: 'b' })
    const refused = await get('/a/svc/')
    expect(refused.status).toBe(503)
    expect(refused.headers.get('retry-after')).toBe('1')
    expect(await problemCode(refused)).toBe('VELA_CELL_START_FAILED')
    await until('b sleeps', async () => (await stateOf(runtime, 'b')) === 'idle')
    expect(await body(await get('/a/svc/'))).toBe('1')
  })

  test('an idle isolate goes, then its cell; the next request brings both back', async () => {
    const { deploy, get, pidOf, runtime } = await start({ isolateIdleMs: 200, idleMs: 300 })
    await deploy('svc', COUNTER, { tenant: 'a' })
    expect(await body(await get('/a/svc/'))).toBe('1')
    expect(await stateOf(runtime, 'a')).toBe('loaded')
    const pid = (await pidOf('tenant:a')) ?? 0
    await until('the isolate is gone', async () => (await stateOf(runtime, 'a')) === 'idle')
    await until('the cell is gone', () => !isRunning(pid))
    expect(runtime.health().cells).toBe(0)
    expect(await body(await get('/a/svc/'))).toBe('1')
    expect(await stateOf(runtime, 'a')).toBe('loaded')
  })

  test('a killed cell fails what it had begun, and the next request is served by another', async () => {
    const { deploy, get, pidOf, runtime } = await start({})
    const source = handler(`
      if (request.url.endsWith('/wait')) { console.log('begun'); await new Promise((r) => setTimeout(r, 20000)) }
      return new Response('served')`)
    await deploy('svc', source, { tenant: 'a' })
    await deploy('svc', source, { tenant: 'b' })
    const begun = new Promise<void>((resolve) => {
      runtime.tail('a', 'svc', ({ message }) => message === 'begun' && resolve())
    })
    const waiting = get('/a/svc/wait')
    await begun
    process.kill((await pidOf('tenant:a')) ?? 0, 'SIGKILL')
    const lost = await waiting
    expect(lost.status).toBe(502)
    expect(await problemCode(lost)).toBe('VELA_CELL_LOST')
    expect(await body(await get('/a/svc/'))).toBe('served')
    expect(await body(await get('/b/svc/'))).toBe('served')
    expect(await runtime.metrics()).toMatch(/vela_cell_restarts_total\{reason="killed"\} 1/)
  })

  test('a deploy whose cell is lost while it starts is tried once more', async () => {
    const { deploy, get, pidOf, runtime } = await start({})
    await deploy('first', COUNTER, { tenant: 'a' })
    const pid = (await pidOf('tenant:a')) ?? 0
    let starts = 0
    runtime.tail('a', 'svc', ({ message }) => {
      if (message === 'starting' && ++starts === 1) process.kill(pid, 'SIGKILL')
    })
    const source = `console.log('starting')\nawait new Promise((r) => setTimeout(r, 200))\n${handler('return new Response("up")')}`
    await deploy('svc', source, { tenant: 'a' })
    expect(starts).toBe(2)
    expect(await body(await get('/a/svc/'))).toBe('up')
    expect(await body(await get('/a/first/'))).toBe('1')
  })

  test('a version that no longer starts answers 500 without its words, which are in its log', async () => {
    const { deploy, get, runtime } = await start({ isolateIdleMs: 200 })
    const lastMs = Date.now() + 3000
    const source = `if (Date.now() > ${lastMs}) throw new Error('the password is 1234')\n${handler('return new Response("up")')}`
    await deploy('svc', source, { tenant: 'a' })
    const lines: string[] = []
    runtime.tail('a', 'svc', ({ message }) => lines.push(message))
    await until(
      'it sleeps and is late',
      async () => Date.now() > lastMs && (await stateOf(runtime, 'a')) === 'idle',
    )
    const response = await get('/a/svc/')
    expect(response.status).toBe(500)
    const problem = await body(response)
    expect(problem).toContain('VELA_GUEST_THREW')
    expect(problem).not.toContain('1234')
    expect(lines.join()).toContain('Error: the password is 1234')
  })
})
