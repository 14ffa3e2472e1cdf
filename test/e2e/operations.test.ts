/** A day with a host: tokens, secrets, logs, calls, limits and numbers, by the command line and over the control API. */
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { runVela, spawnVela } from '../cli/run.ts'
import { startHost, type HostProcess } from './host-process.ts'
import { tempDir, until, type TempDir } from './support.ts'

const SERVICE = `
import { inner } from './inner.ts'

interface Env { readonly GREETING: string; readonly KEY?: string }

export const add = (a: number, b: number): number => a + b
export const nothing = (): void => undefined
export const fails = (): never => inner('on purpose')

export default {
  fetch(request: Request, env: Env): Response {
    const { pathname } = new URL(request.url)
    console.log('asked for', pathname, { deep: [1, 2] })
    if (pathname === '/throw') inner('in a request')
    return Response.json({ greeting: env.GREETING, key: env.KEY ?? null })
  },
}
`
const INNER = `
interface Unused { readonly a: string }
type Also = Unused

export function inner(what: string): never {
  throw new RangeError('failed ' + what)
}
`
const SECRET = 'hunter2-and-a-half'

let folder: TempDir
let host: HostProcess
let url: string
beforeAll(async () => {
  folder = tempDir()
  folder.write('svc/vela.jsonc', '{ "name": "svc", "main": "src/index.ts", "vars": { "GREETING": "hello" } }')
  folder.write('svc/src/index.ts', SERVICE)
  folder.write('svc/src/inner.ts', INNER)
  host = await startHost(folder.path, { env: { VELA_LIMITS_MAXIMUM_CPU_MS: '500' } })
  const { stdout } = await host.vela(['deploy', 'svc', '--tenant', 'acme', '--json'])
  url = (JSON.parse(stdout) as { url: string }).url
})
afterAll(async () => {
  host.signal('SIGTERM')
  await host.ended
  folder[Symbol.dispose]()
})

async function answer(): Promise<unknown> {
  return await (await fetch(url)).json()
}

describe('secrets', () => {
  test('are in env from the next request on, and nowhere else', async () => {
    expect(await answer()).toEqual({ greeting: 'hello', key: null })
    expect((await host.vela(['secret', 'put', 'acme/svc', 'KEY'], SECRET)).exitCode).toBe(0)
    expect(await answer()).toEqual({ greeting: 'hello', key: SECRET })
    const shown = await Promise.all([
      host.vela(['secret', 'list', 'acme/svc']),
      host.vela(['list', '--json']),
      host.vela(['versions', 'acme/svc', '--json']),
    ])
    expect(shown[0].stdout).toContain('KEY')
    for (const { stdout, stderr } of shown) expect(stdout + stderr).not.toContain(SECRET)
    expect((await host.vela(['secret', 'delete', 'acme/svc', 'KEY'])).exitCode).toBe(0)
    expect(await answer()).toEqual({ greeting: 'hello', key: null })
    expect(host.log()).not.toContain(SECRET)
  })
})

describe('calls', () => {
  test('print values, undefined, and errors with the author’s places', async () => {
    const [sum, nothing, fails, unknown, wrong] = await Promise.all([
      host.vela(['invoke', 'acme/svc', 'add', '[1, 2]']),
      host.vela(['invoke', 'acme/svc', 'nothing']),
      host.vela(['invoke', 'acme/svc', 'fails', '--json']),
      host.vela(['invoke', 'acme/svc', 'unknown']),
      host.vela(['invoke', 'acme/svc', 'add', '{}']),
    ])
    expect([sum.exitCode, sum.stdout]).toEqual([0, '3\n'])
    expect([nothing.exitCode, nothing.stdout]).toEqual([0, 'undefined\n'])
    expect(fails.exitCode).toBe(1)
    const { error } = JSON.parse(fails.stdout) as {
      error: { code: string; message: string; details: { stack?: string } }
    }
    expect(error.code).toBe('VELA_GUEST_THREW')
    expect(error.message).toContain('RangeError: failed on purpose')
    expect(error.details.stack).toContain('src/inner.ts:6:9')
    expect([unknown.exitCode, wrong.exitCode]).toEqual([4, 2])
  })
})

