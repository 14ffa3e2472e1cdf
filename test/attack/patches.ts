/** What hostile code does to the realm that it shares with the kernel and with the guest's halves of its powers. */

const NAMES =
  'then toJSON value get set done next read status headers body stream text bytes message name stack code cause length url method 0 1 2 3'

/** Each line is what a hostile module does to the realm that it shares with the kernel. */
export const PATCHES: Readonly<Record<string, string>> = {
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

export const CUT_OFF: ReadonlySet<string> = new Set(['iterators', 'prototypes cut off'])
