/** What an engine is to a tenant, on both: how services start and fail, and which limits end them. Real cells throughout. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { LogEntry } from '../../host/core/control.ts'
import { VelaError } from '../../host/core/errors.ts'
import { handler, problemCode, startRuntime, until, type TestRuntime } from '../e2e/support.ts'
import { describeEngines, type EngineName } from '../engines.ts'

let host: TestRuntime
beforeAll(async () => {
  host = await startRuntime()
})
afterAll(async () => host[Symbol.asyncDispose]())

/** Deploys under the engine's own tenant, so that a killed cell is nobody else's. */
const deployer =
  (engine: EngineName) =>
  (name: string, source: string, limits: Record<string, number> = {}): Promise<unknown> =>
    host.deploy(name, source, { tenant: engine, manifest: { engine, limits } })

async function refusal(work: Promise<unknown>): Promise<VelaError> {
  try {
    await work
  } catch (thrown) {
    if (thrown instanceof VelaError) return thrown
  }
  throw new Error('It was not refused')
}

describeEngines('starting', (engine) => {
  const deploy = deployer(engine)

  test('a service is called as its manifest’s engine loads it', async () => {
    await deploy(
      'hello',
      `export const at = () => typeof Intl; ${handler('return new Response(request.url)')}`,
    )
    expect(await (await host.get(`/${engine}/hello/x?y=1`)).text()).toMatch(/\/x\?y=1$/)
    expect(await host.runtime.invoke(`${engine}/hello`, 'at')).toBe(engine === 'v8' ? 'object' : 'undefined')
    const status = (await host.runtime.services(engine)).find(({ service }) => service === 'hello')
    expect(status?.engine).toBe(engine)
  })

  test('top-level await is waited for, timers too', async () => {
    await deploy(
      'awaits',
      `await 1; const late = await new Promise((done) => setTimeout(() => done('late'), 20)); ${handler('return new Response(late)')}`,
    )
    expect(await (await host.get(`/${engine}/awaits`)).text()).toBe('late')
  })

  test('the provided modules are there under both names', async () => {
    await deploy(
      'sdk',
      `import { WorkerEntrypoint, env } from 'cloudflare:workers'; import * as sdk from '@vela/guest-sdk'
       export class Api extends WorkerEntrypoint { same() { return sdk.WorkerEntrypoint === WorkerEntrypoint && this.env !== undefined && env !== undefined } }
       ${handler('return new Response()')}`,
    )
    expect(await host.runtime.invoke(`${engine}/sdk`, 'Api.same')).toBe(true)
  })

  test('what is wrong with a service is said by the same code, with the place', async () => {
    const cases: [string, string, string, RegExp][] = [
      ['syntax', 'export default {\n  fetch( { }', 'VELA_DEPLOY_SYNTAX_ERROR', /./],
      ['grammar', 'export default {}\nlet let = 1', 'VELA_DEPLOY_SYNTAX_ERROR', /service\.js:2:\d+/],
      [
        'name',
        `import { nope } from '@vela/guest-sdk'; export default {}`,
        'VELA_DEPLOY_UNKNOWN_IMPORT',
        /nope/,
      ],
      [
        'throws',
        `const f = () => {\n  null.x }\nf(); export default {}`,
        'VELA_DEPLOY_START_THREW',
        /service\.js:2:\d+: TypeError/,
      ],
      [
        'rejects',
        `await Promise.reject(new RangeError('no')); export default {}`,
        'VELA_DEPLOY_START_THREW',
        /RangeError: no/,
      ],
      [
        'floats',
        `Promise.reject(new RangeError('no')); ${handler('')}`,
        'VELA_DEPLOY_START_THREW',
        /RangeError: no/,
      ],
      ['nothing', 'throw null; export default {}', 'VELA_DEPLOY_START_THREW', /no Error/],
      ['empty', 'export const a = 1', 'VELA_DEPLOY_MISSING_EXPORT', /./],
      ['loops', 'for (;;); export default {}', 'VELA_DEPLOY_START_TIMEOUT', /startupMs/],
    ]
    for (const [name, source, code, message] of cases) {
      const error = await refusal(deploy(name, source, { startupMs: 150 }))
      expect([name, error.code]).toEqual([name, code])
      expect([name, error.message]).toEqual([name, expect.stringMatching(message)])
    }
  })
})