describe('the log', () => {
  test('vela tail shows console lines and thrown errors as they come, with stacks in the author’s TypeScript', async () => {
    const child = spawnVela(['tail', 'acme/svc', '--json'], {
      cwd: folder.path,
      env: { VELA_API_URL: host.admin },
    })
    const events: Record<string, string>[] = []
    createInterface(child.stdout).on('line', (line) =>
      events.push(JSON.parse(line) as Record<string, string>),
    )
    const ended = new Promise((resolve) => child.once('close', resolve))
    // A line that was said before the tail was there is not shown: ask until one is.
    await until('the tail shows something', async () => {
      await fetch(url)
      return events.some((event) => event['event'] === 'log')
    })
    const response = await fetch(`${url}throw`)
    const { requestId } = (await response.json()) as { requestId: string }
    await until('the error is shown', () => events.some((event) => event['code'] === 'VELA_GUEST_THREW'))
    const line = events.find((event) => event['message']?.startsWith('asked for /throw'))
    expect(line).toMatchObject({ level: 'info', source: 'guest', requestId, tenant: 'acme', service: 'svc' })
    expect(line?.['message']).toContain('deep')
    const thrown = events.find((event) => event['code'] === 'VELA_GUEST_THREW')
    expect(thrown).toMatchObject({
      level: 'error',
      source: 'runtime',
      requestId,
      message: 'RangeError: failed in a request',
    })
    expect(thrown?.['stack']).toMatch(/src\/inner\.ts:6:9[^]*src\/index\.ts:14:/)
    expect(thrown?.['stack']).not.toMatch(/isolated-vm|kernel\.js|\/host\//)
    child.kill('SIGINT')
    expect(await ended).toBe(0)
  })

  test('has a line for each request with its id and tenant, and the client’s id only behind a trusted proxy', async () => {
    const response = await fetch(`${url}logged`, { headers: { 'x-request-id': 'forged' } })
    const requestId = response.headers.get('x-request-id') ?? ''
    expect(requestId).not.toBe('forged')
    const find = (): string | undefined =>
      host
        .log()
        .split('\n')
        .find((line) => line.includes('"event":"access"') && line.includes(requestId))
    await until('the line is written', () => find() !== undefined)
    expect(JSON.parse(find() ?? '')).toMatchObject({
      requestId,
      tenant: 'acme',
      service: 'svc',
      method: 'GET',
      path: '/acme/svc/logged',
      status: 200,
      durationMs: expect.any(Number),
    })
  })
})

describe('tokens', () => {
  test('reach what their scope and tenant say', async () => {
    const token = async (...args: string[]): Promise<string> =>
      (await host.vela(['token', 'create', ...args])).stdout.trim()
    const [reader, deployer, invoker, stranger] = await Promise.all([
      token('--tenant', 'acme', '--scope', 'read'),
      token('--tenant', 'acme', '--scope', 'deploy'),
      token('--tenant', 'acme', '--scope', 'invoke'),
      host.vela(['tenant', 'create', 'globex']).then(() => token('--tenant', 'globex', '--scope', 'admin')),
    ])
    const as = async (token: string, ...args: string[]): Promise<number | null> => {
      const env = { VELA_API_URL: host.admin, VELA_API_TOKEN: token }
      return (await runVela(args, { cwd: folder.path, env })).exitCode
    }
    const exits = await Promise.all([
      as(reader, 'list'),
      as(reader, 'deploy', 'svc'),
      as(deployer, 'deploy', 'svc'),
      as(invoker, 'invoke', 'acme/svc', 'add', '[1, 2]'),
      as(invoker, 'secret', 'list', 'acme/svc'),
      as(stranger, 'versions', 'acme/svc'),
      as(stranger, 'deploy', 'svc', '--tenant', 'acme'),
      as(stranger, 'tenant', 'list'),
      as('vela_not-a-token-at-all', 'list'),
    ])
    expect(exits).toEqual([0, 3, 0, 0, 3, 3, 3, 3, 3])
  })
})

describe('limits', () => {
  test('above the operator’s maximum are refused, with the maximum', async () => {
    folder.write('greedy/vela.jsonc', '{ "name": "greedy", "main": "index.ts", "limits": { "cpuMs": 501 } }')
    folder.write('greedy/index.ts', 'export default { fetch: () => new Response() }')
    const refused = await host.vela(['deploy', 'greedy', '--tenant', 'acme', '--json'])
    expect(refused.exitCode).toBe(1)
    expect(JSON.parse(refused.stdout)).toMatchObject({
      error: { code: 'VELA_DEPLOY_LIMIT_TOO_HIGH', message: expect.stringMatching(/cpuMs.*501.*500/) },
    })
  })
})

describe('the numbers', () => {
  test('say what happened', async () => {
    const { readFileSync } = await import('node:fs')
    const token = readFileSync(`${folder.path}/.vela/admin-token`, 'utf8').trim()
    const headers = { authorization: `Bearer ${token}` }
    const value = async (series: string): Promise<number> => {
      const text = await (await fetch(`${host.admin}/metrics`, { headers })).text()
      const line = text.split('\n').find((line) => line.startsWith(`${series} `))
      return Number(line?.slice(series.length + 1))
    }
    const ok = 'vela_requests_total{tenant="acme",service="svc",outcome="ok"}'
    const threw = 'vela_requests_total{tenant="acme",service="svc",outcome="VELA_GUEST_THREW"}'
    const before = { ok: await value(ok), threw: await value(threw) }
    for (let index = 0; index < 5; index++) await (await fetch(url)).text()
    await fetch(`${url}throw`)
    await fetch(`${host.gateway}/nowhere`)
    expect(await value(ok)).toBe(before.ok + 5)
    expect(await value(threw)).toBe(before.threw + 1)
    expect(await value('vela_gateway_refused_total{reason="VELA_ROUTE_NOT_FOUND"}')).toBeGreaterThan(0)
    expect(await value('vela_turns_in_flight')).toBe(0)
    expect(await value('vela_queue_length')).toBe(0)
    expect(await value('vela_cells{state="assigned"}')).toBe(1)
    expect(await value('vela_isolates_loaded')).toBe(1)
    expect(await value('vela_host_resident_bytes')).toBeGreaterThan(10_000_000)
    await until(
      'CPU time is counted',
      async () => (await value('vela_tenant_cpu_seconds_total{tenant="acme"}')) > 0,
    )
    expect((await fetch(`${host.admin}/metrics`)).status).toBe(401)
    expect(await (await fetch(`${host.admin}/healthz`)).json()).toEqual({ status: 'ok' })
  })
})
