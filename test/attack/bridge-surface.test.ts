/**
 * What a guest can reach at all. surface.v8.txt and surface.quickjs.txt are the reviewed lists: a name that appears in or
 * vanishes from a guest's world turns this red until somebody has looked (write it anew with `vitest run -u test/attack/bridge-surface.test.ts`).
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeEngines } from '../engines.ts'
import { startTarget, type Target } from './harness.ts'
import { walk } from './walk.ts'

/** Every global with the names on it and on its prototype. */
const LIST = `
  const members = (value) => value === null || (typeof value !== 'object' && typeof value !== 'function')
    ? typeof value : Reflect.ownKeys(value).map(String).filter((key) => !/^(length|name|prototype|arguments|caller)$/.test(key)).sort()
  const surface = {}
  for (const key of Reflect.ownKeys(globalThis).map(String).sort()) {
    const value = globalThis[key]
    if (value === globalThis && key !== 'globalThis') { surface[key] = 'globalThis'; continue }
    const prototype = typeof value === 'function' && value.prototype ? members(value.prototype) : undefined
    surface[key] = prototype === undefined ? { own: members(value) } : { own: members(value), prototype }
  }
  const chain = (value) => { const keys = []; for (let v = value; v && v !== Object.prototype; v = Object.getPrototypeOf(v)) keys.push(...members(v)); return keys.sort() }
  surface['(request)'] = chain(request)
  surface['(env)'] = chain(env)
  surface['(ctx)'] = chain(ctx)
  surface['(sdk)'] = chain(sdk)
  surface['(import.meta)'] = chain(import.meta)
  surface['(this of a module)'] = typeof moduleThis
  return Response.json(surface)`

type Listed = string | readonly string[] | { own: string | readonly string[]; prototype?: readonly string[] }

const text = (names: string | readonly string[]): string =>
  typeof names === 'string' ? names : names.join(' ')

function lineOf(name: string, listed: Listed): string {
  if (typeof listed !== 'object' || !('own' in listed)) return `${name}: ${text(listed)}`.trimEnd()
  const prototype = listed.prototype === undefined ? '' : ` | prototype: ${text(listed.prototype)}`
  return `${name}: ${text(listed.own)}${prototype}`.trimEnd()
}

const IMPORTS = [
  'node:fs',
  'fs',
  'vela:bridge',
  'vela:kernel',
  'vela:service',
  'isolated-vm',
  './cell.js',
  'data:text/javascript,1',
]

describeEngines('what can be reached', (engine) => {
  let target: Target
  beforeAll(async () => {
    target = await startTarget(engine)
  })
  afterAll(() => target.close())

  test('the surface is the one that was reviewed', async () => {
    const source = `import * as sdk from '@vela/guest-sdk'; const moduleThis = this; export default { async fetch(request, env, ctx) { ${LIST} } }`
    // It loads every part there is, which takes an interpreter about as long as a turn may by default.
    await target.deploy('surface/svc', source, { limits: { cpuMs: 20_000 } })
    const { status, text: json } = await target.get('/surface/svc/')
    expect([status, status === 200 ? '' : json]).toEqual([200, ''])
    const surface = JSON.parse(json) as Record<string, Listed>
    const lines = Object.entries(surface).map(([name, listed]) => lineOf(name, listed))
    await expect(`${lines.join('\n')}\n`).toMatchFileSnapshot(`surface.${engine}.txt`)
  })

  test('no object of the engine, of the kernel or of another realm can be reached by walking', async () => {
    const source = `import * as sdk from '@vela/guest-sdk'; export default { async fetch(request, env, ctx) { ${walk()} } }`
    await target.deploy('walk/svc', source, { limits: { cpuMs: 20_000 }, vars: { deep: { er: [1] } } })
    const { text } = await target.get('/walk/svc/', { method: 'POST', body: 'body' })
    const { found, walked } = JSON.parse(text) as { found: string[]; walked: number }
    expect(found).toEqual([])
    expect(walked).toBeGreaterThan(1000)
  })

  test('what would let a guest measure time, share memory or run machine code is absent', async () => {
    const names = [
      'WebAssembly',
      'SharedArrayBuffer',
      'Atomics',
      'Temporal',
      'process',
      'require',
      'module',
      'Buffer',
    ]
    names.push(
      'global',
      'gc',
      'Worker',
      'importScripts',
      'XMLHttpRequest',
      'Deno',
      'Bun',
      'ShadowRealm',
      'inspector',
      '$262',
    )
    await target.handler(
      'absent/svc',
      `return Response.json(env.names.filter((name) => name in globalThis || new Function('return typeof ' + name)() !== 'undefined'))`,
      { vars: { names } },
    )
    expect((await target.get('/absent/svc/')).text).toBe('[]')
  })

  test('nothing but the two provided modules can be imported, however it is asked for', async () => {
    for (const name of IMPORTS) {
      const source = `import * as it from ${JSON.stringify(name)}; export default { fetch: () => new Response(typeof it) }`
      expect(await target.refusal('import/static', source)).toBe('VELA_DEPLOY_UNKNOWN_IMPORT')
      expect(
        await target.refusal('import/dynamic', `export const f = () => import(${JSON.stringify(name)})`),
      ).toBe('VELA_DEPLOY_UNKNOWN_IMPORT')
    }
    const body = `const answers = []
    for (const name of env.names) for (const make of [(n) => new Function('n', 'return import(n)')(n), (n) => (0, eval)('import("' + n + '")')]) {
      try { const it = await make(name); answers.push(name + ': ' + Object.keys(it)) } catch (error) { if (!(error instanceof Error)) answers.push('not an error of this realm') }
    }
    return Response.json(answers)`
    await target.handler('import/hidden', body, { vars: { names: IMPORTS } })
    expect((await target.get('/import/hidden/')).text).toBe('[]')
    await target.expectUnharmed()
  })

  test('an uploaded code cache has nowhere to go: a bundle is text, and text only', async () => {
    const bundle = { source: 'export default {}', sourceMap: null, codeCache: 'AAAA', cachedData: 'AAAA' }
    await target.runtime.registry.createTenant('cache')
    const manifest = {
      name: 'svc',
      engine,
      routes: [],
      limits: {},
      vars: {},
      capabilities: {},
    }
    await expect(target.runtime.deploy({ tenant: 'cache', manifest, bundle })).rejects.toMatchObject({
      code: 'VELA_DEPLOY_MISSING_EXPORT',
    })
  })
})
