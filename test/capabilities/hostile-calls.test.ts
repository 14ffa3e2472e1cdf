/** Guests that try to break, confuse or walk out of the calls they may make. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CALLER, startHost, type Host } from './support.ts'

const CALLEE = `
export const echo = (...args) => args
export const fail = () => { throw new RangeError('out of range') }
export const _hidden = () => 'hidden'
`

let host: Host
beforeAll(async () => {
  host = await startHost()
  await host.deploy('acme/callee', CALLEE)
  await host.deploy('acme/caller', CALLER, { capabilities: { services: { callee: { service: 'callee' } } } })
})
afterAll(() => host.runtime.stop())

describe('a guest that is not honest', () => {
  /** Runs the body of `async (env)` in a guest of its own. */
  const run = async (name: string, body: string): Promise<unknown> => {
    const source = `
      import { WorkerEntrypoint } from 'cloudflare:workers'
      export default class extends WorkerEntrypoint { async go() { const env = this.env; ${body} } }`
    await host.deploy(`acme/${name}`, source, {
      capabilities: { services: { callee: { service: 'callee' } } },
    })
    return await host.invoke(`acme/${name}`, 'go')
  }

  test('its accessors, proxies, toJSON and thenables run on its own bill, and arrive as plain JSON', async () => {
    const answer = await run(
      'values',
      `
      const proxy = new Proxy({ real: 1 }, { get: (target, key) => key === 'toJSON' ? undefined : 'trap ' + String(key) })
      const value = { get accessor() { return 'read' }, toJSON: undefined, then: (resolve) => resolve('thenable') }
      return await env.callee.echo(value, { toJSON: () => 'json' }, proxy, new Date(0), [undefined, () => 1], { ['__proto__']: 7 })`,
    )
    expect(answer).toEqual([
      { accessor: 'read' },
      'json',
      { real: 'trap real' },
      '1970-01-01T00:00:00.000Z',
      [null, null],
      JSON.parse('{"__proto__":7}'),
    ])
  })

  test('what has no JSON form is refused in the guest: circles, bigints, a getter that throws', async () => {
    const answer = await run(
      'no-json',
      `
      const circle = {}; circle.self = circle
      const bad = [circle, 1n, { get boom() { throw new Error('my own') } }]
      return await Promise.all(bad.map((value) => env.callee.echo(value).then(() => 'sent', (error) => error.name)))`,
    )
    expect(answer).toEqual(['TypeError', 'TypeError', 'Error'])
  })

  test('intrinsics that it has patched neither break nor see its calls', async () => {
    const answer = await run(
      'patched',
      `
      const seen = []
      const spy = (name, original) => function (...args) { seen[seen.length] = name; return Reflect.apply(original, this, args) }
      for (const name of ['push', 'map', 'join', 'shift']) Array.prototype[name] = spy(name, Array.prototype[name])
      for (const name of ['get', 'set', 'delete', 'forEach']) Map.prototype[name] = spy('map ' + name, Map.prototype[name])
      JSON.stringify = () => '["forged"]'; JSON.parse = () => ({ forged: true })
      String.prototype.indexOf = () => -1; String.prototype.slice = () => 'forged'
      Object.defineProperty(Object.prototype, 'code', { set() { seen[seen.length] = 'code' }, configurable: true })
      const then = Promise.prototype.then
      Promise.prototype.then = function (...args) { seen[seen.length] = 'then'; return Reflect.apply(then, this, args) }
      let value, failure
      try { value = await env.callee.echo('sent', 2) } catch (error) { value = String(error) }
      try { await env.callee.fail() } catch (error) { failure = error.message }
      Promise.prototype.then = then
      return { value, failure, seen: seen.filter((name) => name.startsWith('map') || name === 'code') }`,
    )
    expect(answer).toEqual({ value: ['sent', 2], failure: 'out of range', seen: [] })
  })

  test('its powers show nothing but what they are for: no prototype, no numbers, nothing to change', async () => {
    const answer = await run(
      'walk',
      `
      const power = env.callee
      const before = power.echo
      const tries = [() => { env.callee = 1 }, () => { power.echo = 1 }, () => Object.setPrototypeOf(power, {}), () => delete env.callee]
      const refused = tries.map((change) => { try { change(); return 'done' } catch (error) { return error.name } })
      return { keys: Reflect.ownKeys(power), prototype: Object.getPrototypeOf(power), refused, same: power.echo === before, hasThen: typeof power.then }`,
    )
    expect(answer).toEqual({
      keys: [],
      prototype: null,
      refused: Array(4).fill('TypeError'),
      same: true,
      hasThen: 'undefined',
    })
  })

  test('traps that it puts on Object.prototype are not those of its powers', async () => {
    const answer = await run(
      'traps',
      `
      const seen = []
      for (const trap of ['has', 'ownKeys', 'getPrototypeOf', 'deleteProperty', 'defineProperty'])
        Object.defineProperty(Object.prototype, trap, { value: () => seen.push(trap), configurable: true, writable: true })
      'x' in env.callee; Reflect.getPrototypeOf(env.callee); Reflect.ownKeys(env.callee)
      return seen`,
    )
    expect(answer).toEqual([])
  })

  test.each(['constructor', '__proto__', 'toString', 'fetch', 'scheduled', '_hidden', 'a.b', ''])(
    'the name %j leads to no method of the other side',
    async (name) => {
      const answer = await host.invoke('acme/caller', 'use', 'callee', name)
      expect(answer).toMatchObject({ name: expect.stringMatching(/Error$/) })
    },
  )
})
