/** `vela engine`: an operator moves a service to another engine while it serves. No request is lost, and no tenant takes it back. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createAdminClient, type AdminClient } from '../../host/admin/client.ts'
import { startRuntime, tempDir, handler, type TempDir, type TestRuntime } from '../e2e/support.ts'
import { runVela } from '../cli/run.ts'

let folder: TempDir
let host: TestRuntime
let operator: string
let client: AdminClient

beforeAll(async () => {
  folder = tempDir()
  host = await startRuntime({ data: folder.path, drainMs: 5_000 })
  operator = (await host.runtime.registry.createToken(null, ['admin'])).token
  client = createAdminClient({ url: host.urls.admin, token: operator })
})
afterAll(async () => {
  await host[Symbol.asyncDispose]()
  folder[Symbol.dispose]()
})

/** Says what it runs on: QuickJS has no Intl. */
const ENGINE = `(typeof Intl === 'object' ? 'v8' : 'quickjs')`

interface Traffic {
  readonly seen: Set<string>
  readonly failures: string[]
  count: number
  stop(): Promise<void>
}

function startTraffic(path: string, clients: number): Traffic {
  let stopped = false
  const traffic: Traffic = {
    seen: new Set(),
    failures: [],
    count: 0,
    async stop() {
      stopped = true
      await Promise.all(running)
    },
  }
  const running = Array.from({ length: clients }, async () => {
    while (!stopped) {
      try {
        const response = await host.get(path)
        const text = await response.text()
        if (response.status === 200) traffic.seen.add(text)
        else traffic.failures.push(`${response.status} ${text}`)
      } catch (thrown) {
        traffic.failures.push(String(thrown))
      }
      traffic.count++
    }
  })
  return traffic
}

test('a service under load moves there and back without a lost request', async () => {
  await host.deploy(
    'busy',
    handler(`await new Promise((done) => setTimeout(done, 5)); return new Response(${ENGINE})`),
  )
  const traffic = startTraffic('/t/busy', 16)
  for (const engine of ['quickjs', 'v8', 'quickjs'] as const) {
    const { count } = traffic
    expect(await client.setEngine('t', 'busy', engine)).toEqual({ engine, override: engine })
    const after = await host.get('/t/busy')
    expect(await after.text()).toBe(engine)
    while (traffic.count < count + 200 && traffic.failures.length === 0)
      await new Promise((resolve) => setTimeout(resolve, 5))
  }
  await traffic.stop()
  expect(traffic.failures).toEqual([])
  expect(traffic.seen).toEqual(new Set(['v8', 'quickjs']))
  expect(traffic.count).toBeGreaterThan(500)
})

test('what the operator said holds for later versions and rollbacks, whatever their manifests say', async () => {
  const version = (number: number): string => handler(`return new Response('${number} ' + ${ENGINE})`)
  const get = async (): Promise<string> => (await host.get('/t/kept')).text()
  await host.deploy('kept', version(1), { manifest: { engine: 'v8' } })
  await client.setEngine('t', 'kept', 'quickjs')
  await host.deploy('kept', version(2), { manifest: { engine: 'v8' } })
  expect(await get()).toBe('2 quickjs')
  await host.runtime.rollback('t', 'kept')
  expect(await get()).toBe('1 quickjs')
  await host.runtime.putSecret('t', 'kept', 'KEY', 'value')
  expect(await get()).toBe('1 quickjs')
  expect(await client.setEngine('t', 'kept', 'manifest')).toEqual({ engine: 'v8', override: null })
  expect(await get()).toBe('1 v8')
})

test('it outlives a restart of the host, and goes with the service', async () => {
  using data = tempDir()
  const source = handler(`return new Response(${ENGINE})`)
  {
    await using first = await startRuntime({ data: data.path, drainMs: 500 })
    await first.deploy('stays', source)
    await first.runtime.setEngine('t', 'stays', 'quickjs')
  }
  await using second = await startRuntime({ data: data.path, drainMs: 500 })
  expect(await (await second.get('/t/stays')).text()).toBe('quickjs')
  await second.runtime.deleteService('t', 'stays')
  await second.deploy('stays', source)
  expect(await (await second.get('/t/stays')).text()).toBe('v8')
})

test('a service that does not start on the other engine stays where it is', async () => {
  await host.deploy('needs', `new Intl.NumberFormat(); ${handler('return new Response("here")')}`)
  await expect(client.setEngine('t', 'needs', 'quickjs')).rejects.toMatchObject({
    code: 'VELA_DEPLOY_START_THREW',
  })
  expect(await (await host.get('/t/needs')).text()).toBe('here')
  const status = (await client.listServices('t')).find(({ service }) => service === 'needs')
  expect(status).toMatchObject({ engine: 'v8' })
  expect(status).not.toHaveProperty('engineOverride')
})

test('a token of the tenant cannot do it, nor an unknown engine or service', async () => {
  await host.deploy('guarded', handler('return new Response()'))
  const { token } = await host.runtime.registry.createToken('t', ['admin', 'deploy'])
  const tenant = createAdminClient({ url: host.urls.admin, token })
  await expect(tenant.setEngine('t', 'guarded', 'quickjs')).rejects.toMatchObject({
    code: 'VELA_AUTH_FORBIDDEN',
  })
  await expect(client.setEngine('t', 'guarded', 'spidermonkey' as 'v8')).rejects.toThrow()
  await expect(client.setEngine('t', 'absent', 'v8')).rejects.toMatchObject({
    code: 'VELA_SERVICE_NOT_FOUND',
  })
})

test('`vela engine` shows, moves and takes back; `vela list` says what serves', async () => {
  await host.deploy('shown', handler(`return new Response(${ENGINE})`))
  const env = { VELA_API_URL: host.urls.admin, VELA_API_TOKEN: operator }
  const vela = async (...args: string[]): Promise<string> => {
    const { exitCode, stdout, stderr } = await runVela(args, { env })
    expect([stderr, exitCode]).toEqual(['', 0])
    return stdout.trim()
  }
  expect(await vela('engine', 't/shown')).toBe('v8 (by its manifest)')
  expect(JSON.parse(await vela('engine', 't/shown', 'quickjs', '--json'))).toEqual({
    tenant: 't',
    service: 'shown',
    engine: 'quickjs',
    override: 'quickjs',
  })
  expect(await vela('list')).toMatch(/t\/shown .*quickjs/)
  expect(await vela('engine', 't/shown')).toBe('quickjs (set by the operator)')
  expect(await vela('engine', 't/shown', 'manifest')).toBe('v8 (by its manifest)')
  expect((await runVela(['engine', 't/shown', 'spidermonkey'], { env })).exitCode).toBe(2)
})
