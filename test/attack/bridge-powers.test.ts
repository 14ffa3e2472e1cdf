/**
 * Powers are the widest part of the bridge: values of the guest go out, values of the host come back, and objects of the
 * platform live on between requests. None of it leads a guest to what it was not given.
 */
import { tmpdir } from 'node:os'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import type { JsonValue } from '../../host/registry/types.ts'
import { describeEngines } from '../engines.ts'
import { until } from './harness.ts'
import { PATCHES } from './patches.ts'
import { startPowers, type Powers } from './powers.ts'
import { walk } from './walk.ts'

/** Objects of the platform that stand for something of the kernel or of the host. */
const ROOTS = `
  kv: () => env.kv, kvRead: () => env.kv.readOnly().prefix('x'), put: () => env.kv.put('k', new Uint8Array(100000)), listed: () => env.kv.list(), stored: () => env.kv.get('k', 'stream'), reader: async () => (await env.kv.get('k', 'stream')).getReader(),
  badKey: () => env.kv.put('', 'x'), denied: () => env.kv.readOnly().put('a', 'b'), conflict: () => env.kv.put('k', 'x', { ifVersion: 99 }), callee: () => env.callee, method: () => env.callee.echo, called: () => env.callee.echo({}), failure: () => env.callee.fail(), missing: () => env.callee.nothing(),
  calling: () => env.callee.later(5), answered: () => env.callee.fetch('http://callee/'), fetched: () => fetch(env.origin + '/plain'), refusedFetch: () => fetch('http://10.0.0.1/'), aborted: () => fetch(env.origin + '/endless', { signal: AbortSignal.abort() }), endless: async () => { const r = await fetch(env.origin + '/endless'); const reader = r.body.getReader(); await reader.read(); return [r, r.body, reader, reader.cancel()] },
  pool: () => env.workers, poolRun: () => env.workers.run, worked: () => env.workers.map('missing', [{}], { settled: true }), notWorked: () => env.workers.run('missing', 1), unsendable: () => env.workers.run('missing', () => 1),
  key: () => crypto.subtle.generateKey({ name: 'HMAC', hash: 'SHA-256' }, false, ['sign']), pair: () => crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign', 'verify']), badSign: () => crypto.subtle.sign('HMAC', {}, new Uint8Array()), subtle: () => crypto.subtle,
  ports: () => { const c = new MessageChannel(); c.port1.onmessage = () => 0; return [c.port1, c.port2] }, moved: () => structuredClone({ p: new MessageChannel().port1 }.p, { transfer: [] }), sockets: () => { const pair = new WebSocketPair(); pair[1].accept(); return [pair, pair[0], pair[1]] }, badSocket: () => new WebSocket('ws://x/'),
  controllers: () => { const all = []; new ReadableStream({ start(c) { all.push(c) } }); new WritableStream({ start(c) { all.push(c) } }); new TransformStream({ start(c) { all.push(c) } }); return all }, bytesController: async () => { const all = []; const s = new ReadableStream({ type: 'bytes', pull(c) { all.push(c, c.byobRequest); c.byobRequest.respond(1) } }); all.push(await s.getReader({ mode: 'byob' }).read(new Uint8Array(2))); return all },
  writer: () => new CompressionStream('gzip').writable.getWriter(), pulled: () => new Response(new Blob(['x']).stream()).body.pipeThrough(new TextDecoderStream()), tee: () => new Response('x').body.tee(), files: async () => { const f = new FormData(); f.set('a', new File(['x'], 'n')); return [f, await new Response(f).formData()] },
  signals: () => AbortSignal.any([request.signal, AbortSignal.timeout(5)]), entry: () => Object.entries(sdk).map(([, v]) => v)`

