import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { VelaError } from '../../host/core/errors.ts'
import { manifestJsonSchema, parseManifest, parseManifestJson } from '../../host/manifest/manifest.ts'
import { parseRoute } from '../../host/manifest/route.ts'
import { failure } from './failure.ts'

function check(run: () => unknown): void {
  try {
    run()
  } catch (error) {
    expect(error).toBeInstanceOf(VelaError)
    expect((error as VelaError).message).not.toMatch(/[\p{Cc}\u2028\u2029]/u)
  }
}

describe('a manifest', () => {
  test('with only a name has safe defaults', () => {
    expect(parseManifest('{"name": "shop"}', 'vela.jsonc')).toEqual({
      name: 'shop',
      engine: 'v8',
      routes: [],
      limits: {},
      vars: {},
      capabilities: {},
    })
  })

  test('may have comments, trailing commas, a byte order mark and every key', () => {
    const text = `\uFEFF// a shop
    {
      "$schema": "./schema.json", "name": "shop", "main": "src/index.ts", "engine": "quickjs",
      "routes": ["shop.example.com/*", "/shop/:id"], "limits": { "cpuMs": 50, "memoryMb": 32 },
      "vars": { "GREETING": "hi", "deep": { "list": [1, null] } }, "capabilities": { "kv": {} },
    }`
    expect(parseManifest(text, 'vela.jsonc')).toEqual({
      name: 'shop',
      main: 'src/index.ts',
      engine: 'quickjs',
      routes: ['shop.example.com/*', '/shop/:id'],
      limits: { cpuMs: 50, memoryMb: 32 },
      vars: { GREETING: 'hi', deep: { list: [1, null] } },
      capabilities: { kv: {} },
    })
  })

  test('may be written in the words of wrangler where they mean the same', () => {
    const manifest = parseManifestJson({
      name: 'shop',
      main: 'index.js',
      compatibility_date: '2026-01-01',
      route: 'a.example.com/*',
      routes: [
        { pattern: 'b.example.com/x*', zone_name: 'example.com' },
        { pattern: 'c.example.com', custom_domain: true },
      ],
      limits: { cpu_ms: 20 },
    })
    expect(manifest.routes).toEqual(['a.example.com/*', 'b.example.com/x*', 'c.example.com/*'])
    expect(manifest.limits).toEqual({ cpuMs: 20 })
  })

  test('takes the name of its folder if it has none', () => {
    expect(parseManifest('{}', 'vela.jsonc', { defaultName: 'folder' }).name).toBe('folder')
    expect(parseManifest('{"name": "own"}', 'vela.jsonc', { defaultName: 'folder' }).name).toBe('own')
  })

  test.each([
    ['no name', '{}', 'vela.jsonc:1:1: name is missing; it must be a name of at most 63'],
    ['a bad name', '{"name": "Shop!"}', ':1:10: name is "Shop!"; it must be a name'],
    [
      'an unknown key',
      '{\n "name": "a",\n "rouets": []\n}',
      ':3:2: rouets is not a known key; did you mean "routes"?',
    ],
    [
      'an unknown limit',
      '{"name": "a", "limits": {"cpums": 1}}',
      'limits.cpums is not a known key; did you mean "cpuMs"?',
    ],
    [
      'a negative limit',
      '{"name": "a", "limits": {"cpuMs": -1}}',
      ':1:35: limits.cpuMs is -1; it must be a whole number from 1',
    ],
    [
      'a fractional limit',
      '{"name": "a", "limits": {"cpuMs": 1.5}}',
      'limits.cpuMs is 1.5; it must be a whole number',
    ],
    ['a textual limit', '{"name": "a", "limits": {"cpuMs": "1"}}', 'limits.cpuMs is "1"'],
    ['an unknown engine', '{"name": "a", "engine": "v9"}', 'engine is "v9"; it must be "v8" or "quickjs"'],
    [
      'a bad route',
      '{"name": "a", "routes": ["/ok", "http://x/"]}',
      ':1:33: routes[1]: the route "http://x/" must not have a scheme',
    ],
    [
      'a bad route object',
      '{"name": "a", "routes": [{"patern": "/x"}]}',
      'routes[0].patern is not a known key; did you mean "pattern"?',
    ],
    [
      'a route of the wrong type',
      '{"name": "a", "routes": [1]}',
      ':1:26: routes[0] is 1; it must be a pattern such as',
    ],
    ['a route twice', '{"name": "a", "routes": ["/x", "/x"]}', ':1:32: routes[1]: /x is here twice'],
    ['a key twice', '{"name": "a", "vars": {"x": 1, "x": 2}}', ':1:32: the key vars.x appears twice'],
    [
      '__proto__ deep inside',
      '{"name": "a", "vars": {"x": {"__proto__": 1}}}',
      ':1:30: the key "__proto__" is not allowed',
    ],
    [
      'a key of wrangler that means nothing',
      '{"name": "a", "r2_buckets": []}',
      'bindings are asked for in "capabilities"',
    ],
    ['a list', '[]', 'the value is []; it must be an object such as'],
    ['no closing brace', '{"name": "a"', 'a closing brace } is missing'],
    ['single quotes', "{'name': 'a'}", ':1:2: '],
    ['a number out of range', '{"name": "a", "vars": {"x": 1e999}}', 'out of range'],
  ])('with %s is refused at its place', (_what, text, message) => {
    const error = failure(() => parseManifest(text, 'vela.jsonc'))
    expect(error.code).toBe('VELA_DEPLOY_INVALID_MANIFEST')
    expect(error.message).toContain(message)
    expect(error.details).toMatchObject({
      file: 'vela.jsonc',
      line: expect.any(Number),
      column: expect.any(Number),
    })
  })

  test('that is too large, too deep or too wide is refused before anything is built of it', () => {
    expect(failure(() => parseManifest(`{"name":"${'a'.repeat(70_000)}"}`, 'm')).message).toContain(
      'at most 65536',
    )
    expect(failure(() => parseManifest('['.repeat(60_000), 'm')).message).toContain('levels deep')
    expect(failure(() => parseManifest('{"a":'.repeat(10_000), 'm')).message).toContain('levels deep')
    expect(failure(() => parseManifest(`[${'1,'.repeat(30_000)}1]`, 'm')).message).toContain('values')
  })

  test('as data is checked the same, and copied', () => {
    const vars = { a: 1 }
    const manifest = parseManifestJson({ name: 'shop', vars })
    vars.a = 2
    expect(manifest.vars).toEqual({ a: 1 })
    expect(failure(() => parseManifestJson(JSON.parse('{"name":"a","vars":{"__proto__":{}}}'))).message).toBe(
      'manifest: vars.__proto__ is not allowed as a key',
    )
    expect(
      failure(() => parseManifestJson({ name: 'a', vars: { x: 'y'.repeat(70_000) } })).message,
    ).toContain('at most')
    const hostile = new Proxy(
      {},
      {
        ownKeys: () => {
          throw new Error('no')
        },
      },
    )
    expect(failure(() => parseManifestJson(hostile)).code).toBe('VELA_DEPLOY_INVALID_MANIFEST')
    expect(
      failure(() => parseManifestJson({ name: 'a', __proto__: { main: 'x' }, main: 5 })).message,
    ).toContain('main is 5')
  })

  test('whatever the text or data, the answer is a manifest or a VelaError of one line', () => {
    const pieces = fc.constantFrom(
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '"name"',
      '"a"',
      '"routes"',
      '//',
      '/*',
      '\n',
      '1',
      '\\',
      '"',
      '\u0000',
      '\u0085',
    )
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => check(() => parseManifest(text, 'm'))))
    fc.assert(
      fc.property(fc.array(pieces), (parts) => check(() => parseManifest(parts.join(''), 'm'))),
      { numRuns: 500 },
    )
    fc.assert(fc.property(fc.json(), (text) => check(() => parseManifest(text, 'm'))))
    fc.assert(
      fc.property(fc.anything({ withProxy: true } as object), (value) =>
        check(() => parseManifestJson(value)),
      ),
    )
    const nearly = fc.record({
      name: fc.constant('a'),
      routes: fc.array(fc.anything()),
      vars: fc.anything(),
      limits: fc.anything(),
    })
    fc.assert(fc.property(nearly, (value) => check(() => parseManifestJson(value))))
  })

  test('has a JSON Schema that names its keys', () => {
    const schema = manifestJsonSchema()
    expect(schema).toMatchObject({ type: 'object', additionalProperties: false, required: ['name'] })
    expect(Object.keys(schema['properties'] as object)).toEqual(
      expect.arrayContaining(['name', 'main', 'limits', 'routes']),
    )
  })
})

