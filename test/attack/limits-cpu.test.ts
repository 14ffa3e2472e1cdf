/** A guest that does not stop computing loses its turn, whatever form the computation has; nobody else notices. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { describeEngines } from '../engines.ts'
import { on } from './engine-differences.ts'
import { startTarget, until, type Target } from './harness.ts'

/** Each computes for seconds, or for ever, unless it is stopped. */
const ENDLESS: Readonly<Record<string, string>> = {
  'an empty loop': `for (;;);`,
  'a storm of microtasks': `const again = () => Promise.resolve().then(again); await again(); await new Promise(() => again())`,
  'a storm of queueMicrotask': `const again = () => queueMicrotask(again); again(); await new Promise(() => 0)`,
  'a regular expression that backtracks': `return new Response(String(/^(a+)+$/.test('a'.repeat(60) + '!')))`,
  'a power of bigints': `return new Response(String(((7n ** 4000000n) * (7n ** 4000000n)) % 10n) + String(3n ** 9000000n).length)`,
  'a sort with a slow comparator': `const list = Array.from({ length: 200000 }, (_, i) => i); for (;;) list.sort(() => Math.random() - 0.5)`,
  'joins of huge arrays': `for (;;) new Array(1e6).join('ab')`,
  'JSON of a wide object': `const wide = Array.from({ length: 1e5 }, (_, i) => [i]); for (;;) JSON.parse(JSON.stringify(wide))`,
  'normalisation of long strings': `for (;;) ('\\u1e9b\\u0323'.repeat(100000)).normalize('NFKD')`,
  'a getter': `const loop = { get x() { for (;;); } }; return new Response(loop.x)`,
  'a getter of the response init': `return new Response('', { get status() { for (;;); } })`,
  'a thenable': `return { then() { for (;;); } }`,
  'a proxy that is thrown': `throw new Proxy({}, { ownKeys() { for (;;); } })`,
  'a message that is thrown': `throw Object.defineProperty(new Error('x'), 'message', { get() { for (;;); } })`,
  prepareStackTrace: `Error.prepareStackTrace = () => { for (;;); }; throw new Error('x')`,
  'a generator without an end': `return new Response(String([...(function* () { for (;;) yield; })()].length).slice(0, 1))`,
  'Function code': `new Function('for(;;);')()`,
  hashing: `for (;;) btoa('x'.repeat(10000))`,
  'fills of huge buffers': `const bytes = new Uint8Array(8e6); for (;;) bytes.fill(7)`,
  'a sort by the engine itself': `const list = new Float64Array(2e5).map((_, i) => (i * 7919) % 200003); for (;;) list.slice().sort()`,
  'derivations of keys': `const key = await crypto.subtle.importKey('raw', new Uint8Array(8), 'PBKDF2', false, ['deriveBits']); for (;;) await crypto.subtle.deriveBits({ name: 'PBKDF2', hash: 'SHA-512', salt: new Uint8Array(8), iterations: 500000 }, key, 512)`,
  'searches for primes': `for (;;) await crypto.subtle.generateKey({ name: 'RSA-OAEP', modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]), hash: 'SHA-256' }, false, ['encrypt', 'decrypt'])`,
  digests: `const bytes = new Uint8Array(1e6); for (;;) await crypto.subtle.digest('SHA-512', bytes)`,
  compression: `const bytes = new Uint8Array(1e6); for (;;) await new Response(new Response(bytes).body.pipeThrough(new CompressionStream('gzip'))).bytes()`,
  'clones of a deep structure': `let deep = {}; for (let i = 0; i < 500; i++) deep = { deep, list: [i] }; for (;;) structuredClone(deep)`,
  'a comparator': `[3, 1, 2].sort(() => { for (;;); })`,
  'a trap of a proxy that is sent': `return Response.json(new Proxy({}, { ownKeys() { for (;;); } }))`,
  'an iterator of headers': `return new Response('', { headers: { [Symbol.iterator]: function* () { for (;;) yield ['a', 'b'] } } })`,
  'the source of a stream': `return new Response(new ReadableStream({ type: 'bytes', start() { for (;;); } }))`,
  'natives of the cell': `for (;;) new URL('http://ä.example/' + Math.random()).href`,
  'a handler of abort': `const c = new AbortController(); c.signal.addEventListener('abort', () => { for (;;); }); c.abort()`,
}

/** A loop that nobody waits for is not tried again, so on a machine this busy nobody may ever be blamed for it. */
const ENDED = /The isolate ended \((?:exceeded-cpu|starved)\)/