/** Each is one use of a power, said with captured names only. */
const USES: Readonly<Record<string, string>> = {
  put: `return new Res((await env.kv.put('key', 'value', { metadata: { a: [1] } })).version > 0 ? 'ok' : 'no')`,
  get: `return new Res(await env.kv.get('before'))`,
  json: `return new Res(await env.kv.get('before', 'json').then ? 'ok' : 'no')`,
  stream: `return new Res(await env.kv.get('before', 'stream'))`,
  list: `return new Res((await env.kv.list()).list_complete ? 'ok' : 'no')`,
  call: `const got = await env.callee.echo('sent', 2); return new Res(got[0] + got[1])`,
  fails: `try { await env.callee.fail(); return new Res('no') } catch (error) { return new Res(error.message) }`,
  denied: `try { await fetch('http://10.0.0.1/'); return new Res('no') } catch (error) { return new Res(error.code) }`,
  fetch: `const got = await fetch(env.origin + '/plain', { method: 'POST', body: 'sent' }); return new Res(got.body, { status: got.status })`,
  passed: `return env.callee.fetch(request)`,
}

const serviceOf = (patch: string): string => `
  const Res = Response;
  const patch = () => { ${patch} };
  let patched = false
  const uses = { __proto__: null, ${Object.entries(USES)
    .map(([name, body]) => `${name}: async (request, env) => { ${body} }`)
    .join(',\n')} };
  export default { async fetch(request, env) { const name = request.headers.get('x-use'); if (name === 'start') { await env.kv.put('before', '"stored"'); return new Res('ok') } if (!patched) { patched = true; patch() } return uses[name](request, env) } }`

