/** Actors in real cells: where they live, what moves them, and what survives; on both engines. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createAdminClient } from '../../host/admin/client.ts'
import { hostOf, startHost, type Host } from '../capabilities/support.ts'
import { runVela } from '../cli/run.ts'
import { cellPidsOf } from '../e2e/support.ts'
import { describeEngines, type EngineName } from '../engines.ts'
import { Runtime } from '../../host/index.ts'
import { makeDataDir } from '../data-dir.ts'
import { codeOf, eventually } from './host-support.ts'

const OWN = { actors: { COUNTER: { class: 'Counter' } } }

const counter = (version = 1): string => `
import { Actor, env } from '@vela/guest-sdk'
let activations = 0
export class Counter extends Actor {
  static options = { version: ${version} }
  constructor(ctx, env) { super(ctx, env); activations++ }
  async add(n) {
    const total = ((await this.ctx.storage.get('total')) ?? 0) + n
    this.ctx.storage.put('total', total)
    return total
  }
  upgrade(state, from) { this.ctx.storage.put('total', state.get('total') + 1000) }
  activations() { return activations }
  version() { return ${version} }
  wait() { return new Promise(() => {}) }
  spin() { for (;;); }
  later(ms) { return this.ctx.storage.setAlarm(Date.now() + ms) }
  async alarm() {
    const rings = ((await this.ctx.storage.get('rings')) ?? 0) + 1
    this.ctx.storage.put('rings', rings)
    if (rings < 2) throw new Error('again')
  }
  rings() { return this.ctx.storage.get('rings') }
  echo(value) { return value }
  crash() { throw new RangeError('crashed') }
  async through(depth) { return depth === 0 ? 0 : 1 + (await env.COUNTER.ask('deep' + depth, 'through', [depth - 1])) }
  fetch(request) { return new Response(this.ctx.id.name + new URL(request.url).pathname) }
}
export const ask = (name, method, ...args) => env.COUNTER.ask(name, method, args)
export const text = async (name) => (await env.COUNTER.get(name).fetch('http://actor/where')).text()
`
const CALLER = `
import { env } from '@vela/guest-sdk'
export const ask = (name, method, ...args) => env.COUNTER.ask(name, method, args)
export const depth = (name) => env.COUNTER.depth(name)
export const text = async (name) => (await env.COUNTER.get(name).fetch('http://actor/where')).text()
`

const deployCounter = async (
  host: Pick<Host, 'deploy'>,
  engine: EngineName,
  at = 'acme/shop',
): Promise<void> => {
  await host.deploy(at, counter(), { engine, capabilities: OWN })
}

describeEngines('actors', (engine) => {
  let host: Host
  let names = 0
  const fresh = (): string => `n${++names}`

  beforeAll(async () => {
    host = await startHost({
      cells: { spares: 1 },
      policy: { default: { actors: { services: ['acme/shop'] } } },
    })
    await deployCounter(host, engine)
    const theirs = (service: string): object => ({
      engine,
      capabilities: { actors: { COUNTER: { class: 'Counter', service } } },
    })
    await host.deploy('acme/front', CALLER, theirs('shop'))
    await host.deploy('globex/front', CALLER, theirs('acme/shop'))
    await host.deploy('globex/sneaky', CALLER, theirs('acme/secret'))
  })
  afterAll(() => host.runtime.stop())

  test('one actor is asked from its own service, from another one, from another tenant and from the host', async () => {
    const name = fresh()
    expect(await host.invoke('acme/shop', 'ask', name, 'add', 1)).toBe(1)
    expect(await host.invoke('acme/front', 'ask', name, 'add', 10)).toBe(11)
    expect(await host.invoke('globex/front', 'ask', name, 'add', 100)).toBe(111)
    expect(await host.runtime.actor('acme/shop', 'Counter', name).ask('add', [1000])).toBe(1111)
    expect(await host.invoke('globex/front', 'text', name)).toBe(`${name}/where`)
    expect(await host.invoke('globex/front', 'depth', name)).toBe(0)
    expect(await codeOf(host.invoke('globex/sneaky', 'ask', name, 'add', 1))).not.toBe('ok')
    expect(await host.grantOf('globex/sneaky', 'COUNTER')).toMatchObject({ state: 'denied' })
  })

  test('values that JSON lacks go in and out of the host', async () => {
    const actor = host.runtime.actor('acme/shop', 'Counter', fresh())
    const value = new Map<string, unknown>([
      ['at', new Date(5)],
      ['n', 12n],
      ['bytes', new Uint8Array([1, 2])],
    ])
    expect(await actor.ask('echo', [value])).toEqual(value)
    await expect(actor.ask('echo', [() => 1])).rejects.toThrow('cannot be sent')
  })

  test('messages that come at the same time from many callers find one activation', async () => {
    const name = fresh()
    const actor = host.runtime.actor('acme/shop', 'Counter', name)
    const sums = await Promise.all(
      Array.from({ length: 30 }, (_, index) =>
        index % 3 === 0
          ? host.invoke('acme/shop', 'ask', name, 'add', 1)
          : index % 3 === 1
            ? host.invoke('acme/front', 'ask', name, 'add', 1)
            : actor.ask('add', [1]),
      ),
    )
    expect(sums.map(Number).sort((a, b) => a - b)).toEqual(sums.map((_, index) => index + 1))
  })

  test('what an actor throws reaches a caller by name and message, and its own log', async () => {
    const log = host.logOf('acme/shop')
    const name = fresh()
    await expect(host.runtime.actor('acme/shop', 'Counter', name).ask('crash')).rejects.toMatchObject({
      name: 'RangeError',
      message: 'crashed',
      code: 'VELA_GUEST_THREW',
    })
    expect(log.some(({ message }) => message.includes('RangeError: crashed'))).toBe(true)
    const unknown = host.runtime.actor('acme/shop', 'Counter', name).ask('nothing')
    expect(await codeOf(unknown)).toBe('VELA_METHOD_NOT_FOUND')
  })

  test('an ask that nobody answers ends at its deadline', async () => {
    const actor = host.runtime.actor('acme/shop', 'Counter', fresh())
    const startedMs = performance.now()
    expect(await codeOf(actor.ask('wait', [], { deadlineMs: 100 }))).toBe('VELA_ACTOR_DEADLINE')
    expect(performance.now() - startedMs).toBeGreaterThan(90)
  })

  test('when the cell is killed, the next message activates the actor with all that was acknowledged', async () => {
    const actor = host.runtime.actor('acme/shop', 'Counter', fresh())
    for (let n = 1; n <= 5; n++) expect(await actor.ask('add', [1])).toBe(n)
    const waiting = codeOf(actor.ask('wait'))
    expect(await actor.depth()).toBeTypeOf('number')
    for (const pid of cellPidsOf(process.pid)) process.kill(pid, 'SIGKILL')
    expect(await waiting).toBe('VELA_CELL_LOST')
    expect(await actor.ask('add', [1])).toBe(6)
  })

  test('a deploy moves the actors, upgrades them, and loses no message', async () => {
    const at = 'acme/moving'
    await deployCounter(host, engine, at)
    const actor = host.runtime.actor(at, 'Counter', 'ann')
    expect(await actor.ask('add', [1])).toBe(1)
    let stop = false
    const sums: unknown[] = []
    const traffic = async (): Promise<void> => {
      while (!stop) sums.push(await actor.ask('add', [1]))
    }
    const running = traffic()
    await host.deploy(at, counter(2), { engine, capabilities: OWN })
    await eventually(() => actor.ask('version')).toBe(2)
    stop = true
    await running
    // One of the steps was the upgrade.
    const steps = sums.map((sum, index) => Number(sum) - Number(index === 0 ? 1 : sums[index - 1]))
    expect(steps.filter((step) => step !== 1)).toEqual(steps.includes(1001) ? [1001] : [])
    expect(await actor.ask('add', [0])).toBe(1001 + sums.length)
    // Not without the class, and then it is not found; the state is there when the class is.
    await expect(host.deploy(at, CALLER, { engine, capabilities: OWN })).rejects.toMatchObject({
      code: 'VELA_DEPLOY_MISSING_EXPORT',
    })
    await host.deploy(at, CALLER, { engine })
    expect(await codeOf(actor.ask('version'))).toBe('VELA_ACTOR_NOT_FOUND')
    await host.runtime.rollback('acme', 'moving')
    expect(await actor.ask('add', [0])).toBe(1001 + sums.length)
  })

  test('tenants and services with the same names never meet, and what is deleted is gone', async () => {
    await deployCounter(host, engine, 'twin/shop')
    await deployCounter(host, engine, 'twin/other')
    const name = fresh()
    for (const [index, at] of (['acme/shop', 'twin/shop', 'twin/other'] as const).entries())
      expect(await host.runtime.actor(at, 'Counter', name).ask('add', [index + 1])).toBe(index + 1)
    for (const [index, at] of (['acme/shop', 'twin/shop', 'twin/other'] as const).entries())
      expect(await host.runtime.actor(at, 'Counter', name).ask('add', [0])).toBe(index + 1)
    await host.runtime.deleteService('twin', 'shop')
    expect(await codeOf(host.runtime.actor('twin/shop', 'Counter', name).ask('add', [0]))).toBe(
      'VELA_SERVICE_NOT_FOUND',
    )
    await deployCounter(host, engine, 'twin/shop')
    expect(await host.runtime.actor('twin/shop', 'Counter', name).ask('add', [0])).toBe(0)
    await host.runtime.deleteTenant('twin', true)
    await deployCounter(host, engine, 'twin/other')
    expect(await host.runtime.actor('twin/other', 'Counter', name).ask('add', [0])).toBe(0)
  })

  test('a chain of asks through cells ends, however deep it wants to go', async () => {
    await host.deploy('acme/loop', counter().replace('env.COUNTER', 'env.NEXT'), {
      engine,
      capabilities: {
        actors: { COUNTER: { class: 'Counter' }, NEXT: { class: 'Counter', service: 'loop' } },
      },
    })
    const actor = host.runtime.actor('acme/loop', 'Counter', 'deep')
    expect(await actor.ask('through', [5])).toBe(5)
    await expect(actor.ask('through', [12])).rejects.toThrow(/deep/)
  })

  test('the control API and metrics tell of actors', async () => {
    const token = await host.runtime.registry.createToken(null, ['admin'])
    const client = createAdminClient({ url: host.admin, token: token.token })
    const name = fresh()
    await host.invoke('acme/shop', 'ask', name, 'add', 1)
    const status = await client.listActors('acme', 'shop')
    expect(status.active['Counter']).toBeGreaterThan(0)
    expect(status.stored).toBeGreaterThan(0)
    expect(status.bytes).toBeGreaterThan(0)
    await host.runtime.actor('acme/shop', 'Counter', name).tell('crash')
    await eventually(() => client.listDeadLetters('acme', 'shop')).toMatchObject([
      { class: 'Counter', name, method: 'crash', args: '[]' },
    ])
    const vela = (...args: string[]): ReturnType<typeof runVela> =>
      runVela(['actors', 'acme/shop', ...args], {
        env: { VELA_API_URL: host.admin, VELA_API_TOKEN: token.token },
      })
    expect(JSON.parse((await vela('--json')).stdout)).toMatchObject({ deadLetters: 1 })
    expect((await vela()).stdout).toMatch(/Counter +\d+[^]*dead letters: 1/)
    expect((await vela('--dead')).stdout).toMatch(new RegExp(`Counter +${name} +crash`))
    const text = await host.runtime.metrics()
    expect(text).toMatch(/vela_actor_messages_total\{kind="ask",outcome="ok"\} \d+/)
    expect(text).toMatch(/vela_actor_messages_total\{kind="ask",outcome="VELA_ACTOR_DEADLINE"\} 1/)
    expect(text).toMatch(/vela_actors_active [1-9]/)
  })
})

test('alarms survive a restart of the host, and are tried again when they throw', async () => {
  const data = await makeDataDir()
  const config = {
    data,
    gateway: { port: 0 },
    admin: { port: 0 },
    log: { level: 'silent' },
    cells: { spares: 0 },
  } as const
  const first = await Runtime.create(config)
  await deployCounter(hostOf(first), 'v8')
  const actor = first.actor('acme/shop', 'Counter', 'ann')
  await actor.ask('add', [7])
  // Not started: nothing rings here.
  await actor.ask('later', [0])
  expect(await actor.ask('rings')).toBeUndefined()
  await first.stop()
  const second = await Runtime.create(config)
  await second.start()
  const again = second.actor('acme/shop', 'Counter', 'ann')
  await eventually(() => again.ask('rings')).toBe(2)
  expect(await again.ask('add', [0])).toBe(7)
  await second.stop()
})

test('a cell that is stopped is replaced, and what it says when it is woken changes nothing', async () => {
  const host = await startHost({ cells: { spares: 1 } })
  try {
    await deployCounter(host, 'v8')
    const actor = host.runtime.actor('acme/shop', 'Counter', 'ann')
    expect(await actor.ask('add', [1])).toBe(1)
    const pids = cellPidsOf(process.pid)
    expect(pids).not.toEqual([])
    for (const pid of pids) process.kill(pid, 'SIGSTOP')
    const stale = codeOf(actor.ask('add', [100], { deadlineMs: 20_000 }))
    expect(await stale).toBe('VELA_CELL_LOST')
    expect(await actor.ask('add', [1])).toBe(2)
    for (const pid of pids) {
      try {
        process.kill(pid, 'SIGCONT')
      } catch {
        // It has been killed for good.
      }
    }
    expect(await actor.ask('add', [1])).toBe(3)
  } finally {
    await host.runtime.stop()
  }
})
