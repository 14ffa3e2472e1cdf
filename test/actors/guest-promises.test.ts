/** What an actor of a guest can rely on: upgrades, alarms, and that nothing leaves it before its writes are durable. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startHost, type Host } from '../capabilities/support.ts'
import { describeEngines, type EngineName } from '../engines.ts'
import { deployActors } from './guest-support.ts'

/** A class whose state has a version. */
const versioned = (version: number, upgrade: string): string => `
export class A extends Actor {
  static options = { version: ${version} }
  async set(value) { await this.ctx.storage.put('value', value) }
  async get() { return [...await this.ctx.storage.list()] }
  ${upgrade}
}`

describeEngines('promises of actors', (engine) => {
  let host: Host
  beforeAll(async () => {
    const small = { actors: { quotaMb: 0.001 }, kv: true }
    host = await startHost({ cells: { spares: 0 }, policy: { tenants: { small } } })
  })
  afterAll(() => host.runtime.stop())

  test('a deploy upgrades the state, whole and once', async () => {
    const first = await deployActors(host, 'acme/up', engine, versioned(1, ''))
    await first.ask('u', 'set', [20])
    const second = await deployActors(
      host,
      'acme/up',
      engine,
      versioned(
        2,
        `async upgrade(old, from) {
           await this.ctx.storage.put({ ['from' + from]: old.get('value') + 1, upgrades: (old.get('upgrades') ?? 0) + 1 })
           await this.ctx.storage.delete('value')
         }`,
      ),
    )
    const state = {
      value: [
        ['from1', 21],
        ['upgrades', 1],
      ],
    }
    expect(await second.ask('u', 'get')).toEqual(state)
    expect(await second.ask('u', 'get')).toEqual(state)
    // Also of an actor that had no state.
    expect(await second.ask('fresh', 'get')).toEqual({ value: [] })
  })

  test('an upgrade that throws leaves the state as it was, and the actor is not activated', async () => {
    const first = await deployActors(host, 'acme/bad', engine, versioned(1, ''))
    await first.ask('u', 'set', ['old'])
    const second = await deployActors(
      host,
      'acme/bad',
      engine,
      versioned(2, `async upgrade() { await this.ctx.storage.put('half', 1); throw new Error('cannot') }`),
    )
    for (let count = 0; count < 2; count++) {
      expect(await second.ask('u', 'get')).toMatchObject({
        code: 'VELA_ACTOR_UPGRADE_FAILED',
        message: expect.stringContaining('cannot'),
      })
    }
    const third = await deployActors(host, 'acme/bad', engine, versioned(1, ''))
    expect(await third.ask('u', 'get')).toEqual({ value: [['value', 'old']] })
  })

  test('the alarm runs, and the state it leaves is there', async () => {
    await deployAlarm(host, engine)
    await host.invoke('acme/alarm', 'arm')
    await expect.poll(() => host.invoke('acme/alarm', 'rung'), { timeout: 10_000 }).toEqual([1, null])
  })

  test('when a write fails its sender hears so, nothing else has left the actor, and it goes on from what is durable', async () => {
    await host.deploy('small/quota', QUOTA, {
      engine,
      capabilities: { actors: { A: { class: 'A' } }, kv: {} },
    })
    expect(await host.invoke('small/quota', 'ask', 'fits')).toEqual({ value: 'kept' })
    expect(await host.invoke('small/quota', 'ask', 'grow')).toMatchObject({
      code: 'VELA_ACTOR_QUOTA_EXCEEDED',
    })
    expect(await host.invoke('small/quota', 'ask', 'quiet')).toMatchObject({
      code: 'VELA_ACTOR_QUOTA_EXCEEDED',
    })
    // The calls and messages that stood behind the writes.
    expect(await host.invoke('small/quota', 'leaked')).toEqual([null, null])
    expect(await host.invoke('small/quota', 'ask', 'read')).toEqual({ value: 'kept' })
  })

  test('actors that leave for a new version finish what they began, together', async () => {
    const source = (name: string): string => `
      export class A extends Actor {
        version = '${name}'
        async chain(depth) {
          await this.ctx.storage.put('depth', depth)
          await new Promise((resolve) => setTimeout(resolve, 5))
          return depth === 0 ? [this.version] : [this.version, ...(await this.env.A.get('chain ' + (depth - 1)).chain(depth - 1))]
        }
        async read() { return [this.version, await this.ctx.storage.get('depth')] }
      }`
    const first = await deployActors(host, 'acme/move', engine, source('one'))
    for (let depth = 0; depth <= 4; depth++) await first.ask(`chain ${depth}`, 'read')
    const running = first.ask('chain 4', 'chain', [4])
    const second = await deployActors(host, 'acme/move', engine, source('two'))
    // All of it in one version: none of them was sent away while another still needed it.
    const { value } = await running
    expect(new Set(value as string[]).size).toBe(1)
    expect(value).toHaveLength(5)
    for (let depth = 0; depth <= 4; depth++)
      expect(await second.ask(`chain ${depth}`, 'read')).toEqual({ value: ['two', depth] })
  })
})

async function deployAlarm(host: Host, engine: EngineName): Promise<void> {
  await host.deploy(
    'acme/alarm',
    `import { Actor, WorkerEntrypoint } from '@vela/guest-sdk'
     export class A extends Actor {
       async arm() { await this.ctx.storage.setAlarm(Date.now() + 20) }
       async alarm() { await this.ctx.storage.put('rung', ((await this.ctx.storage.get('rung')) ?? 0) + 1) }
       async rung() { return [await this.ctx.storage.get('rung') ?? 0, await this.ctx.storage.getAlarm()] }
     }
     export default class extends WorkerEntrypoint {
       arm() { return this.env.A.get('a').arm() }
       rung() { return this.env.A.get('a').rung() }
     }`,
    { engine, capabilities: { actors: { A: { class: 'A' } } } },
  )
}

const QUOTA = `
import { Actor, WorkerEntrypoint } from '@vela/guest-sdk'
export class A extends Actor {
  async fits() { await this.ctx.storage.put('a', 'kept'); return 'kept' }
  async grow() {
    await this.ctx.storage.put('a', 'x'.repeat(5000))
    void this.env.kv.put('leaked', 'by env').catch(() => undefined)
    void this.env.A.tell('other', 'note', [true]).catch(() => undefined)
    await this.env.kv.put('leaked too', 'x')
    return 'grown'
  }
  /** Nothing but its answer tells of what it wrote. */
  quiet() { void this.ctx.storage.put('a', 'x'.repeat(5000)); return 'grown' }
  note(really) { if (really) globalThis.noted = true }
  async read() { return await this.ctx.storage.get('a') }
}
export default class extends WorkerEntrypoint {
  async ask(method) {
    // It lives here, so that a message to it would not go by the host.
    await this.env.A.get('other').note(false)
    try { return { value: await this.env.A.get('q')[method]() } } catch ({ code, message }) { return { code, message } }
  }
  async leaked() { return [await this.env.kv.get('leaked'), globalThis.noted ?? null] }
}`
