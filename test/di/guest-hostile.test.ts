/** Services that break their own realm, and then use their container: what comes of it is theirs, and nobody else's. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { PATCHES } from '../attack/patches.ts'
import { describeEngines } from '../engines.ts'
import { refusal, startDiHost, type DiHost } from './guest-support.ts'

let host: DiHost
beforeAll(async () => {
  host = await startDiHost()
  await host.deploy('innocent/own', 'export const alive = () => true')
})
afterAll(() => host.close())

const source = (patch: string): string => `
  const A = token('a'), B = token('b')
  const make = () => container([
    provide(A, { useClass: class { constructor(notes) { this.notes = notes } }, inject: [binding('NOTES')], scope: 'request', dispose: (a) => a.notes.note('ended') }),
    provide(B, { useFactory: async (a) => ({ a }), inject: [A], scope: 'request' }),
  ])
  const app = make()
  export const use = app.inject([B, CONTEXT], (b, ctx) => typeof b.a.notes + typeof ctx)
  export const again = () => make().inject([B], () => 'made')()
  export const patch = () => { ${patch} }
  export default { async fetch(request, env, ctx) { await app.scope(ctx).resolveAsync(B); return new Response('ok') } }`

describeEngines('a container in a realm that is patched', (engine) => {
  for (const [name, patch] of Object.entries(PATCHES)) {
    test(`answers every call, and its cell keeps to the protocol: ${name}`, async () => {
      const at = `${engine}/patched`
      await host.wire(engine, 'patched', source(patch), { services: { NOTES: { host: 'notes' } } })
      const log = host.logOf(at)
      const said = (method: string): Promise<string> =>
        host.ask(engine, 'patched', method).then(
          () => 'value',
          (error: { code?: string }) => String(error.code),
        )
      expect(await host.ask(engine, 'patched', 'use')).toBe('objectobject')
      const outcomes = [await said('patch'), await said('use'), await said('again')]
      for (const outcome of outcomes) expect(outcome).toMatch(/^(?:value|VELA_GUEST_\w+|VELA_TURN_\w+)$/)
      expect((await host.get(engine, 'patched')).status).toBeGreaterThanOrEqual(200)
      expect(log.filter(({ message }) => message.includes('ended (protocol)'))).toEqual([])
      expect(await host.invoke('innocent/own', 'alive')).toBe(true)
    })
  }

  test('gives a life to whoever patches for it, and a life can do no more than ctx', async () => {
    await host.wire(
      engine,
      'stolen',
      `const A = token('a'), stolen = new Set()
       const app = container([provide(A, { useFactory: () => ({}), scope: 'request', dispose: () => undefined })])
       const { set } = WeakMap.prototype
       WeakMap.prototype.set = function (key, value) { stolen.add(key); return set.call(this, key, value) }
       export const use = app.inject([A], () => stolen.size)
       export const misuse = app.inject([A], () => {
         const said = []
         for (const life of stolen) {
           said.push([life.kind, life.isOver, typeof life.binding('GREETING'), life.binding('nothing') === undefined, Object.isFrozen(life)])
           for (const work of [() => 1, () => { throw new Error('no') }, undefined, () => Promise.reject(new Error('no'))]) life.atEnd(work)
           try { life.within(3) } catch {}
         }
         return said
       })`,
    )
    expect(await host.ask(engine, 'stolen', 'use')).toBe(1)
    const said = [true, false].map((isOver) => ['request', isOver, 'string', true, true])
    expect(await host.ask(engine, 'stolen', 'misuse')).toEqual(said)
    expect(await host.ask(engine, 'stolen', 'use')).toBe(3)
    expect(host.logOf(`${engine}/stolen`).filter(({ message }) => message.includes('protocol'))).toEqual([])
  })

  test('cannot make its cell break the protocol by what it asks of a life or a binding', async () => {
    await host.wire(
      engine,
      'times',
      `const A = token('a'), NOTES = binding('NOTES'), SHORT = binding('NOTES', { deadlineMs: 0.3 }), stolen = []
       let turns = 0
       const app = container([provide(A, { useFactory: () => ({}), scope: 'request' })])
       const { set } = WeakMap.prototype
       WeakMap.prototype.set = function (key, value) { stolen.push(key); return set.call(this, key, value) }
       const outcome = (work) => Promise.resolve().then(work).then(() => 'value', (error) => error.code)
       export const short = app.inject([SHORT], async (notes) => [await outcome(() => notes.note('short')), ++turns])
       export const use = app.inject([A], async () => {
         const times = [Infinity, -Infinity, 1e300, -1e20, NaN, 0.5, '7', null, {}, [], 5n]
         const life = stolen.at(-1)
         return [...(await Promise.all(times.map((ms) => outcome(() => life.binding('NOTES', ms).note('timed'))))), ++turns]
       })
       export const refused = () => [Infinity, NaN, 0, -1, 86_400_001, '1', null].map((deadlineMs) => { try { binding('NOTES', { deadlineMs }); return 'fine' } catch (error) { return error.name } })
       export const patched = () => { Math.ceil = Math.trunc = () => 1.5; return new Promise((done) => setTimeout(done, 5, ++turns)) }`,
      { services: { NOTES: { host: 'notes' } } },
    )
    const settled = /^(?:value|VELA_TASK_TIMEOUT)$/
    expect(await host.ask(engine, 'times', 'short')).toEqual([expect.stringMatching(settled), 1])
    const outcomes = (await host.ask(engine, 'times', 'use')) as unknown[]
    expect(outcomes).toEqual([...Array<unknown>(11).fill(expect.stringMatching(settled)), 2])
    expect(await host.ask(engine, 'times', 'refused')).toEqual(Array(7).fill('RangeError'))
    // All of it in one isolate: it was never ended for it.
    expect(await host.ask(engine, 'times', 'patched')).toBe(3)
    expect(await host.ask(engine, 'times', 'short')).toEqual([expect.stringMatching(settled), 4])
  })

  test('cannot make its description anything but a description', async () => {
    const cases = {
      bound: `const MAIL = binding('MAIL'); try { MAIL.bound.name = undefined } catch {}`,
      patched: `const MAIL = binding('MAIL'), { flatMap } = Array.prototype
        Array.prototype.flatMap = function (work) { return flatMap.call(this, work).map((one) => one?.path ? { path: 'p', token: { bound: { name: {} } } } : one) }`,
      long: `const MAIL = binding('MAIL'), { flatMap } = Array.prototype
        Array.prototype.flatMap = function (work) { return flatMap.call(this, work).map((one) => one?.path ? { path: 'p'.repeat(1e6), token: { name: 'x', bound: { name: 'n'.repeat(1e6) } } } : one) }`,
    }
    for (const [name, source] of Object.entries(cases)) {
      const outcome = await host
        .wire(
          engine,
          `told-${name}`,
          `${source}\ncontainer([provide(token('a'), { useExisting: MAIL })]); export const at = () => 1`,
        )
        .then(
          () => 'deployed',
          (error: { code?: string }) => String(error.code),
        )
      expect([name, outcome]).toEqual([
        name,
        expect.stringMatching(/^(?:deployed|VELA_DEPLOY_MISSING_DEPENDENCY|VELA_DEPLOY_START_THREW)$/),
      ])
    }
  })

  test('takes names that every object has for names, and reads what it is given once', async () => {
    await host.wire(
      engine,
      'names',
      `const P = token('__proto__'), C = token('constructor'), K = token('toString')
       let reads = 0
       const app = container([
         provide(P, { useFactory: () => 'proto' }),
         provide(C, { useFactory: (p) => ({ p }), inject: [P], properties: { __proto__: null, ['__proto__x']: P } }),
         provide(K, Object.defineProperty({ inject: [P] }, 'useFactory', { enumerable: true, get: () => { reads++; return (p) => p + reads } })),
       ])
       const code = (work) => { try { return work() } catch (error) { return error.code ?? error.name } }
       export const look = app.inject([P, C, K, optional(binding('__proto__')), optional(binding('constructor')), optional(binding('hasOwnProperty'))], (p, c, k, ...rest) =>
         [p, c.p, c.__proto__x, k, reads, rest.length, rest.every((one) => one === undefined), code(() => app.resolve(binding('toString'))), app.has(binding('valueOf')), code(() => app.resolve({})), code(() => app.resolve({ key: P.key, name: 'x', how: 'value' })), code(() => token('')), code(() => binding('A', { deadlineMs: -1 })), code(() => app.inject('no', 1))])`,
    )
    const given = ['proto', 'proto', 'proto', 'proto1', 1, 3, true]
    const refused = [
      'VELA_DI_UNKNOWN_TOKEN',
      false,
      'TypeError',
      'TypeError',
      'TypeError',
      'RangeError',
      'TypeError',
    ]
    expect(await host.ask(engine, 'names', 'look')).toEqual([...given, ...refused])
  })

  test('tells the host of so many needs and no more; what is beyond them is said in the service', async () => {
    const source = `for (let index = 0; index < 300; index++) container([provide(token('a'), { useExisting: binding('M' + index) })])
      export const at = () => 1`
    const error = await refusal(host.wire(engine, 'many', source))
    expect([error.code, error.message]).toEqual([
      'VELA_DEPLOY_START_THREW',
      expect.stringMatching(/env has no M256: bind it in the manifest/),
    ])
  })

  test('may throw what cannot be read, and who asks gets an error that can', async () => {
    await host.wire(
      engine,
      'thrown',
      `const A = token('a'), app = container([provide(A, { useFactory: () => { throw { get message() { throw 1 }, toString: null } } })])
       export const look = () => { try { app.resolve(A) } catch (error) { return [error.code, error.message] } }`,
    )
    expect(await host.ask(engine, 'thrown', 'look')).toEqual([
      'VELA_DI_FACTORY_FAILED',
      'a could not be made: what was thrown cannot be read',
    ])
  })
})
