import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createPlaceMapper, createStackMapper } from '../../host/bundle/source-map.ts'

// Line 1 column 0 → src/shop.ts 3:5; line 2 column 0 → src/shop.ts 4:5, column 10 → 4:8.
const MAP = JSON.stringify({ version: 3, sources: ['src/shop.ts'], names: [], mappings: 'AAEI;AACA,UAAG' })
const map = createStackMapper(MAP, 'service.js')

describe('a stack', () => {
  test('names the author’s places', () => {
    expect(
      map(
        'Error: no\n    at run (service.js:2:11)\n    at service.js:1:1\n    at async Promise.all (index 0)',
      ),
    ).toBe(
      'Error: no\n    at run (src/shop.ts:4:8)\n    at src/shop.ts:3:5\n    at async Promise.all (index 0)',
    )
  })

  test('of a syntax error has its heading and suffix mapped', () => {
    expect(map('service.js:2\n  a b\n    ^')).toBe('src/shop.ts:4\n  a b\n    ^')
    expect(map('SyntaxError: Unexpected token [service.js:1:1]')).toBe(
      'SyntaxError: Unexpected token [src/shop.ts:3:5]',
    )
    expect(map('    at eval (eval at run (service.js:1:1), <anonymous>:1:1)')).toContain('src/shop.ts:3:5')
  })

  test('has no frames of the kernel', () => {
    const stack =
      'Error: x\n    at f (service.js:1:1)\n    at dispatch (vela:kernel/boot.js:10:2)\n    at vela:kernel/boot.js:1:1\n    at async vela:x:1:1'
    expect(map(stack)).toBe('Error: x\n    at f (src/shop.ts:3:5)')
  })

  test('keeps what is not the bundle’s', () => {
    const stack =
      'Error: see service.js:1:1\n    at x (my-service.js:1:1)\n    at y (service.js:abc)\n    at z (service.js:99999999999:1)'
    expect(map(stack)).toBe(stack)
    expect(createStackMapper(null, 'service.js')('    at a (service.js:1:1)')).toBe(
      '    at a (service.js:1:1)',
    )
  })

  test('is cut when it is huge', () => {
    const long = map(`Error: ${'x'.repeat(1e6)}\n${'    at f (service.js:1:1)\n'.repeat(1e5)}`)
    expect(long.length).toBeLessThan(20_000)
    expect(map('    at f (service.js:1:1)\n'.repeat(1000)).split('\n').length).toBeLessThanOrEqual(64)
  })
})

describe('a hostile map', () => {
  test.each([
    ['not JSON', '{'],
    ['null', 'null'],
    ['a list', '[]'],
    ['sections', '{"version":3,"sections":[{"offset":{"line":0,"column":0},"map":{}}]}'],
    ['no sources', '{"version":3,"mappings":"AAAA"}'],
    ['sources that are no text', '{"version":3,"sources":[{}],"mappings":"AAAA"}'],
    ['mappings of another alphabet', '{"version":3,"sources":["a"],"names":[],"mappings":"💥!!"}'],
    ['indices out of range', '{"version":3,"sources":["a"],"names":[],"mappings":"AAAAAgggggggggggggggB"}'],
    ['negative places', '{"version":3,"sources":["a"],"names":[],"mappings":"ADDD"}'],
  ])('of %s changes nothing or little, and throws never', (_what, text) => {
    expect(createStackMapper(text, 'service.js')('Error: x\n    at f (service.js:1:1)')).toMatch(
      /^Error: x\n {4}at f \(/,
    )
  })

  test('cannot put control characters, directions or long names into a stack', () => {
    const evil = JSON.stringify({
      version: 3,
      sources: [`\u001B[2J\nfake\u202E${'x'.repeat(9000)}`],
      mappings: 'AAEI',
    })
    const mapped = createStackMapper(evil, 'service.js')('    at service.js:1:1')
    expect(mapped).not.toMatch(/[\p{Cc}\p{Cf}]/u)
    expect(mapped.length).toBeLessThan(300)
    const short = JSON.stringify({ version: 3, sources: ['\u001B[2J\n\u202Ea.ts'], mappings: 'AAEI' })
    expect(createStackMapper(short, 'service.js')('    at service.js:1:1')).toBe('    at ?[2J??a.ts:3:5')
  })

  test('that is large is decoded once and in linear time, or not at all', () => {
    const large = JSON.stringify({
      version: 3,
      sources: ['a'],
      mappings: 'AAAA,'.repeat(1e6) + ';'.repeat(1e6),
    })
    const mapper = createStackMapper(large, 'service.js')
    const startedAt = performance.now()
    for (let index = 0; index < 100; index++) mapper('    at f (service.js:1:1)')
    expect(performance.now() - startedAt).toBeLessThan(5000)
    expect(createPlaceMapper(`${' '.repeat(33 * 1024 * 1024)}${MAP}`)(1, 1)).toBeUndefined()
  })

  test('whatever map and stack are, the mapper answers with text', () => {
    const maps = fc.oneof(
      fc.string(),
      fc.json(),
      fc
        .record({
          version: fc.constant(3),
          sources: fc.array(fc.string()),
          names: fc.anything(),
          mappings: fc.string({ unit: fc.constantFrom('A', 'g', 'D', ',', ';', '/', '+', '!') }),
        })
        .map((value) => {
          try {
            return JSON.stringify(value)
          } catch {
            return ''
          }
        }),
    )
    const stacks = fc
      .array(
        fc.constantFrom('\n', ' ', 'at ', 'service.js:', '1', ':', '(', ')', 'vela:', ']', '-1', '\u0000'),
      )
      .map((parts) => parts.join(''))
    fc.assert(
      fc.property(maps, stacks, (text, stack) => {
        expect(typeof createStackMapper(text, 'service.js')(stack)).toBe('string')
      }),
      { numRuns: 500 },
    )
  })
})
