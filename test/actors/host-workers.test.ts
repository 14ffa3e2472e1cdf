/** Actors live in replicas of their service, never in an isolate of its workers, whoever asks for them first. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startHost, type Host } from '../capabilities/support.ts'
import { describeEngines } from '../engines.ts'
import { codeOf } from './host-support.ts'

const SERVICE = `
import { Actor, env } from '@vela/guest-sdk'
const isolate = String(Math.random())
export class Cart extends Actor {
  where() { return isolate }
  async add(n) {
    const total = ((await this.ctx.storage.get('total')) ?? 0) + n
    await this.ctx.storage.put('total', total)
    return total
  }
  fetch() { return new Response(isolate) }
}
export const here = () => isolate
export const seen = async (name) => ({
  worker: isolate,
  asked: await env.CART.get(name).where(),
  fetched: await (await env.CART.get(name + ' by fetch').fetch('http://actor/')).text(),
  total: await env.CART.get(name).add(1),
})
export const crash = async (name) => {
  await env.CART.get(name).add(1)
  for (;;);
}
export const run = (task, name) => env.POOL.run(task, name)
`

describeEngines('actors that a worker asks for', (engine) => {
  let host: Host
  beforeAll(async () => {
    host = await startHost({ cells: { spares: 0 } })
    await host.deploy('acme/shop', SERVICE, {
      engine,
      limits: { replicas: 1, cpuMs: 500 },
      capabilities: { actors: { CART: { class: 'Cart' } }, workers: { POOL: { size: 2 } } },
    })
  })
  afterAll(() => host.runtime.stop())
  const run = (task: string, name: string): Promise<unknown> => host.invoke('acme/shop', 'run', task, name)

  test('settle in the service’s replica and are reached from there and from the worker', async () => {
    const here = await host.invoke('acme/shop', 'here')
    const seen = (await run('seen', 'ann')) as Record<string, unknown>
    expect(seen).toMatchObject({ asked: here, fetched: here, total: 1 })
    expect(seen['worker']).not.toBe(here)
    const actor = host.runtime.actor('acme/shop', 'Cart', 'ann')
    expect(await actor.ask('where')).toBe(here)
    expect(await run('seen', 'ann')).toMatchObject({ asked: here, total: 2 })
  })

  test('outlive the worker', async () => {
    expect(await codeOf(run('crash', 'bob'))).not.toBe('ok')
    const actor = host.runtime.actor('acme/shop', 'Cart', 'bob')
    expect(await actor.ask('add', [1])).toBe(2)
    expect(await actor.ask('where')).toBe(await host.invoke('acme/shop', 'here'))
  })
})
