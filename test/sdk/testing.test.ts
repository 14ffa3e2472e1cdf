/** `@vela/guest-sdk/testing`: a service under test is in the real sandbox, with what its test gave it. */
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type * as host from '../../host/index.ts'
import * as declared from '../../guest-sdk/testing/index.ts'
import { loadRuntime, type VelaRuntime } from '../../guest-sdk/testing/runtime.ts'
import type { RunningService } from '../../guest-sdk/testing/types.ts'
import { cellPidsOf } from '../e2e/support.ts'
import { createWorkshop } from './project.ts'

const { startService } = declared
const workshop = createWorkshop()

const SOURCE = `
import { WorkerEntrypoint } from '@vela/guest-sdk'
let started
export default {
  start(env) { started = env.KEY },
  async fetch(request, env) {
    const { pathname, searchParams } = new URL(request.url)
    if (pathname === '/log') console.log(searchParams.get('line'))
    if (pathname === '/kv') return Response.json(await env.NOTES.list({ prefix: '' }))
    if (pathname === '/out') return await fetch(env.OUT).then((r) => r.text()).then((t) => new Response(t), (e) => new Response(e.code, { status: 500 }))
    return Response.json({ pathname, mode: env.MODE, started, method: request.method, body: await request.text() })
  },
  scheduled({ cron }) { console.log('ran', cron); if (cron !== '0 * * * *') throw new RangeError('wrong hour') },
  note: async (key) => undefined,
}
export class Api extends WorkerEntrypoint {
  async ask(name) { return [await this.env.bank.pay(name), await this.env.peer.greet(name)] }
  async note(key) { return await this.env.NOTES.get(key) }
  async shared(key) { return await this.env.SHARED.get(key) }
}
export const fail = () => { throw new RangeError('no such thing') }
`
const MANIFEST = {
  name: 'main',
  main: 'index.js',
  vars: { MODE: 'manifest', OTHER: 1 },
  schedules: ['0 * * * *', '5 * * * *'],
  capabilities: {
    kv: { NOTES: { prefix: 'n/' }, SHARED: { namespace: 'shared', access: 'read' } },
    services: { bank: { host: 'bank' }, peer: { service: 'peer' } },
  },
}

const folder = (name: string, manifest: object, source: string): string => {
  workshop.write(`${name}/vela.jsonc`, JSON.stringify(manifest))
  workshop.write(`${name}/index.js`, source)
  return join(workshop.path, name)
}
const main = folder('main', MANIFEST, SOURCE)
const peer = folder(
  'peer',
  { name: 'peer', main: 'index.js' },
  'export const greet = (name) => `hello ${name}`',
)

let service: RunningService

beforeAll(async () => {
  service = await startService(main, {
    vars: { MODE: 'test' },
    secrets: { KEY: 'hush' },
    services: { bank: { pay: (name: string) => `${name} pays` } },
    peers: [peer],
    kvSeed: { NOTES: { a: 'text', b: { deep: [1] } }, SHARED: { c: 'read only' } },
  })
})
afterAll(async () => {
  await service.stop()
  workshop[Symbol.dispose]()
})

test('answers HTTP at its own address, with the vars and secrets of the test', async () => {
  const response = await service.fetch('/some/path?x=1', { method: 'POST', body: 'hi' })
  expect(await response.json()).toEqual({
    pathname: '/some/path',
    mode: 'test',
    started: 'hush',
    method: 'POST',
    body: 'hi',
  })
  expect(await (await fetch(service.url)).json()).toMatchObject({ pathname: '/' })
  await expect(service.fetch('http://elsewhere/')).rejects.toThrow('begins with no slash')
})

test('methods are called; they reach services of the host and peers; what they throw comes with its code', async () => {
  expect(await service.invoke('Api.ask', 'ada')).toEqual(['ada pays', 'hello ada'])
  await expect(service.invoke('fail')).rejects.toMatchObject({
    code: 'VELA_GUEST_THREW',
    message: expect.stringContaining('no such thing'),
  })
  await expect(service.invoke('nothing')).rejects.toMatchObject({ code: 'VELA_METHOD_NOT_FOUND' })
})

test('seeds are in the store under the names that the service sees, and nothing else is', async () => {
  expect(await service.invoke('Api.note', 'a')).toBe('text')
  expect(await service.invoke('Api.note', 'b')).toBe('{"deep":[1]}')
  expect(await service.invoke('Api.shared', 'c')).toBe('read only')
  const { keys } = (await (await service.fetch('/kv')).json()) as { keys: { name: string }[] }
  expect(keys.map(({ name }) => name)).toEqual(['a', 'b'])
})

test('schedules run when asked, and fail with what they threw', async () => {
  await service.scheduled('0 * * * *')
  await service.waitForLog('ran 0 * * * *')
  await expect(service.scheduled('5 * * * *')).rejects.toMatchObject({ code: 'VELA_GUEST_THREW' })
  await expect(service.scheduled()).rejects.toMatchObject({ code: 'VELA_SCHEDULE_NOT_FOUND' })
})

