/** Who may have workers and tasks of the host: what manifests may ask, policy, decisions, and calls that are malformed. */
import { pathToFileURL } from 'node:url'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createWorkersKind, type WorkersOptions } from '../../host/capabilities/workers.ts'
import type { CapabilityCall } from '../../host/capabilities/capability.ts'
import { createWorkerSlots } from '../../host/concurrency/workers/worker-slots.ts'
import type { JsonValue } from '../../host/registry/types.ts'
import { cellPids, until } from '../attack/harness.ts'
import { SERVICE, startWorkersHost, type WorkersHost } from './support.ts'

const module = pathToFileURL(join(import.meta.dirname, 'fixtures/tasks.ts'))
const SOURCE = `
import { WorkerEntrypoint } from '@vela/guest-sdk'
const said = (error) => ({ name: error.name, message: error.message, code: error.code })
export const twice = (x) => x * 2
export class Jobs extends WorkerEntrypoint {
  lingers(x) { this.ctx.waitUntil(new Promise(() => undefined)); return x }
}
export default class extends WorkerEntrypoint {
  async use(binding, method, ...args) {
    try { return await this.env[binding][method](...args) } catch (error) { return said(error) }
  }
  async abort(binding) {
    const controller = new AbortController()
    setTimeout(() => controller.abort(), 100)
    try { return await this.env[binding].run(1, { signal: controller.signal }) } catch (error) { return said(error) }
  }
  async dates() { return await this.env.DATES.run(new Map([['a', new Date(5)]])) }
}
`
let host: WorkersHost
beforeAll(async () => {
  host = await startWorkersHost(
    {
      cells: { spares: 0, idleMs: 200, isolateIdleMs: 300 },
      policy: {
        default: {
          services: { host: ['meeting'] },
          workers: { size: 2, host: ['double', 'fails', 'dates', 'gone'] },
        },
        tenants: { nobody: { workers: false } },
      },
    },
    (runtime) => {
      for (const name of ['double', 'fails', 'loop', 'dates'])
        runtime.registerTask(name, { module, export: name })
    },
  )
})
afterAll(() => host.runtime.stop())

const use = (at: string, ...args: JsonValue[]): Promise<unknown> => host.invoke(at, 'use', ...args)

test('a manifest is refused for what it cannot ask', async () => {
  const asks: [JsonValue, RegExp][] = [
    [{ POOL: { size: 0 } }, /workers\.POOL/],
    [{ POOL: { size: 17 } }, /from 1 to 16/],
    [{ POOL: { size: 1.5 } }, /workers\.POOL/],
    [{ POOL: { host: '' } }, /workers\.POOL/],
    [{ POOL: { host: 'a', size: 1 } }, /workers\.POOL/],
    [{ POOL: { threads: 1 } }, /workers\.POOL/],
    [{ POOL: 2 }, /workers\.POOL/],
    [['POOL'], /an object of pools/],
    [Object.fromEntries(Array.from({ length: 17 }, (_, index) => [`P${index}`, {}])), /at most 16/],
  ]
  for (const [workers, message] of asks) {
    await expect(host.deploy('acme/asks', SOURCE, { capabilities: { workers } })).rejects.toMatchObject({
      code: 'VELA_DEPLOY_INVALID_MANIFEST',
      message: expect.stringMatching(message) as string,
    })
  }
})

test('own functions are granted unless the operator says otherwise, and no more workers than he allows', async () => {
  const { grants } = await host.deploy('acme/own', SOURCE, {
    capabilities: { workers: { POOL: { size: 9 } } },
  })
  expect(grants).toEqual([
    expect.objectContaining({ state: 'granted', reach: 'its own functions in up to 2 further isolates' }),
  ])
  expect(await use('acme/own', 'POOL', 'run', 'twice', 4)).toBe(8)
  await host.deploy('nobody/own', SOURCE, { capabilities: { workers: true } })
  expect(await use('nobody/own', 'workers', 'run', 'twice', 4)).toMatchObject({
    code: 'VELA_CAPABILITY_DENIED',
  })
})

