/**
 * A guest may patch every prototype of its realm, before its first request or in the middle of one. It may break itself
 * by that; it must not break its cell, which serves its siblings, nor leave a request without an answer.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { describeEngines } from '../engines.ts'
import { startTarget, type Target } from './harness.ts'

const NAMES =
  'then toJSON value get set done next read status headers body stream text bytes message name stack code cause length url method 0 1 2 3'

/** Each line is what a hostile module does to the realm that it shares with the kernel. */
const PATCHES: Readonly<Record<string, string>> = {
  'getters and setters on Object.prototype': `for (const name of '${NAMES}'.split(' ')) if (name !== 'length') Object.defineProperty(Object.prototype, name, { __proto__: null, get() { return undefined }, set() {}, configurable: true })`,
  'throwing getters on Object.prototype': `for (const name of ['status', 'signal', 'cause', 'toJSON', 'pull', 'cancel', 'byteString']) Object.defineProperty(Object.prototype, name, { __proto__: null, get() { throw 1 }, set() { throw 2 }, configurable: true })`,
  'toJSON that throws': `Object.prototype.toJSON = Array.prototype.toJSON = String.prototype.toJSON = function () { throw new Error('toJSON') }`,
  'then on Object.prototype': `Object.prototype.then = function (done) { done?.('then') }`,
  'index setters on Array.prototype': `for (let i = 0; i < 60; i++) Object.defineProperty(Array.prototype, i, { __proto__: null, get() { return {} }, set() {}, configurable: true })`,
  'methods of Array': `for (const name of Object.getOwnPropertyNames(Array.prototype)) if (name !== 'length' && name !== 'constructor') Array.prototype[name] = () => 'evil'; Array.from = Array.isArray = Array.of = () => 'evil'`,
  iterators: `Array.prototype[Symbol.iterator] = Map.prototype[Symbol.iterator] = Set.prototype[Symbol.iterator] = function* () { yield {}; yield 1 }; Map.prototype.keys = Map.prototype.entries = function* () { yield {}; yield 1; yield undefined }`,
  Promise: `Promise.prototype.then = Promise.prototype.catch = Promise.prototype.finally = () => 'evil'; Promise.resolve = Promise.reject = Promise.all = () => 'evil'`,
  'the species of Promise': `Object.defineProperty(Promise, Symbol.species, { get() { throw 1 } }); Object.defineProperty(Array, Symbol.species, { get() { throw 1 } })`,
  'the constructor of Promise': `Object.defineProperty(Promise.prototype, 'constructor', { get() { return function (run) { run((v) => v, (v) => v) } } })`,
  JSON: `JSON.parse = JSON.stringify = () => 'evil'`,
  'String and RegExp': `for (const P of [String.prototype, RegExp.prototype]) for (const name of Reflect.ownKeys(P)) if (name !== 'constructor' && name !== 'length') try { Object.defineProperty(P, name, { value: () => ({}), configurable: true, writable: true }) } catch {}`,
  'Map and Set': `for (const P of [Map.prototype, Set.prototype, WeakMap.prototype]) for (const name of Object.getOwnPropertyNames(P)) if (name !== 'constructor') Object.defineProperty(P, name, { value: () => 'evil', configurable: true })`,
  Function: `Function.prototype.call = Function.prototype.apply = Function.prototype.bind = Function.prototype.toString = () => 'evil'`,
  'Reflect and Object': `for (const O of [Reflect, Object]) for (const name of Object.getOwnPropertyNames(O)) if (typeof O[name] === 'function' && name !== 'getOwnPropertyNames' && name !== 'defineProperty') O[name] = () => 'evil'`,
  prepareStackTrace: `Error.prepareStackTrace = () => ({ evil: 1 }); Error.stackTraceLimit = Infinity`,
  'a prepareStackTrace that throws': `Error.prepareStackTrace = () => { throw undefined }; Object.defineProperty(Error, 'stackTraceLimit', { get() { throw 1 } })`,
  hasInstance: `for (const C of [Error, Uint8Array, Promise, Map, Response, Request]) Object.defineProperty(C, Symbol.hasInstance, { value() { throw 1 } })`,
  'constructors replaced': `for (const name of ['Uint8Array', 'Map', 'Set', 'Promise', 'Error', 'TypeError', 'String', 'Number', 'Object', 'Array', 'Response', 'ReadableStream', 'TextEncoder', 'URL', 'Headers', 'Math', 'Reflect', 'JSON']) globalThis[name] = function () { return { evil: 1 } }`,
  'typed arrays': `const T = Object.getPrototypeOf(Uint8Array.prototype); for (const name of ['length', 'byteLength', 'buffer', 'set', 'subarray', 'slice', 'fill']) Object.defineProperty(T, name, { get() { return 2 ** 31 }, configurable: true })`,
  'everything deleted': `for (const key of Reflect.ownKeys(globalThis)) if (key !== 'Response') delete globalThis[key]`,
  'everything frozen': `for (const key of Object.getOwnPropertyNames(globalThis)) { const v = globalThis[key]; if (typeof v === 'function' && v.prototype) Object.freeze(v.prototype); if (v && v !== globalThis) Object.freeze(v) } Object.preventExtensions(globalThis)`,
  'prototypes cut off': `for (const C of [Array, Map, Promise, Error, Response]) Object.setPrototypeOf(C.prototype, null)`,
}

const CUT_OFF: ReadonlySet<string> = new Set(['iterators', 'prototypes cut off'])

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
            const init = { method: 'POST', body: '{"a":1}' }
            const statuses = await Promise.all(
              Object.keys(ACTIONS).map((action) =>
                target.get(`/${tenant}/svc/`, { ...init, headers: { 'x-action': action, 'x-a': 'b' } }).then(
                  ({ status, code }) => (status === 502 ? code : status),
                  () => 'broken off',
                ),
              ),
            )
            for (const status of statuses) expect([200, 500, 503, 504, 'broken off']).toContain(status)
            // What throws is answered at once, unless the guest has cut the kernel off from tables of its own: then the
            // wall limit answers.
            const at = (action: string): unknown => statuses[Object.keys(ACTIONS).indexOf(action)]
            if (!CUT_OFF.has(name)) expect([name, at('throws'), at('nothing')]).toEqual([name, 500, 500])
            await target.runtime.invoke(`${tenant}/svc`, 'method', [{ a: 1 }]).catch(() => undefined)
          }
          expect((await target.get(`/${tenant}/sibling/`)).text).toBe('sibling')
          expect(siblingLog.filter(({ message }) => message.includes('ended'))).toEqual([])
          await target.expectUnharmed()
        })
      }
    })
  }
})
