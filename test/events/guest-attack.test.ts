/** Hostile publishers and handlers: whatever they do to their own isolate, the host, other tenants and other services notice nothing. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { startHost, type Host } from '../capabilities/support.ts'
import { describeEngines, type EngineName } from '../engines.ts'
import { GUEST, gotBy, until, type Seen } from './guest.ts'

let host: Host
beforeAll(async () => {
  host = await startHost({
    cells: { spares: 0 },
    policy: { tenants: { slow: { events: { rate: 100 } }, narrow: { events: { publish: ['mine.>'] } } } },
  })
})
afterAll(() => host.runtime.stop())

const events = (binding: object): never => ({ events: { E: binding } }) as never
const publish = (at: string, subject: string, data: unknown): Promise<unknown> =>
  host.invoke(at, 'publish', { subject, data } as never)

describeEngines('guests that patch what the kernel stands on', (engine) => {
  const limits = { cpuMs: 5_000, replicas: 1 }
  const tenant = `p-${engine}`
  beforeAll(async () => {
    await host.deploy(`${tenant}/to`, GUEST, {
      engine,
      limits,
      capabilities: events({ subscribe: [{ subject: 'x', handler: 'onEvent' }] }),
    })
  })

  /** Runs `attack` in a publisher, and tells what it says, and what a handler of another service then got of an honest publish. */
  const heardAfter = async (attack: string, data = '{ a: [1] }', wallMs = 30_000): Promise<unknown[]> => {
    const source = `
      import { WorkerEntrypoint } from '@vela/guest-sdk'
      export default class extends WorkerEntrypoint {
        async go() {
          const { env } = this; ${attack}
          try { return typeof (await env.E.publish('x', ${data})).id } catch (error) { return error.code ?? error.message }
        }
      }`
    await host.invoke(`${tenant}/to`, 'forget')
    await host.deploy(`${tenant}/from`, source, {
      engine,
      limits: { ...limits, wallMs },
      capabilities: events({ publish: ['x'] }),
    })
    const said = await host.invoke(`${tenant}/from`, 'go').catch((error: { code: string }) => error.code)
    // Behind it another one, so that nothing is still on its way.
    await host.runtime.events.publish(tenant, 'x', 'end')
    let got: Seen[] = []
    await until(async () => {
      got = (await host.invoke(`${tenant}/to`, 'got')) as unknown as Seen[]
      return got.some(({ data: end }) => end === 'end')
    })
    return [said, ...got.filter(({ data: end }) => end !== 'end').map((event) => [event.source, event.data])]
  }
  const honest = ['string', [`${tenant}/from`, { a: [1] }]]

  test('publish as ever, by intrinsics that were captured before', async () => {
    const harmless = [
      `Promise.prototype.then = () => { throw new Error('then') }; delete Promise.prototype.catch`,
      `JSON.stringify = () => '[["x"],[0]]'; JSON.parse = () => ({})`,
      `String.prototype.slice = () => 'evil'; String.prototype.indexOf = () => 0`,
      `Map.prototype.get = () => 'evil'; Map.prototype.set = () => undefined`,
      `Number.prototype.toString = () => 'evil'`,
      `Reflect.apply = () => undefined; Reflect.ownKeys = () => ['evil']`,
      `Object.defineProperty = () => undefined; Object.freeze = (x) => x; Object.keys = () => []`,
      `Array.prototype.push = () => 0; Array.prototype[Symbol.iterator] = function* () { yield 'evil' }`,
      `Object.getPrototypeOf(env.E).publish = () => 'evil'; try { env.E.publish = () => 'evil' } catch {}`,
    ]
    for (const attack of harmless) {
      const heard = await heardAfter(attack)
      // What it did to its own binding is its own affair; the tenant's others get the honest event or none.
      if (attack.includes('getPrototypeOf(env.E)')) continue
      expect([attack, heard]).toEqual([attack, honest])
    }
  })

  test('cannot make another event of it: what is no call as agreed is refused, and nothing is heard', async () => {
    const confusing = [
      `Object.defineProperty(Array.prototype, '0', { set() {}, get: () => 'evil', configurable: true })`,
      `Object.defineProperty(Object.prototype, 'subject', { value: 'other', writable: false })`,
      `Object.prototype.key = 'evil'; Object.prototype.id = 'evil'; Object.prototype.headers = { evil: 'evil' }`,
    ]
    for (const attack of confusing) {
      // Whom it costs its own answers waits for them in vain.
      const [, ...heard] = await heardAfter(attack, undefined, 1_000)
      for (const event of heard) expect([attack, event]).toEqual([attack, honest[1]])
    }
  })

  // QuickJS takes for ever to find out that this has no end, in JSON.stringify itself.
  if (engine === 'v8') {
    test('hear at once of a publish that cannot even be said', async () => {
      const heard = await heardAfter(`Array.prototype.toJSON = () => [['other.subject'], [0]]`)
      expect(heard).toEqual(['Maximum call stack size exceeded'])
    })
  }

  test('data with the names of prototypes arrive as data, and pollute nobody', async () => {
    const heard = await heardAfter(
      '',
      `JSON.parse('{"__proto__":{"evil":1},"constructor":{"prototype":{"evil":2}}}')`,
    )
    expect(heard[0]).toBe('string')
    expect(JSON.stringify((heard[1] as unknown[])[1])).toBe(
      '{"__proto__":{"evil":1},"constructor":{"prototype":{"evil":2}}}',
    )
    expect(({} as { evil?: unknown }).evil).toBeUndefined()
    const cloned = await heardAfter('', `new Proxy({ a: [1] }, {})`)
    expect(cloned).toEqual(honest)
    expect(await heardAfter('', `({ then(resolve) { resolve('evil') } })`)).toEqual([
      'VELA_VALUE_NOT_CLONEABLE',
    ])
    // A getter that publishes has been asked before its own event is gathered; how often is the codec's affair.
    const [said, ...events] = await heardAfter(
      '',
      `({ get a() { void env.E.publish('x', 'inner'); return [1] } })`,
    )
    expect([said, events.at(-1)]).toEqual(honest)
    expect(new Set(events.slice(0, -1).map((event) => (event as unknown[])[1]))).toEqual(new Set(['inner']))
  })
})