describeEngines('what powers give away', (engine) => {
  let target: Powers
  beforeAll(async () => {
    target = await startPowers(engine)
  })
  afterAll(() => target.close())
  afterEach(async () => {
    expect(Reflect.ownKeys(Object.prototype)).not.toContain('polluted')
    await target.expectUnharmed()
  })

  test('no object of the engine, of the kernel or of another realm can be reached from any of them', async () => {
    const source = `import * as sdk from '@vela/guest-sdk'; export default { async fetch(request, env, ctx) { ${walk(ROOTS)} } }`
    await target.powerfulModule('acme/walk', source, { limits: { cpuMs: 25_000 } })
    const { text } = await target.get('/acme/walk/', { method: 'POST', body: 'body' })
    const { found, walked } = JSON.parse(text) as { found: string[]; walked: number }
    expect(found).toEqual([])
    expect(walked).toBeGreaterThan(1300)
  })

  for (const [index, [name, patch]] of Object.entries(PATCHES).entries()) {
    test(`intrinsics patched before each use leave every call answered and the cell whole: ${name}`, async () => {
      const at = `acme/patched${index}`
      await target.powerfulModule(at, serviceOf(patch), { limits: { wallMs: 1_000, cpuMs: 2_000 } })
      const log = target.logOf('acme/callee')
      expect((await target.get(`/${at}/`, { headers: { 'x-use': 'start' } })).text).toBe('ok')
      const statuses = await Promise.all(
        Object.keys(USES).map((use) =>
          target.get(`/${at}/`, { method: 'POST', body: 'b', headers: { 'x-use': use } }).then(
            ({ status, code }) => (status === 502 ? code : status),
            () => 'broken off',
          ),
        ),
      )
      for (const status of statuses) expect([200, 500, 503, 504, 'broken off']).toContain(status)
      expect(log.map(({ message }) => message).filter((message) => message.includes('ended'))).toEqual([])
    })
  }

  test('setters on the prototypes of errors and objects neither see nor change what a refusal says', async () => {
    const body = `const seen = []
      for (const P of [Error.prototype, Object.prototype, TypeError.prototype]) for (const name of ['code', 'name', 'message', 'cause', 'details', 'stack', 'value', 'then'])
        Object.defineProperty(P, name, { __proto__: null, get() { return 'inherited' }, set(value) { seen[seen.length] = name + ' of ' + typeof value }, configurable: true })
      const say = async (work) => { try { await work(); return 'done' } catch (error) { return [Object.getOwnPropertyDescriptor(error, 'code')?.value ?? null, typeof Object.getOwnPropertyDescriptor(error, 'message')?.value] } }
      const answers = [await say(() => fetch('http://10.0.0.1/')), await say(() => env.callee.fail()), await say(() => env.kv.put('k', 'v', { ifVersion: 99 })), await say(() => env.callee.missing())]
      return new Response('{"answers":' + JSON.stringify(answers) + ',"seen":' + JSON.stringify(seen) + '}')`
    await target.powerful('acme/setters', body)
    expect(JSON.parse((await target.get('/acme/setters/')).text)).toEqual({
      answers: [
        ['VELA_FETCH_ADDRESS_REFUSED', 'string'],
        ['VELA_GUEST_THREW', 'string'],
        ['VELA_KV_CONFLICT', 'string'],
        ['VELA_METHOD_NOT_FOUND', 'string'],
      ],
      seen: [],
    })
  })

  test('keys such as __proto__ are data in stored keys, metadata, lists, arguments, answers and headers', async () => {
    const names = ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', '__defineGetter__']
    const hostile = JSON.parse('{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}') as {
      readonly [key: string]: JsonValue
    }
    const body = `const hostile = JSON.parse(env.hostile)
      for (const name of env.names) await env.kv.put(name, JSON.stringify(hostile), { metadata: hostile })
      const read = await Promise.all(env.names.map((name) => env.kv.get(name))), many = await env.kv.get(env.names)
      const { keys } = await env.kv.list()
      const gone = []; for (const name of env.names) { await env.kv.delete(name); gone.push(await env.kv.get(name)) }
      const back = await fetch(env.origin + '/plain?__proto__=q', { headers: [['__proto__', 'h'], ['constructor', 'c']] })
      const echoed = await env.callee.echo(hostile, { constructor: { prototype: { polluted: 1 } } })
      const options = await env.kv.put('o', 'v', JSON.parse('{"__proto__":{"expirationTtl":-1}}')).then(() => 'put', (error) => error.code)
      const header = back.headers.get('__proto__')
      return Response.json({ read: read.concat(...env.names.map((name) => many.get(name))).filter((text) => text !== env.hostile), listed: keys.map(({ name }) => name).sort(), metadata: keys.filter(({ metadata }) => JSON.stringify(metadata) !== env.hostile).length, gone: gone.filter((value) => value !== null), echoed: JSON.stringify(echoed[0]) === env.hostile, header, options, polluted: ({}).polluted ?? null })`
    await target.powerful('acme/protos', body, {
      vars: { names, hostile: JSON.stringify(hostile) },
      limits: { cpuMs: 5_000 },
    })
    expect(JSON.parse((await target.get('/acme/protos/')).text)).toEqual({
      read: [],
      listed: [...names].sort(),
      metadata: 0,
      gone: [],
      echoed: true,
      header: 'own',
      options: 'put',
      polluted: null,
    })
    expect(target.asked.at(-1)?.url).toBe('/plain?__proto__=q')
    expect(target.asked.at(-1)?.rawHeaders.join()).toContain('__proto__,h')
  })

  test('no path of the host is in what a power refuses or breaks with, nor below it in causes and aggregates', async () => {
    const body = `const texts = []
      const note = (value, depth = 0) => { if (depth > 4 || value === null || (typeof value !== 'object' && typeof value !== 'function')) { texts.push(String(value)); return }
        texts.push(String(value?.stack)); for (const key of Reflect.ownKeys(value)) { try { note(value[key], depth + 1) } catch {} } }
      const tries = [() => fetch('http://10.0.0.1/'), () => fetch(env.origin + '/broken'), () => fetch('http://nowhere.invalid/'), () => fetch('http://127.0.0.1:1/'), () => fetch('https://127.0.0.1:' + new URL(env.origin).port), () => fetch('ftp://x/'), () => fetch('http://x:99999/'),
        () => fetch(env.origin + '/to?at=http://10.0.0.1/'), () => env.kv.get('x'.repeat(600)), () => env.kv.put('\\ud800', 'x'), () => env.kv.list({ cursor: '!' }), () => env.kv.put('k', 'v', { ifVersion: 'x' }), () => env.kv.put('k', 'v', 5), () => env.kv.put('k', new ReadableStream({ pull() { throw new Error('mine') } })),
        () => env.callee.fail(), () => env.callee.nope(), () => env.callee.__proto__(), () => env.callee.constructor(), () => env.callee.echo(1n), () => env.callee.fetch('http://callee/', { method: 'TRACE' }),
        () => crypto.subtle.importKey('pkcs8', new Uint8Array(9), { name: 'RSA-OAEP', hash: 'SHA-1' }, false, ['decrypt']), () => crypto.subtle.generateKey({ name: 'RSA-OAEP', modulusLength: 1, publicExponent: new Uint8Array([2]), hash: 'SHA-1' }, false, ['decrypt']), () => new Response(new Response('x').body.pipeThrough(new DecompressionStream('gzip'))).text()]
      const settled = []; for (const attempt of tries) { try { await attempt(); settled.push('done') } catch (error) { settled.push('threw'); note(error) } }
      await Promise.any(tries.slice(0, 3).map((attempt) => attempt())).catch((error) => { note(error); note(new Error('outer', { cause: error })) })
      return Response.json({ texts, done: settled.flatMap((word, at) => word === 'done' ? [at] : []) })`
    await target.powerful('acme/paths', body, { limits: { cpuMs: 10_000 } })
    const log = target.logOf('acme/paths')
    const { text, status } = await target.get('/acme/paths/')
    expect(status).toBe(200)
    const { texts, done } = JSON.parse(text) as { texts: string[]; done: number[] }
    expect(done).toEqual([])
    expect(texts.length).toBeGreaterThan(60)
    const all = texts.join('\n') + JSON.stringify(log)
    for (const word of [
      process.cwd(),
      `${tmpdir()}/`,
      'node:',
      'node_modules',
      'undici',
      'cell.js',
      'file://',
    ])
      expect(all).not.toContain(word)
    expect(all.match(/.*(openssl|ECONN|ENOTFOUND|getaddrinfo|sqlite|errno|syscall).*/i)?.[0]).toBe(undefined)
  })

  test('what is kept of a request reaches nothing after it: not its client, not another’s', async () => {
    const source = `const kept = []
      export default { async fetch(request, env, ctx) {
        const { pathname } = new URL(request.url)
        if (pathname === '/keep') {
          let controller; const body = new ReadableStream({ start(c) { controller = c; c.enqueue(new TextEncoder().encode('first;')) } })
          kept.push({ request, env, ctx, controller, reader: request.body.getReader(), call: env.callee.later(60000).catch((error) => error), signal: request.signal })
          return new Response(body)
        }
        const old = kept[0], say = async (work) => { try { return await work() } catch (error) { return error.name } }
        return Response.json({ aborted: old.signal.aborted, call: (await old.call).name, wait: await say(() => old.ctx.waitUntil(Promise.resolve()) ?? 'taken'), enqueue: await say(() => old.controller.enqueue(new TextEncoder().encode('late;')) ?? 'taken'),
          read: await say(async () => { for (;;) if ((await old.reader.read()).done) return 'ended' }), id: old.ctx.requestId !== ctx.requestId, still: await say(async () => (await old.env.callee.echo('x'))[0]) })
      } }`
    await target.powerfulModule('acme/kept', source, { limits: { wallMs: 5_000 } })
    const leave = new AbortController()
    const first = await fetch(`${target.gateway}/acme/kept/keep`, {
      method: 'POST',
      body: 'b',
      signal: leave.signal,
    })
    const reader = first.body?.getReader()
    expect(new TextDecoder().decode((await reader?.read())?.value)).toBe('first;')
    leave.abort()
    await reader?.read().catch(() => undefined)
    const looked = await until('the turn is over', async () => {
      const { text } = await target.get('/acme/kept/look')
      return text.includes('"aborted":true') && text
    })
    expect(JSON.parse(looked)).toEqual({
      aborted: true,
      call: 'AbortError',
      wait: 'taken',
      enqueue: 'TypeError',
      read: 'ended',
      id: true,
      still: 'x',
    })
  })
})
