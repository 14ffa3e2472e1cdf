/**
 * A guest may patch every prototype of its realm, before its first request or in the middle of one. It may break itself
 * by that; it must not break its cell, which serves its siblings, nor leave a request without an answer.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { describeEngines } from '../engines.ts'
import { startTarget, type Target } from './harness.ts'
import { CUT_OFF, PATCHES } from './patches.ts'

/** What the kernel is asked for after that. */
const ACTIONS: Readonly<Record<string, string>> = {
  text: `return new Res('text')`,
  large: `return new Res('x'['rep' + 'eat'](200000))`,
  bytes: `return new Res(new Bytes(3000))`,
  stream: `return new Res(new Stream({ start(c) { c.enqueue(new Bytes(2000)); c.close() } }))`,
  json: `return Res.json({ a: [1, { b: 2 }] })`,
  throws: `throw new Err('thrown')`,
  nothing: `return undefined`,
  rejects: `return Promised.reject({ a: 1 })`,
  unhandled: `Promised.reject(new Err('left')); return new Res('ok')`,
  logs: `log({ a: [1, new M([[1, 2]])], e: new Err('x') }, 'x', 5n); return new Res('ok')`,
  body: `return new Res(await request.text())`,
  headers: `return new Res(request.headers.get('x-a') + request.url, { headers: { 'x-b': 'c', 'set-cookie': 'a=b' } })`,
  timer: `await new Promised((done) => timeout(done, 2)); return new Res('ok')`,
  wait: `ctx.waitUntil(new Promised((done) => timeout(done, 1))); return new Res('ok')`,
  abort: `request.signal.addEventListener('abort', () => 0); return new Res('ok')`,
  clone: `return new Res(await request.clone().text() + copy({ a: 1 }).a)`,
  channel: `const { port1, port2 } = new Channel(); return new Promised((done) => { port2.onmessage = (e) => done(new Res('got')); port1.postMessage([1]) })`,
  uncaught: `listen('error', (e) => e.preventDefault()); timeout(() => { throw new Err('late') }, 1); await new Promised((done) => timeout(done, 2)); return new Res('ok')`,
  rejected: `listen('unhandledrejection', () => { throw 1 }); Promised.reject(new Err('left')); await new Promised((done) => timeout(done, 1)); return new Res('ok')`,
  packed: `return new Res(new Res('x').body.pipeThrough(new Gzip('gzip')))`,
}

const CAPTURE = `const Res = Response, Bytes = Uint8Array, Stream = ReadableStream, Err = Error, Promised = Promise, M = Map, log = console.log, timeout = setTimeout, copy = structuredClone, Channel = MessageChannel, Gzip = CompressionStream, listen = addEventListener, isPath = Function.prototype.call.bind(String.prototype.endsWith);`

const serviceOf = (patch: string, when: 'before' | 'during'): string => `${CAPTURE}
  const patch = () => { ${patch} };
  const path = Function.prototype.call.bind(String.prototype.split);
  const handlers = { __proto__: null, ${Object.entries(ACTIONS)
    .map(([name, body]) => `${name}: async (request, ctx) => { ${body} }`)
    .join(',\n')} };
  ${when === 'before' ? 'patch();' : ''}
  export default { fetch(request, env, ctx) { const name = request.headers.get('x-action'); ${when === 'during' ? 'patch();' : ''} return handlers[name] ? handlers[name](request, ctx) : new Res('no such action') }, method(a) { return [a] } }`

/** Syntax that the kernel is written in; each line is tried with every method of the realm replaced by one that tells. */
const SYNTAX = `
  template: () => \`a\${n}b\${'x'}\`, derived: () => new (class extends A {})(1), fields: () => new (class extends A { y = 1; #z = 2; static s = 3; get z() { return this.#z } })(1).z, brand: () => new (class { #p; has(o) { return #p in o } })().has({}),
  spread: () => ({ ...o, q: 1 }), rest: () => { const { a, ...r } = o; return r }, args: () => ((...a) => a.length)(1, 2), defaults: () => ((a = 1, { b } = o) => b)(), loop: () => { for (let i = 0; i < 3; i++) (() => i)() }, chain: () => typeof n + (n ?? 1) + o?.b?.c,
  cases: () => { switch (n) { case 5: return 1 } }, keys: () => { for (const k in o) k }, computed: () => ({ ['a' + n]: 1, get q() { return 1 }, m() {} }), pattern: () => /a/g, tagged: () => ((s) => s.raw)\`a\`, plus: () => 'a' + n + true + null,
  later: () => { (async () => { await 1 })() }, generator: () => { function* g() { yield 1 } g() }, power: () => n ** 2, list: () => [1, 2, , 3], names: () => ({ [Symbol('x')]: () => 0 }), thrown: () => { try { throw new TypeError('x') } catch {} }, gone: () => { const q = { a: 1 }; delete q.a }`

