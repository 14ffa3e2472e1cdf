/**
 * What a guest can reach at all. surface.txt is the reviewed list: a name that appears in or vanishes from a guest's
 * world turns this red until somebody has looked (write it anew with `vitest run -u test/attack/bridge-surface.test.ts`).
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeEngines } from '../engines.ts'
import { startTarget, type Target } from './harness.ts'

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

/** Walks everything that can be reached by properties, prototypes and constructors, and names what is not of this realm. */
const WALK = `
  const found = [], seen = new Set(), queue = []
  const add = (value, path) => {
    if ((typeof value === 'object' && value !== null) || typeof value === 'function') {
      if (!seen.has(value)) { seen.add(value); queue.push([value, path]) }
    }
  }
  const failed = async (make) => { try { return await make() } catch (error) { return error } }
  add(globalThis, 'globalThis'); add(request, 'request'); add(env, 'env'); add(ctx, 'ctx'); add(sdk, 'sdk')
  add(import.meta, 'import.meta')
  const made = {
    badUrl: () => new URL('::'), url: () => new URL('http://ä.example/'), decode: () => new TextDecoder('utf-8', { fatal: true }).decode(new Uint8Array([255])),
    uuid: () => crypto.randomUUID(), tooMany: () => crypto.getRandomValues(new Uint8Array(70000)), fetch: () => fetch('http://x/'),
    stream: () => new ReadableStream(), blob: () => new Blob(['x']), form: () => new FormData(), clone: () => structuredClone(() => 0),
    body: () => request.text(), headers: () => new Headers([['a b', '']]), abort: () => AbortSignal.timeout(1), timer: () => setTimeout(() => 0, 1e6),
    wait: () => ctx.waitUntil(1), dynamic: () => new Function('return import("node:fs")')(), log: () => console.log('x'), signal: () => request.signal,
    sites: () => { const old = Error.prepareStackTrace; Error.prepareStackTrace = (_, sites) => sites; const { stack } = new Error(); Error.prepareStackTrace = old
      return stack.flatMap((s) => [s.getThis(), s.getFunction(), s.getEvalOrigin()]) },
    callers: () => new Function('const all = []; let f = arguments.callee; for (let i = 0; i < 20 && f; i++) { all.push(f); try { f = f.caller } catch { break } } return all')(),
    channel: () => new MessageChannel(), pack: () => new CompressionStream('gzip'), unpack: () => new Response(new Response('x').body.pipeThrough(new DecompressionStream('gzip'))).text(),
    pattern: () => new URLPattern('https://*/:a').exec('https://x/y'), badPattern: () => new URLPattern('('), message: () => new Promise((r) => { const { port1, port2 } = new MessageChannel(); port2.onmessage = r; port1.postMessage({}) }),
    uncaught: () => new Promise((r) => { addEventListener('error', r); setTimeout(() => { throw new Error('x') }, 1) }), rejected: () => new Promise((r) => { onunhandledrejection = r; Promise.reject(new Error('x')) }),
    iterator: () => request.headers.entries(), proto: () => Object.getPrototypeOf(async function* () {}),
  }
  for (const name of Object.keys(made)) add(await failed(made[name]), name)
  // What host-side objects of the engine are called, and what only the kernel may hold.
  const FORBIDDEN = /^(applySync|applyIgnored|applySyncPromise|derefInto|copySync|copyInto|transferIn|setSync|getSync|deleteSync|compileScriptSync|compileModuleSync|createContextSync|evaluateSync|instantiateSync|createInspectorSession|startCpuProfiler|dispatchProtocolMessage|cpuTime|wallTime|isDisposed|deliver|collect|configure|register|describe|parseUrl|updateUrl|decodeUtf8|encodeUtf8|randomBytes|emit|process|require|mainModule|binding|_linkedBinding|Buffer|__vela_handover__)$/
  // The one 'register' there is to be: FinalizationRegistry's, which does nothing.
  const ALLOWED = new Set(['register:' + FinalizationRegistry.name])
  let steps = 0
  for (const [value, path] of queue) {
    if (++steps > 60000) { found.push('too much to walk'); break }
    if (path.split('.').length > 40) continue
    const prototype = Object.getPrototypeOf(value)
    add(prototype, path + '.[proto]')
    let keys; try { keys = Reflect.ownKeys(value) } catch { continue }
    for (const key of keys) {
      const label = path + '.' + String(key)
      if (typeof key === 'string' && FORBIDDEN.test(key) && !ALLOWED.has(key + ':' + value?.constructor?.name)) found.push(label)
      const descriptor = Reflect.getOwnPropertyDescriptor(value, key)
      if (!descriptor) continue
      add(descriptor.get, label + '[get]'); add(descriptor.set, label + '[set]'); add(descriptor.value, label)
      if (descriptor.get && path.split('.').length < 6) { try { add(descriptor.get.call(value), label + '()') } catch (error) { add(error, label + '!') } }
    }
    try {
      const maker = value.constructor
      if (typeof maker === 'function') {
        const make = maker.constructor
        if (typeof make === 'function' && make.name === 'Function') {
          const realm = make('return globalThis')()
          if (realm !== globalThis) found.push(path + ' leads to another realm')
        }
      }
    } catch {}
    if (typeof value === 'function' && value instanceof Function === false && prototype !== null) {
      let top = value; while (Object.getPrototypeOf(top)) top = Object.getPrototypeOf(top)
      if (top !== Object.prototype) found.push(path + ' is a function of another realm')
    }
    if (typeof value === 'object') {
      let top = value; while (Object.getPrototypeOf(top)) top = Object.getPrototypeOf(top)
      if (top !== Object.prototype && Object.getPrototypeOf(value) !== null) found.push(path + ' inherits from another realm')
    }
  }
  return Response.json({ found, walked: seen.size })`

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
    await target.deploy('surface/svc', source)
    const { text: json } = await target.get('/surface/svc/')
    const surface = JSON.parse(json) as Record<string, Listed>
    const lines = Object.entries(surface).map(([name, listed]) => lineOf(name, listed))
    await expect(`${lines.join('\n')}\n`).toMatchFileSnapshot(`surface.${engine}.txt`)
  })

  test('no object of the engine, of the kernel or of another realm can be reached by walking', async () => {
    const source = `import * as sdk from '@vela/guest-sdk'; export default { async fetch(request, env, ctx) { ${WALK} } }`
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
