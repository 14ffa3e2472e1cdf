/** Shapes that are no plain values: objects that run code when they are read, and texts and data that nest without end. */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { describeEngines } from '../engines.ts'
import { startTarget, type Target } from './harness.ts'

/** What makes the engine itself recurse or grow; 1e5 levels are far more than any stack has. */
const BOMBS: Readonly<Record<string, string>> = {
  'a function of brackets': `new Function('('.repeat(1e5) + ')'.repeat(1e5))`,
  'an eval of lists': `(0, eval)('['.repeat(1e5) + ']'.repeat(1e5))`,
  'an eval of objects': `(0, eval)('x=' + '{a:'.repeat(1e5) + '1' + '}'.repeat(1e5))`,
  'an eval of templates': '(0, eval)("`${".repeat(2e4) + "1" + "}`".repeat(2e4))',
  'an eval of operators': `(0, eval)('1' + '+1'.repeat(1e6))`,
  'an eval of names': `(0, eval)('var ' + Array.from({ length: 2e5 }, (_, i) => 'v' + i).join())`,
  'a pattern of groups': `new RegExp('('.repeat(1e5) + ')'.repeat(1e5)).test('')`,
  'a pattern of counts': `new RegExp('((((a{1,99}){1,99}){1,99}){1,99}){1,99}').test('a'.repeat(50))`,
  'JSON that nests': `JSON.parse('['.repeat(1e5) + ']'.repeat(1e5))`,
  'a chain as JSON': `let v = null; for (let i = 0; i < 1e5; i++) v = { v }; return Response.json(v)`,
  'a chain that is cloned': `let v = null; for (let i = 0; i < 1e5; i++) v = [v]; structuredClone(v)`,
  'a chain that is logged': `let v = null; for (let i = 0; i < 1e5; i++) v = { v }; console.log(v, [v], new Map([[v, v]]))`,
  'a chain of causes': `let e = new Error('x'); for (let i = 0; i < 1e5; i++) e = new Error('x', { cause: e }); throw e`,
  'a chain of prototypes': `let v = null; for (let i = 0; i < 1e5; i++) v = Object.create(v); return new Response('x', v)`,
  'a chain of proxies': `let v = {}; for (let i = 0; i < 1e5; i++) v = new Proxy(v, {}); return new Response('x', v)`,
  'a chain of bound functions': `let f = () => 1; for (let i = 0; i < 1e5; i++) f = f.bind(null); return new Response(String(f()))`,
  'a list that holds itself': `const v = []; v.push(v); structuredClone(v); console.log(v); return Response.json(v)`,
  'a text that is a tree': `let t = 'x'; for (let i = 0; i < 1e5; i++) t = t + i + t.slice(0, 5); return new Response(t)`,
}

describeEngines('shapes', (engine) => {
  let target: Target
  beforeAll(async () => {
    target = await startTarget(engine)
  })
  afterAll(() => target.close())
  afterEach(() => target.expectUnharmed())

  test('accessors, proxies, toJSON and thenables run in the guest, once, and are then plain values', async () => {
    const source = `const say = async (make) => { try { return await make() } catch (error) { return error.name + ': ' + error.message } }
      export default { async fetch(request, env) {
        if (request.url.endsWith('/then')) return { then(done) { done(new Response('thenable')) } }
        let reads = 0
        const trap = new Proxy({}, { get() { throw new RangeError('trap') }, ownKeys() { throw new RangeError('trap') } })
        return Response.json([
          await say(() => new Response('x', { get status() { reads++; return 201 } }).status), reads,
          await say(() => new Response('x', trap)), await say(() => new Response('x', { headers: trap })), await say(() => new Request('http://x/', trap)), await say(() => new Headers(trap)),
          await say(() => new Response('x', { headers: new Proxy({ a: 'b' }, {}) }).headers.get('a')),
          await say(() => new Response({ toString() { return 'made' } }).text()), await say(() => new Response({ then(done) { done('x') } }).text()), await say(() => new Response({ toString() { throw new RangeError('mine') } })),
          await say(() => Response.json({ toJSON() { return { a: 1 } }, b: 2 }).text()), await say(() => Response.json({ get a() { throw new RangeError('mine') } })),
          await say(() => new Request('http://x/', { get method() { return 'post' }, body: { toString: () => 'b' } }).text()), await say(() => new Request({ toString: () => 'http://x/y' }).url), await say(() => new Request(trap)),
          await say(() => new Headers({ get a() { return { toString: () => 'c' } } }).get('a')), await say(() => new Headers([{ [Symbol.iterator]: () => ['x', 'y'].values() }]).get('x')),
          await say(() => structuredClone({ get a() { return 1 }, then: 2 }).a), await say(() => structuredClone(trap)), await say(async () => typeof (await new Response(new Proxy(new Uint8Array(2), {})).text())),
        ])
      } }`
    await target.deploy('shapes/init', source)
    expect(JSON.parse((await target.get('/shapes/init/')).text)).toEqual([
      201,
      1,
      'RangeError: trap',
      'RangeError: trap',
      'RangeError: trap',
      'RangeError: trap',
      'b',
      'made',
      '[object Object]',
      'RangeError: mine',
      '{"a":1}',
      'RangeError: mine',
      'b',
      'http://x/y',
      'RangeError: trap',
      'c',
      'y',
      1,
      'RangeError: trap',
      expect.stringMatching(/^TypeError/),
    ])
    expect((await target.get('/shapes/init/then')).text).toBe('thenable')
  })

  for (const [index, [name, bomb]] of Object.entries(BOMBS).entries()) {
    test(`${name}: an error of the guest's own or the end of its turn, and no more`, async () => {
      const at = `bomb${index}/svc`
      const body = `if (request.url.endsWith('/bomb')) { ${bomb} } return new Response('fine')`
      await target.handler(at, body, { limits: { cpuMs: 2_000, memoryMb: 64 } })
      await target.handler(`bomb${index}/sibling`, `return new Response('sibling')`)
      await target.get(`/bomb${index}/sibling/`)
      const log = target.logOf(`bomb${index}/sibling`)
      const { status, code } = await target.get(`/${at}/bomb`)
      if (status !== 200)
        expect(code).toMatch(/^VELA_(GUEST_THREW|GUEST_BAD_RESPONSE|TURN_EXCEEDED_(CPU|MEMORY))$/)
      expect((await target.get(`/${at}/`)).text).toBe('fine')
      expect((await target.get(`/bomb${index}/sibling/`)).text).toBe('sibling')
      // Long native work can only be ended with its process; that is the stopwatch's doing, and no crash.
      const ends = log.map(({ message }) => message).filter((message) => message.includes('ended'))
      expect(ends.filter((message) => !/exceeded-cpu|exceeded-memory/.test(message))).toEqual([])
    })
  }
})
