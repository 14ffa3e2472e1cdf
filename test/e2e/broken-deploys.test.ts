/** Deploys that must not happen: each is refused with its code and the author's place, and changes nothing. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { DeployResult } from '../../host/index.ts'
import type { JsonValue } from '../../host/registry/types.ts'
import { handler, problemCode, startRuntime, tempDir, until, type TestRuntime } from './support.ts'

let host: TestRuntime
let good: DeployResult
beforeAll(async () => {
  host = await startRuntime({ limits: { default: { startupMs: 200 }, maximum: { wallMs: 20_000 } } })
  good = await host.deploy('svc', handler('return new Response("good")'))
  await host.deploy('other', handler('return new Response("other")'), {
    manifest: { routes: ['/mine/*', 'shop.example.com/*'] },
  })
})
afterAll(async () => host[Symbol.asyncDispose]())

async function stillServes(): Promise<void> {
  expect(await (await host.get('/t/svc/')).text()).toBe('good')
  const active = (await host.runtime.services('t')).find((one) => one.service === 'svc')
  expect(active?.activeVersion).toBe(good.version)
  expect(await host.runtime.versions('t', 'svc')).toHaveLength(1)
}

interface Refusal {
  readonly code: string
  readonly message: string
  readonly details: Readonly<Record<string, unknown>>
}

async function refusalOf(deploy: Promise<unknown>): Promise<Refusal> {
  const thrown: unknown = await deploy.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (thrown === undefined) throw new Error('the deploy was accepted')
  return thrown as Refusal
}

describe('a version that does not start is refused, and the one before keeps serving', () => {
  const sources: readonly [
    what: string,
    source: string,
    code: string,
    manifest?: Record<string, JsonValue>,
  ][] = [
    ['a syntax error', 'export default {\n  fetch( {', 'VELA_DEPLOY_SYNTAX_ERROR'],
    [
      'a throw at the top level',
      'const n = 1\nthrow new TypeError("at start")\nexport default {}',
      'VELA_DEPLOY_START_THREW',
    ],
    ['a loop at the top level', 'export default {}\nwhile (true) {}', 'VELA_DEPLOY_START_TIMEOUT'],
    [
      'a loop after an await',
      'await null\nwhile (true) {}\nexport default { fetch() {} }',
      'VELA_DEPLOY_START_TIMEOUT',
    ],
    [
      'a heap bomb',
      'const all = []\nfor (;;) all.push(new Array(10000).fill(1.5))\nexport default {}',
      'VELA_DEPLOY_START_MEMORY',
      { limits: { memoryMb: 16, startupMs: 5000 } },
    ],
    [
      'an array buffer bomb',
      'const all = []\nfor (;;) all.push(new Uint8Array(1e6))\nexport default {}',
      'VELA_DEPLOY_START_THREW',
      { limits: { memoryMb: 16, startupMs: 5000 } },
    ],
    [
      'a rejection at the top level',
      'await Promise.reject(new Error("no"))\nexport default { fetch() {} }',
      'VELA_DEPLOY_START_THREW',
    ],
    [
      'a start hook that throws',
      'export default { start() { throw new Error("not today") }, fetch() {} }',
      'VELA_DEPLOY_START_THREW',
    ],
    ['nothing exported', 'const x = 1', 'VELA_DEPLOY_MISSING_EXPORT'],
    ['nothing that can be called', 'export default { colour: "red" }', 'VELA_DEPLOY_MISSING_EXPORT'],
    [
      'an import of Node',
      'import fs from "node:fs"\nexport default { fetch() {} }',
      'VELA_DEPLOY_UNKNOWN_IMPORT',
    ],
    [
      'an import of a file',
      'import x from "./x.js"\nexport default { fetch() {} }',
      'VELA_DEPLOY_UNKNOWN_IMPORT',
    ],
    [
      'an export that the sdk lacks',
      'import { nothing } from "@vela/guest-sdk"\nexport default { fetch() {} }',
      'VELA_DEPLOY_UNKNOWN_IMPORT',
    ],
    [
      'too many bytes',
      `export default { fetch() {} }\n// ${'x'.repeat(5000)}`,
      'VELA_DEPLOY_TOO_LARGE',
      { limits: { bundleBytes: 4096 } },
    ],
    ['another’s route', handler(''), 'VELA_DEPLOY_ROUTE_CONFLICT', { routes: ['/mine/*'] }],
    [
      'another’s host and path',
      handler(''),
      'VELA_DEPLOY_ROUTE_CONFLICT',
      { routes: ['shop.example.com/*'] },
    ],
    [
      'a limit above the operator’s',
      handler(''),
      'VELA_DEPLOY_LIMIT_TOO_HIGH',
      { limits: { wallMs: 20_001 } },
    ],
    ['a power that is not here', handler(''), 'VELA_DEPLOY_UNSUPPORTED', { capabilities: { teleport: {} } }],
  ]
  test.each(sources)('%s', async (_what, source, code, manifest = {}) => {
    const refusal = await refusalOf(host.deploy('svc', source, { manifest }))
    expect(refusal).toMatchObject({ code })
    expect(refusal.message).not.toMatch(/isolated-vm|\/sandbox\/|kernel\.js/)
    await stillServes()
  })

  test('a top-level await on nothing, and a start hook that never ends', async () => {
    const manifest = { limits: { wallMs: 500 } }
    const [awaiting, hook] = await Promise.all([
      refusalOf(
        host.deploy('svc', 'await new Promise(() => {})\nexport default { fetch() {} }', { manifest }),
      ),
      refusalOf(
        host.deploy('hook', 'export default { start: () => new Promise(() => {}), fetch() {} }', {
          manifest,
        }),
      ),
    ])
    expect(awaiting.code).toBe('VELA_DEPLOY_START_TIMEOUT')
    expect(hook.code).toBe('VELA_DEPLOY_START_TIMEOUT')
    await stillServes()
  })

  test('after all of them one isolate is loaded at most for each service that serves', async () => {
    const loaded = async (): Promise<number> =>
      Number(/^vela_isolates_loaded (\d+)/m.exec(await host.runtime.metrics())?.[1])
    await until('the refused are gone', async () => (await loaded()) <= 2)
    expect(await host.runtime.metrics()).toMatch(/vela_deploys_total\{result="refused"\} (1[5-9]|2\d)/)
  })
})

test('a start may take more CPU time than a turn may, in its module and in its hook', async () => {
  const busy =
    'const busy = (ms) => { const end = performance.now() + ms; let n = 0; for (let i = 0; i < ms * 2e5; i++) n = (n * 31 + i) | 0; return n }'
  const source = `${busy}\nbusy(60)\nexport default { start() { busy(60) }, fetch: () => new Response('up') }`
  await host.deploy('busy', source, { manifest: { limits: { cpuMs: 5, startupMs: 5000 } } })
  expect(await (await host.get('/t/busy/')).text()).toBe('up')
})

test('a top-level await of a timer is waited for', async () => {
  await host.deploy(
    'slow',
    'await new Promise((r) => setTimeout(r, 50))\nexport default { fetch: () => new Response("late") }',
  )
  expect(await (await host.get('/t/slow/')).text()).toBe('late')
})

test('a tenant’s limits hold for what names none, and cap what does', async () => {
  await host.runtime.registry.createTenant('small', { wallMs: 300, requestBodyBytes: 1000 })
  const source = handler(
    'if (request.method === "GET") await new Promise(() => {}); return new Response(await request.text())',
  )
  await host.deploy('svc', source, { tenant: 'small' })
  const late = await host.get('/small/svc/')
  expect([late.status, await problemCode(late)]).toEqual([504, 'VELA_TURN_EXCEEDED_WALL'])
  const post = (size: number): Promise<Response> =>
    host.get('/small/svc/', { method: 'POST', body: 'x'.repeat(size) })
  expect((await post(1000)).status).toBe(200)
  expect((await post(1001)).status).toBe(413)
  const manifest = { limits: { wallMs: 301 } }
  await expect(host.deploy('svc', source, { tenant: 'small', manifest })).rejects.toMatchObject({
    code: 'VELA_DEPLOY_LIMIT_TOO_HIGH',
    message: expect.stringMatching(/wallMs.*301.*300/),
  })
})

describe('the place is the author’s', () => {
  const typescript: readonly [what: string, lines: readonly string[], code: string, place: string][] = [
    [
      'a syntax error',
      ['interface A { readonly b: string }', 'export default {', '  fetch(', '}'],
      'VELA_DEPLOY_BUNDLE_FAILED',
      'src/index.ts:4:1',
    ],
    [
      'a missing import',
      ['import { a } from "./missing.ts"', 'export default { fetch: () => new Response(a) }'],
      'VELA_DEPLOY_BUNDLE_FAILED',
      'src/index.ts:1:19',
    ],
    [
      'Node',
      [
        'import { readFileSync } from "node:fs"',
        'export default { fetch: () => new Response(readFileSync("/x")) }',
      ],
      'VELA_DEPLOY_BUNDLE_FAILED',
      'src/index.ts:1:30',
    ],
    [
      'a throw at start',
      [
        'interface A { readonly b: string }',
        'type B = A',
        '',
        'const check = (b: B): void => {',
        '  throw new RangeError(`bad ${b.b}`)',
        '}',
        'check({ b: "x" })',
        'export default { fetch: () => new Response() }',
      ],
      'VELA_DEPLOY_START_THREW',
      'src/index.ts:5:9',
    ],
    [
      'a throw in the start hook',
      [
        'interface A { readonly b: string }',
        'export default {',
        '  start(): void {',
        '    throw new Error("hook")',
        '  },',
        '  fetch: () => new Response(),',
        '}',
      ],
      'VELA_DEPLOY_START_THREW',
      'src/index.ts:4:11',
    ],
  ]
  test.each(typescript)('%s', async (_what, lines, code, place) => {
    using folder = tempDir()
    folder.write('vela.jsonc', '{ "name": "svc", "main": "src/index.ts" }')
    folder.write('src/index.ts', lines.join('\n'))
    const refusal = await refusalOf(host.runtime.deploy({ tenant: 't', path: folder.path }))
    expect(refusal.code).toBe(code)
    expect(refusal.message).toContain(place)
    await stillServes()
  })

  test('a broken manifest', async () => {
    using folder = tempDir()
    folder.write('vela.jsonc', '{\n  "name": "svc",\n  "limits": { "cpuMs": -1 }\n}')
    folder.write('index.ts', 'export default {}')
    const refusal = await refusalOf(host.runtime.deploy({ tenant: 't', path: folder.path }))
    expect(refusal.code).toBe('VELA_DEPLOY_INVALID_MANIFEST')
    expect(refusal.message).toMatch(/vela\.jsonc:3:\d+.*cpuMs.*-1/)
    await stillServes()
  })
})