describeEngines('serving', (engine) => {
  const deploy = deployer(engine)

  test('bodies stream both ways, byte for byte', async () => {
    await deploy('echo', handler('return new Response(request.body)'))
    const sent = Uint8Array.from({ length: 400_000 }, (_, at) => at * 7 + (at >> 8))
    const response = await host.get(`/${engine}/echo`, { method: 'POST', body: sent })
    expect(Buffer.from(await response.arrayBuffer()).equals(Buffer.from(sent))).toBe(true)
  })

  test('timers fire in order, microtasks between them', async () => {
    await deploy(
      'timers',
      handler(`const seen = []
        setTimeout(() => { seen.push('b'); Promise.resolve().then(() => seen.push('then')); queueMicrotask(() => seen.push('micro')) }, 2)
        setTimeout(() => seen.push('a'), 1); setTimeout(() => seen.push('c'), 2)
        await new Promise((done) => setTimeout(done, 10))
        return Response.json(seen)`),
    )
    expect(await (await host.get(`/${engine}/timers`)).json()).toEqual(['a', 'b', 'then', 'micro', 'c'])
  })

  test('random numbers differ from call to call', async () => {
    await deploy('random', handler('return Response.json([crypto.randomUUID(), Math.random()])'))
    const answers = await Promise.all([1, 2, 3].map(async () => (await host.get(`/${engine}/random`)).text()))
    expect(new Set(answers).size).toBe(3)
  })

  test('what nobody caught is logged with its place, and the service serves on', async () => {
    await deploy(
      'leaves',
      handler(`setTimeout(async () => { throw new TypeError('later') }, 1)
      void Promise.reject(new RangeError('now')); await new Promise((done) => setTimeout(done, 15)); return new Response('ok')`),
    )
    const lines: LogEntry[] = []
    const stop = host.runtime.tail(engine, 'leaves', (entry) => lines.push(entry))
    expect(await (await host.get(`/${engine}/leaves`)).text()).toBe('ok')
    await until('both are logged', () => lines.length >= 2)
    stop()
    expect(lines.map(({ message }) => message).toSorted()).toEqual([
      'Uncaught RangeError: now',
      'Uncaught TypeError: later',
    ])
    for (const { stack } of lines) expect(stack).toMatch(/^\w+Error: \w+\n\s+at .*service\.js:\d+:\d+/)
  })

  test('a rested service comes back as new', async () => {
    await deploy('rests', `let calls = 0; ${handler('return new Response(String(++calls))')}`)
    const get = async (): Promise<string> => (await host.get(`/${engine}/rests`)).text()
    expect([await get(), await get()]).toEqual(['1', '2'])
    await deploy('rests', `let calls = 0; ${handler('return new Response(String(++calls))')}`)
    expect(await get()).toBe('1')
  })
})

describeEngines('limits', (engine) => {
  const deploy = deployer(engine)
  const codeAt = async (name: string): Promise<unknown> => problemCode(await host.get(`/${engine}/${name}`))

  test('a loop ends the turn, and the next one is served', async () => {
    await deploy('loop', handler(`if (request.url.endsWith('/loop')) for (;;); return new Response('ok')`), {
      cpuMs: 60,
    })
    expect(await problemCode(await host.get(`/${engine}/loop/loop`))).toBe('VELA_TURN_EXCEEDED_CPU')
    expect(await (await host.get(`/${engine}/loop/`)).text()).toBe('ok')
  })

  test('so do endless microtasks, getters and comparators', async () => {
    for (const [name, body] of [
      ['microtasks', 'const again = () => Promise.resolve().then(again); await again()'],
      [
        'getter',
        'const o = { get a() { return this.b }, get b() { for (let n = 0; ; n++) if (n < 0) return n } }; return new Response(o.a)',
      ],
      ['comparator', 'for (;;) [3, 1, 2].sort((a, b) => a - b)'],
    ] as const) {
      await deploy(name, handler(body), { cpuMs: 60 })
      expect([name, await codeAt(name)]).toEqual([name, 'VELA_TURN_EXCEEDED_CPU'])
    }
  })

  test('a native operation that never asks is ended by the host', async () => {
    for (const [name, body] of [
      ['bigint', 'let n = 3n; for (;;) n = n ** 9n'],
      ['regexp', `return new Response(/^(a|a)*$/.test('a'.repeat(60) + 'b'))`],
      ['text', `let s = 'x'.repeat(1 << 20); for (;;) s.replaceAll('x', 'y').indexOf('z')`],
    ] as const) {
      await deploy(name, handler(body), { cpuMs: 60 })
      const code = await codeAt(name)
      // Some make more than they may hold before they have taken too long.
      expect([
        name,
        ['VELA_TURN_EXCEEDED_CPU', 'VELA_TURN_EXCEEDED_MEMORY', 'VELA_GUEST_THREW'].includes(String(code)),
      ]).toEqual([name, true])
    }
  })

  test('a memory bomb ends its isolate alone', async () => {
    await deploy('calm', handler(`return new Response('calm')`))
    await deploy('bomb', handler('const kept = []; for (;;) kept.push(new Array(1000).fill(kept.length))'), {
      cpuMs: 5_000,
      memoryMb: 16,
    })
    expect(['VELA_TURN_EXCEEDED_MEMORY', 'VELA_CELL_LOST']).toContain(await codeAt('bomb'))
    expect(await (await host.get(`/${engine}/calm`)).text()).toBe('calm')
  })

  test('recursion without end is an error that the service can catch', async () => {
    await deploy(
      'deep',
      handler(`let depth = 0; const down = () => { depth++; down() }
        try { down() } catch (error) { return Response.json([depth, error.message]) }`),
      { cpuMs: 2_000 },
    )
    const [depth, message] = (await (await host.get(`/${engine}/deep`)).json()) as [number, string]
    expect(message).toMatch(/stack/i)
    expect(depth).toBeGreaterThan(2_000)
  })

  test('code and data nested without end hurt nobody else', async () => {
    await deploy('calm', handler(`return new Response('calm')`))
    for (const [name, body] of [
      ['parser', `return new Response(String(eval('('.repeat(50_000) + '1' + ')'.repeat(50_000))))`],
      ['json', `return Response.json(JSON.parse('['.repeat(100_000) + ']'.repeat(100_000)))`],
      [
        'proxies',
        'let p = {}; for (let n = 0; n < 100_000; n++) p = new Proxy(p, {}); return new Response(p.x)',
      ],
    ] as const) {
      await deploy(name, handler(body), { cpuMs: 2_000 })
      await codeAt(name).catch(() => undefined)
    }
    expect(await (await host.get(`/${engine}/calm`)).text()).toBe('calm')
  })

  test('a promise that never settles is given up at the wall limit', async () => {
    await deploy('never', handler('await new Promise(() => {})'), { wallMs: 300 })
    expect(await codeAt('never')).toBe('VELA_TURN_EXCEEDED_WALL')
  })
})