test('a grant that is revoked fails from the next call on and comes back, and its workers go', async () => {
  await host.deploy('acme/revoked', SERVICE, {
    limits: { wallMs: 20_000 },
    capabilities: { workers: { POOL: { size: 1 } }, services: { meeting: { host: 'meeting' } } },
  })
  const waiting = host.invoke('acme/revoked', 'call', 'run', 'Jobs.wait', 'revoked')
  await until('it waits', () => host.meeting.arrivals.get('revoked') === 1)
  await host.decide('acme/revoked', 'POOL', 'revoked')
  expect(await host.invoke('acme/revoked', 'call', 'run', 'twice', 1)).toMatchObject({
    code: 'VELA_CAPABILITY_REVOKED',
  })
  expect(await waiting).toMatchObject({ code: 'VELA_TASK_CANCELED' })
  await host.decide('acme/revoked', 'POOL', 'policy')
  expect(await host.invoke('acme/revoked', 'call', 'run', 'twice', 1)).toBe(2)
})

test('a task of the host is there for whom policy or an operator grants it, and for nobody else', async () => {
  const workers = { DOUBLE: { host: 'double' }, LOOP: { host: 'loop' }, GONE: { host: 'gone' } }
  const { grants } = await host.deploy('acme/host', SOURCE, { capabilities: { workers } })
  expect(grants.map(({ binding, state }) => [binding, state])).toEqual([
    ['DOUBLE', 'granted'],
    ['LOOP', 'denied'],
    ['GONE', 'granted'],
  ])
  expect(await use('acme/host', 'DOUBLE', 'run', 21)).toBe(42)
  expect(await use('acme/host', 'DOUBLE', 'map', [1, 2, 3])).toEqual([2, 4, 6])
  expect(await use('acme/host', 'LOOP', 'run', 1)).toMatchObject({ code: 'VELA_CAPABILITY_DENIED' })
  expect(await use('acme/host', 'GONE', 'run', 1)).toMatchObject({ code: 'VELA_WORKER_TASK_NOT_FOUND' })
  await host.decide('acme/host', 'LOOP', 'granted')
  // It loops for ever; whoever ends it ends its thread.
  expect(await host.invoke('acme/host', 'abort', 'LOOP')).toMatchObject({ name: 'AbortError' })
  await until('nothing runs', async () =>
    (await host.runtime.metrics()).includes('vela_host_tasks{state="running"} 0'),
  )
  const tenants = await host.deploy('nobody/host', SOURCE, {
    capabilities: { workers: { DOUBLE: { host: 'double' } } },
  })
  expect(tenants.grants[0]).toMatchObject({ state: 'denied' })
})

test('a task of the host has values that are more than JSON, and says what it threw only if it means to', async () => {
  const workers = { DATES: { host: 'dates' }, FAILS: { host: 'fails' } }
  await host.deploy('acme/values', SOURCE, { capabilities: { workers } })
  expect(await host.invoke('acme/values', 'dates')).toBe('a5')
  expect(await use('acme/values', 'FAILS', 'run', false)).toEqual({
    name: 'Error',
    message: 'The task failed',
    code: 'VELA_TASK_FAILED',
  })
  expect(await use('acme/values', 'FAILS', 'run', true)).toEqual({
    name: 'TypeError',
    message: 'no such picture at /srv/private',
    code: 'E_PICTURE',
  })
})

test('workers that are idle are given up with their cells', async () => {
  await host.deploy('idle/own', SOURCE, { capabilities: { workers: { POOL: { size: 2 } } } })
  expect(await use('idle/own', 'POOL', 'map', 'twice', [1, 2, 3, 4])).toEqual([2, 4, 6, 8])
  await until('all cells are gone', () => cellPids().length === 0)
  expect(await use('idle/own', 'POOL', 'run', 'twice', 4)).toBe(8)
})

test('a worker whose task left something that never ends is given up when its time is over', async () => {
  await host.deploy('idle/lingers', SOURCE, {
    limits: { wallMs: 500 },
    capabilities: { workers: { POOL: { size: 1 } } },
  })
  expect(await use('idle/lingers', 'POOL', 'run', 'Jobs.lingers', 1)).toBe(1)
  await until('all cells are gone', () => cellPids().length === 0)
})

