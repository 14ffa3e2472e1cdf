/**
 * A guest that walks everything it can reach by properties, prototypes, constructors and getters, and names what is not
 * of its realm or what only the kernel or the engine may hold.
 */

/** `more`: further `name: () => value` entries to begin at. The body of a handler; it answers `{ found, walked }`. */
export const walk = (more: string = ''): string => `
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
  Object.assign(made, { ${more} })
  for (const name of Object.keys(made)) add(await failed(made[name]), name)
  // What host-side objects of the engine are called, and what only the kernel may hold.
  const FORBIDDEN = /^(applySync|applyIgnored|applySyncPromise|derefInto|copySync|copyInto|transferIn|setSync|getSync|deleteSync|compileScriptSync|compileModuleSync|createContextSync|evaluateSync|instantiateSync|createInspectorSession|startCpuProfiler|dispatchProtocolMessage|cpuTime|wallTime|isDisposed|deliver|collect|configure|register|describe|parseUrl|updateUrl|decodeUtf8|encodeUtf8|randomBytes|emit|process|require|mainModule|binding|_linkedBinding|Buffer|__vela_handover__)$/
  // The one 'register' there is to be: FinalizationRegistry's, which does nothing. And what the SDK calls binding is not process.binding.
  const ALLOWED = new Set(['register:' + FinalizationRegistry.name])
  const isAllowed = (value, key) => ALLOWED.has(key + ':' + value?.constructor?.name) || (value === sdk && key === 'binding')
  let steps = 0
  for (const [value, path] of queue) {
    if (++steps > 60000) { found.push('too much to walk'); break }
    if (path.split('.').length > 40) continue
    const prototype = Object.getPrototypeOf(value)
    add(prototype, path + '.[proto]')
    let keys; try { keys = Reflect.ownKeys(value) } catch { continue }
    for (const key of keys) {
      const label = path + '.' + String(key)
      if (typeof key === 'string' && FORBIDDEN.test(key) && !isAllowed(value, key)) found.push(label)
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
