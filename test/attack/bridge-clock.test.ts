/** Time, randomness and garbage collection tell a guest nothing that its frames did not. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeEngines } from '../engines.ts'
import { on } from './engine-differences.ts'
import { startTarget, type Target } from './harness.ts'

/** Each reads a clock, if there is one to be read. */
const CLOCKS = `
  now: () => Date.now(), date: () => +new Date(), text: () => Date.parse(Date()), construct: () => +Reflect.construct(Date, [], Object).getTime?.call(new Date()),
  subclass: () => +new (class extends Date {})(), constructor: () => Date.prototype.constructor.now(), clone: () => structuredClone(new Date()).constructor.now(),
  performance: () => performance.now(), origin: () => performance.timeOrigin, event: () => new Event('x').timeStamp, file: () => new File([], 'x').lastModified,
  locale: () => new Date().toLocaleTimeString('en', { fractionalSecondDigits: 3 }),
`
const INTL_CLOCKS = `
  format: () => new Intl.DateTimeFormat('en', { fractionalSecondDigits: 3, second: 'numeric' }).format(),
  parts: () => JSON.stringify(new Intl.DateTimeFormat('en', { fractionalSecondDigits: 3, second: 'numeric' }).formatToParts()),
  undefinedFormat: () => new Intl.DateTimeFormat('en', { fractionalSecondDigits: 3 }).format(undefined),
  range: () => { try { return new Intl.DateTimeFormat('en').formatRange(undefined, undefined) } catch (e) { return e.name } },
`

describeEngines('what a guest can measure', (engine) => {
  let target: Target
  beforeAll(async () => {
    target = await startTarget(engine)
  })
  afterAll(() => target.close())

  test('no clock moves while a guest computes', async () => {
    const body = `const clocks = { ${CLOCKS} ${on(engine, 'intl') ? INTL_CLOCKS : ''} }
    const read = () => Object.keys(clocks).map((name) => name + ' ' + clocks[name]())
    const before = read(); let x = 0; for (let i = 0; i < ${on(engine, 'loops')} / 6; i++) x = (x + i) | 0; await null
    const after = read()
    return Response.json(before.filter((line, at) => line !== after[at]))`
    await target.handler('clock/svc', body, { limits: { cpuMs: 10_000 } })
    expect((await target.get('/clock/svc/')).text).toBe('[]')
  })

  test('between turns the clock is right to the millisecond and no finer', async () => {
    await target.handler('clock/right', `return Response.json([Date.now(), performance.now()])`)
    const before = Date.now()
    const [now = 0, since = 0.5] = JSON.parse((await target.get('/clock/right/')).text) as number[]
    expect(now).toBeGreaterThanOrEqual(before - 2)
    expect(now).toBeLessThanOrEqual(Date.now() + 2)
    expect(Number.isInteger(now) && Number.isInteger(since)).toBe(true)
  })

  test('garbage collection cannot be observed', async () => {
    const body = `globalThis.calls ??= 0
    if (request.url.endsWith('/count')) return Response.json([globalThis.calls, globalThis.weak.every((ref) => ref.deref() !== undefined)])
    const registry = new FinalizationRegistry(() => { globalThis.calls++ })
    globalThis.weak ??= Array.from({ length: 100 }, () => { const value = {}; registry.register(value, 1); return new WeakRef(value) })
    for (let i = 0; i < ${engine === 'v8' ? 600 : 60}; i++) new Array(${engine === 'v8' ? 100000 : 10000}).fill({})
    return new Response('made')`
    await target.handler('gc/svc', body, { limits: { cpuMs: 10_000 } })
    await target.get('/gc/svc/')
    for (let round = 0; round < 5; round++) await target.get('/gc/svc/more')
    expect((await target.get('/gc/svc/count')).text).toBe('[0,true]')
  })

  test('two services draw different random numbers, and a reloaded one draws new ones', async () => {
    const body = `return Response.json([Math.random(), crypto.randomUUID(), [...crypto.getRandomValues(new Uint8Array(8))].join()])`
    const draws = new Set<string>()
    for (const at of ['rnd/a', 'rnd/b', 'rnd2/a']) {
      await target.handler(at, body)
      for (let round = 0; round < 2; round++) {
        for (const value of JSON.parse((await target.get(`/${at}/`)).text) as unknown[])
          draws.add(String(value))
      }
    }
    expect(draws.size).toBe(18)
  })
})
