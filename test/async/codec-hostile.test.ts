/** A cell that a guest has broken out of may send any text: the answer is a value or one typed error, and nothing else changes. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { DataCloneError, decodeValue, encodeValue } from '../../guest-sdk/async/codec.ts'
import { values } from './values.ts'

const outcome = (text: string): string => {
  try {
    decodeValue(text)
    return 'a value'
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(DataCloneError)
    return (thrown as Error).message
  }
}

const TAGS = [
  '',
  'undefined',
  'number',
  'bigint',
  'date',
  'map',
  'set',
  'sparse',
  'bytes',
  'buffer',
  'view',
  'regexp',
  'error',
  '__proto__',
]
const node = fc.letrec((tie) => ({
  node: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom<unknown>(
      null,
      true,
      -1,
      0.5,
      1e21,
      4294967296,
      'x',
      'NaN',
      'AQI=',
      'code',
      'cause',
      'Uint16Array',
      '(',
    ),
    fc
      .tuple(fc.constantFrom(...TAGS), fc.array(tie('node'), { maxLength: 4 }))
      .map(([tag, rest]) => [tag as unknown].concat(rest)),
    fc.dictionary(fc.constantFrom('a', '__proto__', 'constructor', 'then'), tie('node'), { maxKeys: 3 }),
  ),
})).node

/** What every object inherits: names, and what stands there, which must be the very same. */
const inherited = (): unknown[] =>
  [Object, Array, Map, Set, Error, Promise].flatMap(({ prototype }) =>
    Reflect.ownKeys(prototype).flatMap((key) => {
      const { value, get, set } = Object.getOwnPropertyDescriptor(prototype, key) ?? {}
      return [key, value as unknown, get, set]
    }),
  )

test('whatever the text, it is decoded or refused, and no prototype changes', () => {
  const before = inherited()
  fc.assert(
    fc.property(node, (value) => {
      outcome(`$${JSON.stringify(value)}`)
    }),
    { numRuns: 1000 },
  )
  const after = inherited()
  expect(after.length).toBe(before.length)
  expect(after.findIndex((part, index) => !Object.is(part, before[index]))).toBe(-1)
})

test('a text that was damaged is decoded or refused', () => {
  fc.assert(
    fc.property(values, fc.nat(), fc.constantFrom('', '"', ']', '[', '0', '$', '\\'), (value, at, patch) => {
      const text = encodeValue(value)
      const place = at % (text.length + 1)
      outcome(text.slice(0, place) + patch + text.slice(place + 1))
    }),
    { numRuns: 500 },
  )
})

test('depth is refused before anything recurses into it', () => {
  const depths = [
    '['.repeat(1_000_000),
    `$${'["",'.repeat(200_000)}`,
    '{"a":'.repeat(500_000),
    `["]",${'['.repeat(5000)}`,
  ]
  for (const text of depths) expect(outcome(text)).toMatch(/nested more than 1000 levels deep/)
  // Brackets in strings are no depth, and what is closed again is none, either.
  expect(outcome(JSON.stringify(['['.repeat(5000), '\\"[['.repeat(1000)]))).toBe('a value')
  expect(outcome(JSON.stringify(Array.from({ length: 5000 }, () => [[]])))).toBe('a value')
})

test.each([
  '',
  '$',
  'undefined',
  '{"a":1',
  '$[]',
  '$[1]',
  '$["thing",1]',
  '$["undefined",1]',
  '$["number","1"]',
  '$["number",1]',
  '$["bigint","0x10"]',
  '$["bigint","1n"]',
  '$["bigint",1]',
  '$["date","now"]',
  '$["map","key alone"]',
  '$["sparse"]',
  '$["sparse",-1]',
  '$["sparse",4294967296]',
  '$["sparse",2,2,"outside"]',
  '$["sparse",2,"__proto__",1]',
  '$["bytes"]',
  '$["bytes","a"]',
  '$["bytes","AQ=A"]',
  '$["bytes","AQ\\u0141="]',
  '$["view","Uint16Array","AQ=="]',
  '$["view","Function","AQI="]',
  '$["view","constructor","AQI="]',
  '$["regexp","("]',
  '$["regexp","(","g"]',
  '$["regexp","a","gg"]',
  '$[ "error","Error","m"]',
  '$["error","Error"]',
  '$["error","Error","m","stack","forged"]',
  '$["error","Error","m","code",{}]',
  '$["error","Error","m","errors",1]',
])('%s is refused', (text) => {
  expect(outcome(text)).toMatch(/^This is not an encoded value: /)
})

test('what is no text is refused, and runs no code of the sender', () => {
  const forged = { toString: () => expect.unreachable(), length: 1 } as unknown as string
  expect(outcome(forged)).toMatch(/not a text/)
})

test('an error cannot be made to be of another class by its name', () => {
  for (const name of ['__proto__', 'constructor', 'toString', 'AggregateError', 'DataCloneError']) {
    const error = decodeValue(`$["error",${JSON.stringify(name)},"m"]`) as Error
    expect(Object.getPrototypeOf(error)).toBe(Error.prototype)
    expect(error.name).toBe(name)
  }
})