describeEngines('a realm that is patched', (engine) => {
  let target: Target
  beforeAll(async () => {
    target = await startTarget(engine)
  })
  afterAll(() => target.close())

  for (const when of ['before', 'during'] as const) {
    describe(`patched ${when} the requests`, () => {
      for (const [index, [name, patch]] of Object.entries(PATCHES).entries()) {
        test(name, async () => {
          const tenant = `${when}${index}`
          await target.handler(`${tenant}/sibling`, `return new Response('sibling')`)
          expect((await target.get(`/${tenant}/sibling/`)).text).toBe('sibling')
          const siblingLog = target.logOf(`${tenant}/sibling`)
          const limits = { wallMs: 700, cpuMs: 400 }
          // Whoever patches so much at the top level may fail to load; that is an answer too.
          const refused = await target.refusal(`${tenant}/svc`, serviceOf(patch, when), { limits })
          expect(refused).toMatch(/^(deployed|VELA_DEPLOY_(START_THREW|MISSING_EXPORT|START_TIMEOUT))$/)
          if (refused === 'deployed') {
            const ask = (action: string): Promise<unknown> =>
              target
                .get(`/${tenant}/svc/`, {
                  method: 'POST',
                  body: '{"a":1}',
                  headers: { 'x-action': action, 'x-a': 'b' },
                })
                .then(
                  ({ status, code }) => (status === 502 ? code : status),
                  () => 'broken off',
                )
            const first = [await ask('throws'), await ask('nothing')]
            const statuses = await Promise.all(Object.keys(ACTIONS).map(ask))
            for (const status of statuses) expect([200, 500, 503, 504, 'broken off']).toContain(status)
            // What throws is answered at once, unless the guest has cut the kernel off from tables of its own: then the
            // wall limit answers.
            if (!CUT_OFF.has(name)) expect([name, ...first]).toEqual([name, 500, 500])
            await target.runtime.invoke(`${tenant}/svc`, 'method', [{ a: 1 }]).catch(() => undefined)
          }
          expect((await target.get(`/${tenant}/sibling/`)).text).toBe('sibling')
          expect(siblingLog.filter(({ message }) => message.includes('ended'))).toEqual([])
          await target.expectUnharmed()
        })
      }
    })
  }

  test('syntax calls nothing that can be replaced', async () => {
    const body = `let on = false; const seen = []
      const spy = (holder, key) => {
        const old = Object.getOwnPropertyDescriptor(holder, key), method = old?.value ?? old?.get
        if (!old?.configurable || typeof method !== 'function' || key === 'constructor') return
        const told = function (...args) { if (on) seen[seen.length] = String(key); return Reflect.apply(method, this, args) }
        Object.defineProperty(holder, key, old.value ? { ...old, value: told } : { ...old, get: told })
      }
      const next = Object.getPrototypeOf([][Symbol.iterator]()), n = 5, o = { a: 1, b: { c: 2 } }, out = []
      class A { constructor(x) { this.x = x } }
      for (const holder of [String.prototype, Function.prototype, Object.prototype, Symbol.prototype, Number.prototype, RegExp.prototype, Promise.prototype, Map.prototype, Array.prototype, next, Object, Array, Promise, Symbol, String, JSON, Math])
        for (const key of Reflect.ownKeys(holder)) if (key !== 'apply' && key !== '__proto__' && key !== 'push') spy(holder, key)
      const tries = { ${SYNTAX} }
      for (const name in tries) { seen.length = 0; on = true; try { tries[name]() } catch (error) { seen.push('threw ' + error) } on = false; out.push([name, ...seen]) }
      return Response.json(out)`
    await target.handler('syntax/svc', body, { limits: { cpuMs: 5_000 } })
    const out = JSON.parse((await target.get('/syntax/svc/')).text) as string[][]
    expect(out.length).toBeGreaterThan(20)
    expect(out.filter((line) => line.length > 1)).toEqual([])
  })
})