test('lines of the log are waited for, found afterwards, and missed with what there was', async () => {
  const waiting = service.waitForLog('later line')
  await service.fetch('/log?line=later+line')
  expect(await waiting).toMatchObject({ level: 'info', source: 'guest', message: 'later line' })
  expect(await service.waitForLog('later')).toBe(await waiting)
  expect(service.logs().filter(({ message }) => message === 'later line')).toHaveLength(1)
  await expect(service.waitForLog('never', 20)).rejects.toThrow(/did not log "never".*\n[\s\S]*later line/)
})

test('it is the real sandbox, on either engine: a loop ends by its limit, and the service goes on', async () => {
  const loops = workshop.write(
    'loop.js',
    'export const loop = () => { for (;;); }; export const intl = () => typeof Intl',
  )
  await using looping = await startService(loops, { engine: 'quickjs' })
  await expect(looping.invoke('loop')).rejects.toMatchObject({ code: 'VELA_TURN_EXCEEDED_CPU' })
  // QuickJS has none.
  expect(await looping.invoke('intl')).toBe('undefined')
})

test('a policy of the test decides instead, and fetch may reach the test’s own servers by default', async () => {
  const out = { vars: { OUT: service.url }, secrets: { KEY: 'k' }, peers: [peer], services: { bank: {} } }
  const capabilities = { fetch: { allow: [new URL('/*', service.url).href] } }
  await using open = await startService(main, { ...out, capabilities })
  expect(open.denied).toEqual([])
  expect(await (await open.fetch('/out')).json()).toMatchObject({ mode: 'test' })
  await using shut = await startService(main, { ...out, capabilities, policy: { kv: false, fetch: true } })
  expect(shut.denied).toEqual([
    "kv NOTES: the operator's policy does not grant kv",
    "kv SHARED: the operator's policy does not grant kv",
    "services bank: the operator's policy does not grant the host's service bank",
  ])
  expect(await (await shut.fetch('/out')).text()).toBe('VELA_FETCH_ADDRESS_REFUSED')
})

test('what does not deploy rejects with its code, and leaves no process behind', async () => {
  const before = cellPidsOf(process.pid).length
  const broken = workshop.write('broken.js', 'export default {}; throw new Error("not today")')
  await expect(startService(broken)).rejects.toMatchObject({
    code: 'VELA_DEPLOY_START_THREW',
    message: expect.stringContaining('not today'),
  })
  await expect(startService(join(workshop.path, 'nowhere'))).rejects.toMatchObject({
    code: 'VELA_DEPLOY_BUNDLE_FAILED',
  })
  await expect(startService(peer, { kvSeed: { NOTES: {} } })).rejects.toThrow(
    'asks for no kv binding called NOTES',
  )
  expect(cellPidsOf(process.pid).length).toBe(before)
})

test('stop may be called twice, and ends those who wait for a line', async () => {
  const short = await startService(peer)
  const waiting = short.waitForLog('never', 60_000)
  const [ended] = await Promise.allSettled([waiting, short.stop(), short.stop()])
  expect(ended.status).toBe('rejected')
  await expect(short.fetch()).rejects.toThrow()
})

describe('the host', () => {
  test('is what the helper takes it for', () => {
    // The compiler compares the two.
    const asTaken = (real: typeof host): VelaRuntime => real
    const { Runtime, bundleService } = asTaken(loadRuntime() as unknown as Parameters<typeof asTaken>[0])
    expect([typeof Runtime.create, typeof bundleService]).toEqual(['function', 'function'])
  })

  test('is looked for where the tests run, then beside the SDK, and else named as missing', () => {
    const beside = workshop.write('beside.cjs', 'module.exports = { Runtime: "beside" }')
    const missing = join(workshop.path, 'missing.ts')
    expect(loadRuntime({ from: tmpdir(), beside })).toEqual({ Runtime: 'beside' })
    expect(loadRuntime({ from: workshop.path, beside })).toHaveProperty('bundleService')
    expect(() => loadRuntime({ from: tmpdir(), beside: missing })).toThrow(
      'npm install --save-dev vela-runtime',
    )
  })

  test('needs Node 24, and says so', () => {
    expect(() => loadRuntime({ nodeVersion: '20.20.2' })).toThrow('needs Node 24 and this is 20.20.2')
  })
})

test('the declarations that authors see name what the module has', async () => {
  const { readFileSync } = await import('node:fs')
  const text = readFileSync(join(import.meta.dirname, '../../guest-sdk/testing/declarations.d.ts'), 'utf8')
  const values = [...text.matchAll(/^export declare const (\w+)/gm)].map((match) => match[1])
  expect(values).toEqual(Object.keys(declared))
})