describe('a route', () => {
  test.each([
    ['/', { host: null, path: '/' }],
    ['/*', { host: null, path: '/*' }],
    ['/a/:id/b', { host: null, path: '/a/:id/b' }],
    ['/a/', { host: null, path: '/a/' }],
    ['example.com/*', { host: 'example.com', path: '/*' }],
    ['*.example.com/api*', { host: '*.example.com', path: '/api*' }],
    ['localhost/x', { host: 'localhost', path: '/x' }],
  ])('%s is understood', (pattern, route) => {
    expect(parseRoute(pattern)).toEqual(route)
  })

  test.each([
    ['', 'no path'],
    ['example.com', 'no path'],
    ['https://example.com/', 'scheme'],
    ['Example.com/', 'lower case'],
    ['example.com:80/', 'port'],
    ['a.*.com/', 'first label'],
    ['*/x', 'first label'],
    ['*example.com/x', 'first label'],
    ['.com/x', 'no name'],
    ['exa mple.com/', 'no name'],
    ['[::1]/', 'port'],
    ['/a//b', 'empty segment'],
    ['/../x', '. or ..'],
    ['/a/./x', '. or ..'],
    ['/*/x', 'very end'],
    ['/a**', 'very end'],
    ['/:id/:id', 'twice'],
    ['/:', 'parameter'],
    ['/:id(\\d+)', 'parameter'],
    ['/x:id', 'whole segment'],
    ['/(a|b)', 'regular expressions'],
    ['/a?b=1', 'regular expressions'],
    ['/%2e%2e', 'a segment is'],
    ['/\u0000', 'a segment is'],
    ['/ü', 'a segment is'],
    [`/${'a/'.repeat(40)}`, 'segments'],
    [`/${'a'.repeat(600)}`, 'longer'],
  ])('%j is refused', (pattern, reason) => {
    const error = failure(() => parseRoute(pattern))
    expect(error.code).toBe('VELA_DEPLOY_INVALID_MANIFEST')
    expect(error.message).toContain(reason)
  })

  test('of any text is understood or refused, and quickly', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('/', ':', '*', '.', 'a', 'A', '-', '(', '%', ' ', '\n') }),
        (text) => {
          try {
            const { host, path } = parseRoute(text)
            expect(`${host ?? ''}${path}`).toBe(text)
          } catch (error) {
            expect(error).toBeInstanceOf(VelaError)
          }
        },
      ),
      { numRuns: 1000 },
    )
  })
})