describe('handlers that do not answer as handlers do', () => {
  const tenant = 'odd'
  const deploy = (at: string, handler: string, subscribe: object = {}, more: object = {}): Promise<unknown> =>
    host.deploy(at, `${GUEST}\n${handler}`, {
      limits: { cpuMs: 5_000, replicas: 1 },
      capabilities: events({
        kind: 'durable',
        publish: ['>'],
        subscribe: [{ subject: at.split('/')[1], handler: 'onOdd', backoffMs: 1, retries: 1, ...subscribe }],
      }),
      ...more,
    })
  const dead = async (at: string): Promise<number> => {
    const { consumers } = await host.runtime.eventsControl.status(tenant)
    return consumers.find(({ consumer }) => consumer.startsWith(`${at}/`))?.dead ?? -1
  }

  test('a thenable settles once, with its first word', async () => {
    const at = `${tenant}/thenable`
    await deploy(
      at,
      `export function onOdd({ data }) { got.push(data); return { then(yes, no) { no(new Error('first')); yes(); no(new Error('last')) } } }`,
    )
    await host.runtime.events.publish(tenant, 'thenable', 1, { kind: 'durable' })
    expect(await gotBy(host, at, 2)).toEqual([1, 1])
    await until(async () => (await dead(at)) === 1)
  })

  test('a then that throws, and one that calls nobody, are failures of their own event', async () => {
    const at = `${tenant}/hostile`
    await deploy(
      at,
      `export function onOdd({ data }) { got.push(data)
        if (data === 'getter') return { get then() { throw new RangeError('getter') } }
        if (data === 'species') return Object.defineProperty(Promise.resolve(), 'constructor', { get() { throw new RangeError('species') } })
        if (data === 'undefined') throw undefined
        if (data === 'proxy') throw new Proxy({}, { get() { throw 1 }, getPrototypeOf() { throw 2 } }) }`,
      { retries: 0, concurrency: 1 },
    )
    for (const data of ['getter', 'species', 'undefined', 'proxy', 'fine'])
      await host.runtime.events.publish(tenant, 'hostile', data, { kind: 'durable' })
    expect(await gotBy(host, at, 5)).toEqual(['getter', 'species', 'undefined', 'proxy', 'fine'])
    await until(async () => (await dead(at)) === 4)
  })

  test('what never settles ends with the wall limit, and the events after it are handled', async () => {
    const at = `${tenant}/never`
    await deploy(
      at,
      `export async function onOdd({ data }) { got.push(data); if (data === 'never') await new Promise(() => undefined) }`,
      { retries: 0, concurrency: 1 },
      { limits: { cpuMs: 5_000, wallMs: 200, replicas: 1 } },
    )
    await host.runtime.events.publish(tenant, 'never', 'never', { kind: 'durable' })
    await host.runtime.events.publish(tenant, 'never', 'after', { kind: 'durable' })
    await until(async () => ((await host.invoke(at, 'got')) as unknown as string[]).includes('after'))
    await until(async () => (await dead(at)) === 1)
  })
})

