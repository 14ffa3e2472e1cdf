/** Values that cross: what a guest throws, returns and is sent may be anything, and shapes nothing but its own answer. */
import { tmpdir } from 'node:os'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { describeEngines } from '../engines.ts'
import { startTarget, until, type Target } from './harness.ts'

const THROWN: Readonly<Record<string, string>> = {
  undefined: 'undefined',
  null: 'null',
  'an empty text': `''`,
  'a symbol': `Symbol('s')`,
  'a bigint': '1n',
  'an object without a prototype': 'Object.create(null)',
  'a revoked proxy': `(() => { const { proxy, revoke } = Proxy.revocable({}, {}); revoke(); return proxy })()`,
  'a proxy whose traps throw': `new Proxy({}, new Proxy({}, { get() { throw 1 } }))`,
  'a proxy of an error': `new Proxy(new Error('x'), { get() { throw 1 }, getPrototypeOf() { return Error.prototype } })`,
  'an error with getters that throw': `Object.defineProperties(new Error('x'), { name: { get() { throw 1 } }, message: { get() { throw 2 } }, stack: { get() { throw 3 } }, code: { get() { throw 4 } } })`,
  'an error with objects for texts': `Object.assign(new Error('x'), { name: {}, message: [], stack: { a: 1 }, code: Symbol() })`,
  'an error with a huge message': `new Error('x'.repeat(5e6))`,
  'an error whose cause is itself': `(() => { const e = new Error('x'); e.cause = e; return e })()`,
  'an aggregate': `new AggregateError([new Error('a'), undefined], 'x')`,
  'a code of ours': `Object.assign(new Error('x'), { code: 'VELA_CELL_LOST' })`,
  'a function': `() => 0`,
  'a promise': `Promise.reject(new Error('inner'))`,
  'a Response': `new Response('thrown')`,
}

const RETURNED = [
  'undefined',
  'null',
  '1',
  `'text'`,
  '{}',
  '[]',
  `{ status: 200 }`,
  `Object.create(Response.prototype)`,
]
RETURNED.push(
  `new Proxy(new Response('x'), {})`,
  `(() => { const r = new Response('x'); r.text(); return r })()`,
  'Response.error()',
)
RETURNED.push(
  `Object.setPrototypeOf({ status: 200, headers: [], body: null }, Response.prototype)`,
  `class extends Response {}`,
)