test('a call that no kernel makes is refused, and holds nothing', async () => {
  const started: string[] = []
  const kind = createWorkersKind({
    has: () => true,
    spawnEncoded: (name, owner, input) => {
      started.push(`${owner} ${name} ${input}`)
      return { result: Promise.resolve(input), ended: Promise.resolve(), cancel: () => undefined }
    },
  })
  const place = { tenant: 'acme', service: 'shop', version: '1' }
  const open = (options: WorkersOptions): ((call: Partial<CapabilityCall>) => Promise<unknown>) => {
    const capability = kind.open(options, place)
    return async (call) =>
      await capability.call({
        method: 'map',
        args: ['', false],
        body: Buffer.from('1\n2'),
        requestId: '',
        deadlineMs: performance.now() + 1000,
        depth: 0,
        signal: new AbortController().signal,
        origin: { gone: false, onGone: () => () => undefined },
        ...call,
      })
  }
  const call = open({ host: 'double' })
  const text = async (result: Promise<unknown>): Promise<string> =>
    String(((await result) as { body: Buffer }).body)
  expect(await text(call({}))).toBe('=1\n=2')
  expect(await text(call({ method: 'run', body: Buffer.from('"ä"') }))).toBe('"\\u00e4"')
  const bad = { code: 'VELA_CAPABILITY_BAD_CALL' }
  const long = 'x'.repeat(1_048_577)
  const calls: Partial<CapabilityCall>[] = [
    { method: 'walk' },
    { args: [] },
    { args: [7] },
    { args: ['x'.repeat(257)] },
    { args: ['', 'yes'] },
    { body: undefined },
    { body: Buffer.from('') },
    { body: Buffer.from('1\n\n2') },
    { body: Buffer.from('1\n'.repeat(300)) },
    { body: Buffer.from(long) },
    { body: Buffer.from(`1\n${long}`) },
    { body: Buffer.alloc(8_000_000, 49) },
    { method: 'run', body: Buffer.from(long) },
  ]
  started.length = 0
  for (const wrong of calls) await expect(call(wrong)).rejects.toMatchObject(bad)
  expect(started).toEqual([])
  await expect(call({ depth: 8 })).rejects.toMatchObject({ code: 'VELA_CAPABILITY_TOO_DEEP' })
  // Of a pool without isolates, and of calls that hold more than they may at a time.
  await expect(open({ size: 1 })({})).rejects.toMatchObject({ code: 'VELA_CAPABILITY_BAD_CALL' })
  await expect(open({ size: 1 })({ args: ['f'] })).rejects.toMatchObject({ code: 'VELA_CAPABILITY_FAILED' })
  const never = new Promise<never>(() => undefined)
  async function* slow(): AsyncGenerator<Buffer> {
    yield Buffer.alloc(1_000_000, 49)
    await never
  }
  // Over all bindings of the tenant, and of no other.
  const bindings = [call, open({ host: 'a' }), open({ host: 'b' }), open({ size: 1 })]
  const many = bindings.flatMap((one) =>
    Array.from({ length: 20 }, () => one({ args: ['f'], body: slow() }).catch((error: unknown) => error)),
  )
  expect(await Promise.race(many)).toMatchObject({ code: 'VELA_TASK_OVERLOADED' })
  place.tenant = 'umbrella'
  expect(await text(open({ host: 'double' })({}))).toBe('=1\n=2')
})

test('each worker has a cell number of its own; one that is idle gives it up, and who has none is told', () => {
  const slots = createWorkerSlots(16, 2)
  expect([slots.take('a'), slots.take('a'), slots.take('a'), slots.take('b')]).toEqual([
    16,
    17,
    undefined,
    16,
  ])
  const told: string[] = []
  const forget = slots.wait('a', () => told.push('gone'))
  expect(slots.isWanted('a')).toBe(true)
  forget()
  slots.wait('a', () => told.push(`got ${slots.take('a')}`))
  slots.give('a', 16)
  expect([told, slots.isWanted('a')]).toEqual([['got 16'], false])
  slots.idle('a', () => slots.give('a', 17))
  expect(slots.take('a')).toBe(17)
  expect(slots.take('a')).toBe(undefined)
})