describe('what a grant does not allow', () => {
  test('is neither published nor heard, by a policy, or from the moment an operator takes it back', async () => {
    const refused = 'narrow/refused'
    await host.deploy(refused, GUEST, { capabilities: events({ publish: ['mine.a', 'yours.a'] }) })
    expect(await publish(refused, 'mine.a', 1)).toMatchObject({ code: 'VELA_CAPABILITY_DENIED' })

    const at = 'narrow/revoked'
    await host.deploy(at, GUEST, {
      capabilities: events({ publish: ['mine.>'], subscribe: [{ subject: 'mine.b', handler: 'onEvent' }] }),
    })
    expect(await publish(at, 'mine.b', 1)).toHaveProperty('value')
    await gotBy(host, at, 1)
    await host.decide(at, 'E', 'revoked')
    expect(await publish(at, 'mine.b', 2)).toMatchObject({ code: 'VELA_CAPABILITY_REVOKED' })
    await host.runtime.events.publish('narrow', 'mine.b', 3)
    await host.decide(at, 'E', 'policy')
    expect(await publish(at, 'mine.b', 4)).toHaveProperty('value')
    const got = (await gotBy(host, at, 2)) as Seen[]
    expect(got.map(({ data }) => data)).toEqual([1, 4])
  })

  test('another tenant’s events are beyond every subject and every pattern', async () => {
    const subscribe = { publish: ['>'], subscribe: [{ subject: '>', handler: 'onEvent' }] }
    await host.deploy('mine/all', GUEST, { capabilities: events(subscribe) })
    await host.deploy('yours/all', GUEST, { capabilities: events(subscribe) })
    await publish('yours/all', 'mine.all', 'yours')
    await publish('yours/all', 'e.mine.x', 'yours')
    await publish('mine/all', 'x', 'mine')
    expect(((await gotBy(host, 'yours/all', 2)) as Seen[]).map(({ data }) => data)).toEqual([
      'yours',
      'yours',
    ])
    expect(((await gotBy(host, 'mine/all', 1)) as Seen[]).map(({ data }) => data)).toEqual(['mine'])
  })

  test('a tenant that publishes faster than it may is refused, and nobody else', async () => {
    await host.deploy('slow/storm', GUEST, { capabilities: events({ publish: ['>'] }) })
    await host.deploy('other/storm', GUEST, { capabilities: events({ publish: ['>'] }) })
    const storm = (at: string): Promise<unknown> =>
      host.invoke(at, 'many', { subject: 'x', count: 150 }).catch((error: Error) => error.message)
    expect(await storm('slow/storm')).toBe(150)
    expect(await storm('slow/storm')).toMatch(/more than 100 events a second/)
    expect([await storm('other/storm'), await storm('other/storm')]).toEqual([150, 150])
  })
})

describe('a storm of events', () => {
  const engine: EngineName = 'v8'
  beforeEach(async () => {
    await host.deploy('calm/shop', GUEST, {
      engine,
      capabilities: events({ publish: ['x'], subscribe: [{ subject: 'x', handler: 'onEvent' }] }),
    })
    await host.invoke('calm/shop', 'forget')
  })

  test('loses its own tenant’s events at the most: another’s arrive all the while', async () => {
    const source = `
      import { WorkerEntrypoint } from '@vela/guest-sdk'
      export default class extends WorkerEntrypoint {
        async storm(ms) {
          const end = Date.now() + ms
          let count = 0
          while (Date.now() < end) {
            await Promise.allSettled(Array.from({ length: 2000 }, () => this.env.E.publish('storm', 'x'.repeat(200))))
            count += 2000
          }
          return count
        }
      }
      export async function onStorm() { await new Promise(() => undefined) }`
    await host.deploy('storm/shop', source, {
      engine,
      limits: { cpuMs: 5_000, wallMs: 20_000 },
      capabilities: events({ publish: ['storm'], subscribe: [{ subject: 'storm', handler: 'onStorm' }] }),
    })
    let isOver = false
    const storm = host.invoke('storm/shop', 'storm', 1_000).finally(() => (isOver = true))
    const published: number[] = []
    while (!isOver) {
      const startedMs = performance.now()
      expect(await publish('calm/shop', 'x', published.length)).toHaveProperty('value')
      published.push(performance.now() - startedMs)
    }
    expect(await storm).toBeGreaterThan(2_000)
    const got = (await gotBy(host, 'calm/shop', published.length)) as Seen[]
    expect(got.map(({ data }) => data)).toEqual(published.map((_, index) => index))
    expect(host.runtime.events.status().heldCharacters).toBeLessThan(17 * 1024 * 1024)
  })
})