describeEngines('values that cross', (engine) => {
  let target: Target
  beforeAll(async () => {
    target = await startTarget(engine)
  })
  afterAll(() => target.close())
  afterEach(async () => {
    expect(Reflect.ownKeys(Object.prototype)).not.toContain('polluted')
    await target.expectUnharmed()
  })

  test('whatever is thrown is 500 VELA_GUEST_THREW, and nothing of it reaches the client', async () => {
    for (const [name, value] of Object.entries(THROWN)) {
      const body = `const value = () => (${value}); if (request.url.endsWith('/late')) await null; if (request.url.endsWith('/stream')) return new Response(new ReadableStream({ pull() { throw value() } })); throw value()`
      await target.handler('throws/svc', body, { limits: { wallMs: 3_000 } })
      for (const path of ['now', 'late']) {
        const { status, code, text } = await target.get(`/throws/svc/${path}`)
        expect([name, status, code]).toEqual([name, 500, 'VELA_GUEST_THREW'])
        const problem = JSON.parse(text) as Record<string, unknown>
        expect(Object.keys(problem).sort()).toEqual(['code', 'requestId', 'status', 'title', 'type'])
      }
      await expect(target.get('/throws/svc/stream')).rejects.toThrow()
    }
  })

  test('what is no response is 500', async () => {
    for (const value of RETURNED) {
      await target.handler('returns/svc', `return ${value}`)
      const { status, code } = await target.get('/returns/svc/')
      expect([value, status]).toEqual([value, 500])
      expect(code).toMatch(/^VELA_GUEST_(BAD_RESPONSE|THREW)$/)
    }
  })

  test('no path of the host is in anything a guest can read or a client is sent', async () => {
    const body = `const texts = []
    const note = (error) => { for (let e = error, depth = 0; e && depth < 5; e = e.cause, depth++) texts.push(String(e), String(e?.message), String(e?.stack), JSON.stringify(Object.getOwnPropertyDescriptors(Object(e)))) }
    const tries = [() => new URL('::'), () => fetch('http://x'), () => new Function('return import("node:fs")')(), () => new Function('(')(), () => eval('1 +'), () => null.x, () => structuredClone(() => 0),
      () => new TextDecoder('utf-8', { fatal: true }).decode(new Uint8Array([255])), () => crypto.getRandomValues(new Float64Array(1)), () => new Response('', { status: 9 }), () => JSON.parse('{'), () => new ArrayBuffer(2 ** 40),
      () => new RegExp('('), () => request.clone().formData(), () => new Headers([['a\\n', 'b']]), () => { throw new Error('trace') }, () => 'x'.repeat(2 ** 30), () => new ReadableStream({ type: 'none' }), () => Intl.DateTimeFormat('xx-nope-zzzzzzzzzzz')]
    for (const attempt of tries) { try { await attempt() } catch (error) { note(error) } }
    // At the end of the stack the natives of the cell may fail themselves.
    const natives = [() => new URL('http://ä.example/?' + Math.random()), () => crypto.randomUUID(), () => console.log('deep'), () => new TextEncoder().encode('ä'), () => new TextDecoder().decode(new Uint8Array([200, 100]))]
    for (const native of natives) { const dive = () => { try { dive() } catch (error) { try { native() } catch (inner) { if (texts.length < 4000) note(inner) } throw error } }; try { dive() } catch (error) { note(error) } }
    return new Response(texts.join('\\n'))`
    await target.handler('paths/svc', body, { limits: { cpuMs: 20_000 } })
    await target.handler('paths/threw', `throw new Error('secret-' + 'words')`)
    await target.handler('paths/left', `Promise.reject(new Error('left')); return new Response('ok')`)
    const log = ['paths/svc', 'paths/threw', 'paths/left'].map((at) => target.logOf(at))
    const { text, status } = await target.get('/paths/svc/')
    expect(status).toBe(200)
    expect(text).toContain('trace')
    const threw = await target.get('/paths/threw/')
    await target.get('/paths/left/')
    await until('the errors are logged', () => log[1]?.length && log[2]?.length)
    const refused = await target
      .deploy('paths/bad', 'export default nope')
      .catch((thrown: Error) => thrown.message)
    const all = [text, threw.text, JSON.stringify(log), refused].join('\n')
    for (const word of [
      process.cwd(),
      tmpdir() + '/',
      'cell.js',
      'isolated_vm',
      'isolated-vm',
      'node:internal',
      'file://',
      'node_modules',
      'sandbox/',
    ]) {
      expect(all).not.toContain(word)
    }
    expect(threw.text).not.toContain('secret-words')
  })

  test('keys such as __proto__ are data on both sides, in bodies, headers, queries, arguments and vars', async () => {
    const hostile = '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"a":1}'
    const source = `export const echo = (value) => value; export default { async fetch(request, env) {
    const body = await request.json()
    return Response.json([({}).polluted ?? null, Object.keys(body), Object.keys(env).sort(), request.headers.get('__proto__'), request.headers.get('constructor'), new URL(request.url).searchParams.get('__proto__')]) } }`
    const vars = JSON.parse(hostile) as Record<string, never>
    await target.deploy('proto/svc', source, { vars })
    const headers = { ['__proto__']: 'h', constructor: 'c' }
    const { text } = await target.get('/proto/svc/?__proto__=q', { method: 'POST', body: hostile, headers })
    const [polluted, keys, env, , constructor, query] = JSON.parse(text) as unknown[]
    expect(polluted).toBe(null)
    expect(keys).toEqual(['__proto__', 'constructor', 'a'])
    expect(env).toEqual(['__proto__', 'a', 'constructor'])
    expect([constructor, query]).toEqual(['c', 'q'])
    const echoed = await target.runtime.invoke('proto/svc', 'echo', [JSON.parse(hostile)])
    expect(JSON.stringify(echoed)).toBe(hostile)
    for (const method of [
      '__proto__',
      'constructor',
      'toString',
      'hasOwnProperty',
      'then',
      'fetch',
      'default',
    ]) {
      await expect(target.runtime.invoke('proto/svc', method)).rejects.toMatchObject({
        code: 'VELA_METHOD_NOT_FOUND',
      })
    }
  })

  test('JSON that nests deeply ends as an error of whoever sent it', async () => {
    const source = `export const deep = (n) => JSON.parse('['.repeat(n) + ']'.repeat(n)); export const text = (n) => '['.repeat(n)
    export default { async fetch(request) { const value = await request.json(); console.log(value, [value]); structuredClone([value]); return new Response(JSON.stringify(value)) } }`
    await target.deploy('deep/svc', source, { limits: { cpuMs: 5_000 } })
    for (const depth of [1_000, 100_000]) {
      const { status } = await target.get('/deep/svc/', {
        method: 'POST',
        body: '['.repeat(depth) + ']'.repeat(depth),
      })
      expect([200, 500]).toContain(status)
      await target.runtime
        .invoke('deep/svc', 'deep', [depth])
        .catch((thrown: Error) => expect(thrown.name).toBe('VelaError'))
    }
    expect(await target.runtime.invoke('deep/svc', 'text', [3])).toBe('[[[')
  })

  test('a source that nests deeply is refused, not fatal', async () => {
    for (const [open, close] of [
      ['[', ']'],
      ['(', ')'],
      ['{a:', '}'],
      ['function f(){', '}'],
      ['`${', '}`'],
      ['!', ''],
    ] as const) {
      const nested = open.startsWith('function') ? '' : 'x = '
      const source = `let x; ${nested}${open.repeat(50_000)}${open === '{a:' || open === '`${' || open === '!' ? '1' : ''}${close.repeat(50_000)}; export default { fetch() {} }`
      expect(await target.refusal('nest/svc', source)).toMatch(/^(deployed|VELA_DEPLOY_[A-Z_]+)$/)
    }
  })
})
