/** A guest that patches whatever it can reach: its actors' state stays what it wrote, and nobody else notices. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startHost, type Host } from '../capabilities/support.ts'
import { describeEngines } from '../engines.ts'
import { deployActors } from './guest-support.ts'

const SOURCE = `
export class A extends Actor {
  async increment() {
    const count = ((await this.ctx.storage.get('count')) ?? 0) + 1
    await this.ctx.storage.put('count', count)
    return count
  }
  async reach() {
    const found = []
    const seen = new Set()
    const walk = (value, path, depth) => {
      if (depth > 4 || (typeof value !== 'object' && typeof value !== 'function') || value === null || seen.has(value)) return
      seen.add(value)
      for (let level = value; level !== null && level !== Object.prototype && level !== Function.prototype; level = Object.getPrototypeOf(level)) for (const key of Reflect.ownKeys(level)) {
        if (/epoch|mailbox|raw|grant|powers|kit/i.test(String(key))) found.push(String(key))
        let inner
        try { inner = value[key] } catch { continue }
        walk(inner, path + '.' + String(key), depth + 1)
      }
    }
    walk(this.ctx, 'ctx', 0)
    walk(this.ctx.storage, 'storage', 0)
    walk(this.env, 'env', 0)
    walk(this.env.A.get('x'), 'stub', 0)
    return [...new Set(found)]
  }
  leave() { this.ctx.passivate() }
}
`

const PATCHES = `
const spoil = (object, ...names) => { for (const name of names) object[name] = () => { throw new Error('patched ' + name) } }
spoil(Map.prototype, 'get', 'set', 'has', 'delete', 'forEach')
spoil(Set.prototype, 'add', 'has', 'delete', 'forEach')
spoil(WeakMap.prototype, 'get', 'set')
spoil(WeakSet.prototype, 'add', 'has')
spoil(Array.prototype, 'push', 'sort', 'slice', 'map', 'shift', 'toSpliced', 'concat')
spoil(String.prototype, 'slice', 'charCodeAt', 'indexOf', 'startsWith')
spoil(JSON, 'stringify', 'parse')
spoil(Reflect, 'apply', 'construct', 'ownKeys')
spoil(Promise, 'resolve', 'reject', 'all')
Object.defineProperty(Array.prototype, '0', { set() { throw new Error('patched 0') }, configurable: true })
Object.defineProperty(Object.prototype, 'here', { get() { throw new Error('patched here') }, configurable: true })
`

describeEngines('a hostile guest with actors', (engine) => {
  let host: Host
  beforeAll(async () => {
    host = await startHost({ cells: { spares: 0 } })
  })
  afterAll(() => host.runtime.stop())

  test('patched intrinsics change nothing of what is stored and counted', async () => {
    await deployActors(host, 'acme/patched', engine, SOURCE)
    const run = (body: string): Promise<unknown> => host.invoke('acme/patched', 'run', body)
    const five = `let last; for (let i = 0; i < 5; i++) last = await env.A.get('a').increment(); return last`
    expect(await run(five)).toBe(5)
    const outcome = await run(`${PATCHES.replace("'0', { set()", "'99', { set()")}; ${five}`)
    expect(outcome).toBe(10)
    // What is durable, as another version sees it.
    const clean = await deployActors(host, 'acme/patched', engine, SOURCE)
    expect(await clean.ask('a', 'increment')).toEqual({ value: 11 })
  })

  test('a trap for every list breaks nothing but the guest that set it', async () => {
    const innocent = await deployActors(host, 'globex/innocent', engine, SOURCE)
    expect(await innocent.ask('a', 'increment')).toEqual({ value: 1 })
    await deployActors(host, 'acme/traps', engine, SOURCE)
    const log = host.logOf('acme/traps')
    await host
      .invoke('acme/traps', 'run', `${PATCHES}; await env.A.get('a').increment()`)
      .catch(() => undefined)
    expect(await innocent.ask('a', 'increment')).toEqual({ value: 2 })
    expect(log.filter(({ message }) => message.includes('ended (protocol)'))).toEqual([])
  })

  test('nothing of the kernel’s is within reach of an actor', async () => {
    const actors = await deployActors(host, 'acme/reach', engine, SOURCE)
    // What it shows of its mailbox is for it to see, and that the walk sees anything.
    expect(await actors.ask('a', 'reach')).toEqual({ value: ['mailbox'] })
  })
})