describeEngines('computing without end', (engine) => {
  let target: Target
  /** Waits for its wall limit while the other tests run. */
  let endlessStart: Promise<string>
  beforeAll(async () => {
    target = await startTarget(engine)
    endlessStart = target.refusal('cpu-tla/svc', `await new Promise(() => 0); export default { fetch() {} }`)
  })
  afterAll(() => target.close())

  describe('a turn that computes without end is stopped', () => {
    for (const [index, [name, body]] of Object.entries(ENDLESS).entries()) {
      // V8's own hook; where there is none, nothing can loop in it.
      if (name === 'prepareStackTrace' && !on(engine, name)) continue
      test(`in ${name}`, async () => {
        // A tenant each: what one of them did to its cell must not decide what the next one sees.
        const at = `cpu${index}/loop`
        await target.handler(at, body, { limits: { cpuMs: 50, wallMs: 40_000 } })
        const { status, code } = await target.get(`/${at}/`)
        // A machine that runs out of memory first has kept its limit as well (sorting and joining allocate).
        expect(['VELA_TURN_EXCEEDED_CPU', 'VELA_TURN_EXCEEDED_MEMORY']).toContain(code)
        expect(status).toBe(503)
        await target.expectUnharmed()
      })
    }
  })

  describe('computing outside the handler counts as well', () => {
    const isLoopOver = async (at: string): Promise<void> => {
      const log = target.logOf(at)
      await target.get(`/${at}/`).catch(() => undefined)
      await until('the loop has been stopped', () => log.some(({ message }) => ENDED.test(message)))
      await target.expectUnharmed()
    }

    test('in a method', async () => {
      await target.deploy('cpu-m/loop', `export function spin() { for (;;); }`, { limits: { cpuMs: 50 } })
      await expect(target.runtime.invoke('cpu-m/loop', 'spin')).rejects.toMatchObject({
        code: 'VELA_TURN_EXCEEDED_CPU',
      })
    })

    test('in toJSON of what a method returns', async () => {
      const source = `export const spin = () => ({ toJSON() { for (;;); } })`
      await target.deploy('cpu-j/loop', source, { limits: { cpuMs: 50 } })
      await expect(target.runtime.invoke('cpu-j/loop', 'spin')).rejects.toMatchObject({
        code: 'VELA_TURN_EXCEEDED_CPU',
      })
    })

    test('in pull of a stream that is sent', async () => {
      await target.handler(
        'cpu-s/loop',
        `return new Response(new ReadableStream({ pull() { for (;;); } }))`,
        {
          limits: { cpuMs: 50 },
        },
      )
      await isLoopOver('cpu-s/loop')
    })

    test('in a timer', async () => {
      await target.handler('cpu-t/loop', `setTimeout(() => { for (;;); }, 1); await new Promise(() => 0)`, {
        limits: { cpuMs: 50 },
      })
      await isLoopOver('cpu-t/loop')
    })

    test('after the response, in waitUntil', async () => {
      const work = `ctx.waitUntil(new Promise((done) => setTimeout(done, 1)).then(() => { for (;;); })); return new Response('sent')`
      await target.handler('cpu-w/loop', work, { limits: { cpuMs: 50 } })
      const log = target.logOf('cpu-w/loop')
      expect((await target.get('/cpu-w/loop/')).text).toBe('sent')
      await until('the loop has been stopped', () => log.some(({ message }) => ENDED.test(message)))
      await target.expectUnharmed()
    })

    test('in reading the body of the request', async () => {
      await target.handler(
        'cpu-b/loop',
        `Object.prototype.then = function () { for (;;); }; await request.json()`,
        {
          limits: { cpuMs: 50 },
        },
      )
      const { status } = await target.get('/cpu-b/loop/', { method: 'POST', body: '{}' })
      expect(status).toBe(503)
      await target.expectUnharmed()
    })
  })

  describe('a deploy whose start does not end is refused, and the version before it serves on', () => {
    /** The engine's timer runs on the wall clock: on a starved machine it cannot tell whose fault it was. */
    const STOPPED = ['VELA_DEPLOY_START_TIMEOUT', 'VELA_CELL_START_FAILED']
    const limits = { startupMs: 100 }
    const HOSTILE: Readonly<Record<string, string>> = {
      'a loop at the top level': `for (;;); export default { fetch() {} }`,
      'a loop after top-level await': `await null; for (;;); export default { fetch() {} }`,
      'a loop in a getter of the default export': `export default { get fetch() { for (;;); } }`,
      'a loop in the hook start': `export default { fetch() {}, start() { for (;;); } }`,
    }
    beforeAll(() => target.handler('start/svc', `return new Response('first')`, { limits }))
    for (const [name, source] of Object.entries(HOSTILE)) {
      test(name, async () => {
        expect(STOPPED).toContain(await target.refusal('start/svc', source, { limits }))
        expect((await target.get('/start/svc/')).text).toBe('first')
        await target.expectUnharmed()
      })
    }
    test('top-level await that never settles', async () => {
      expect(await endlessStart).toBe('VELA_DEPLOY_START_TIMEOUT')
    })
    test('a start within its budget, though it takes longer than a turn may, is no offence', async () => {
      const source = `let x = 0; const start = []; for (let i = 0; i < ${on(engine, 'loops')}; i++) x = (x + i) | 0; export default { fetch: () => new Response('up ' + x) }`
      expect(await target.refusal('start/long', source, { limits: { cpuMs: 10, startupMs: 9_000 } })).toBe(
        'deployed',
      )
    })
  })

  test('a service that behaved for long, and so runs without the engine’s timer, is stopped by the stopwatch', async () => {
    await target.handler(
      'cpu-h/svc',
      `if (request.url.endsWith('/loop')) for (;;); return new Response('ok')`,
    )
    for (let round = 0; round < 120; round++) await target.get('/cpu-h/svc/')
    expect((await target.get('/cpu-h/svc/loop')).code).toBe('VELA_TURN_EXCEEDED_CPU')
    expect((await target.get('/cpu-h/svc/')).text).toBe('ok')
  })

  test('recursion without end is the guest’s own error, and the isolate serves on', async () => {
    await target.handler(
      'cpu-r/deep',
      `const f = () => f() + 1; if (request.url.endsWith('deep')) f(); return new Response('ok')`,
    )
    expect((await target.get('/cpu-r/deep/deep')).code).toBe('VELA_GUEST_THREW')
    expect((await target.get('/cpu-r/deep/')).text).toBe('ok')
    await target.expectUnharmed()
  })
})
