import fc from 'fast-check'
import { expect, test } from 'vitest'
import { EventError } from '../../guest-sdk/events/event.ts'
import { checkPattern, checkSubject, covers, matches } from '../../guest-sdk/events/subject.ts'

const token = fc.stringMatching(/^[A-Za-z0-9_-]{1,6}$/)
const subject = fc.array(token, { minLength: 1, maxLength: 16 }).map((tokens) => tokens.join('.'))
// Few tokens, so that things meet.
const narrow = fc.constantFrom('a', 'b', 'c')
const smallSubject = fc.array(narrow, { minLength: 1, maxLength: 5 }).map((tokens) => tokens.join('.'))
const smallPattern = fc
  .tuple(fc.array(fc.oneof(narrow, fc.constant('*')), { minLength: 0, maxLength: 4 }), fc.boolean())
  .filter(([tokens, rest]) => tokens.length > 0 || rest)
  .map(([tokens, rest]) => [...tokens, ...(rest ? ['>'] : [])].join('.'))

/** What NATS's documents say, as plainly as it can be written. */
const naive = (pattern: string, name: string): boolean =>
  new RegExp(
    `^${pattern
      .split('.')
      .map((part) => (part === '*' ? '[^.]+' : part === '>' ? '.+' : part))
      .join('\\.')}$`,
  ).test(name)

const refusal = (work: () => unknown): string => {
  try {
    work()
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(EventError)
    expect((thrown as EventError).code).toBe('VELA_EVENT_BAD_SUBJECT')
    return (thrown as EventError).message
  }
  throw new Error('it was not refused')
}

test('every subject of the grammar is taken as it is, and is a pattern that matches itself alone', () => {
  fc.assert(
    fc.property(subject, subject, (name, other) => {
      fc.pre(name.length <= 200)
      expect(checkSubject(name)).toBe(name)
      expect(checkPattern(name)).toBe(name)
      expect(matches(name, name)).toBe(true)
      expect(matches(name, other)).toBe(name === other)
    }),
  )
})

test('any text is taken exactly when it is of the grammar', () => {
  const isSubject = (text: string): boolean =>
    text.length <= 200 && text.split('.').length <= 16 && /^[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*$/.test(text)
  const isPattern = (text: string): boolean =>
    text.length <= 200 &&
    text.split('.').length <= 16 &&
    /^(?:(?:[A-Za-z0-9_-]+|\*)\.)*(?:[A-Za-z0-9_-]+|\*|>)$/.test(text)
  const taken = (check: (text: unknown) => string, text: string): boolean => {
    try {
      return check(text) === text
    } catch {
      return false
    }
  }
  const text = fc.oneof(
    fc.string({
      maxLength: 12,
      unit: fc.constantFrom('a', 'Z', '9', '_', '-', '.', '*', '>', ' ', 'é', '\n'),
    }),
    fc.string({
      unit: fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code)),
      maxLength: 20,
    }),
    fc.integer({ min: 195, max: 205 }).map((length) => 'a'.repeat(length)),
    fc.array(fc.constantFrom('a', '*'), { minLength: 14, maxLength: 18 }).map((tokens) => tokens.join('.')),
  )
  fc.assert(
    fc.property(text, (given) => {
      expect([given, taken(checkSubject, given)]).toEqual([given, isSubject(given)])
      expect([given, taken(checkPattern, given)]).toEqual([given, isPattern(given)])
    }),
    { numRuns: 300 },
  )
})

test('a pattern matches what a naive matcher says', () => {
  fc.assert(
    fc.property(smallPattern, smallSubject, (pattern, name) => {
      expect([pattern, name, matches(pattern, name)]).toEqual([pattern, name, naive(pattern, name)])
    }),
    { numRuns: 2_000 },
  )
})

test('one pattern covers another only if it matches each of its subjects', () => {
  fc.assert(
    fc.property(smallPattern, smallPattern, smallSubject, (outer, inner, name) => {
      if (covers(outer, inner) && naive(inner, name)) expect(naive(outer, name)).toBe(true)
    }),
    { numRuns: 2_000 },
  )
  for (const [outer, inner, isCovered] of [
    ['>', '*', true],
    ['>', '>', true],
    ['a.*', 'a.*', true],
    ['a.>', 'a.*.c', true],
    ['a.>', 'a', false],
    ['a.*', 'a.>', false],
    ['*', '>', false],
    ['a.b', 'a.*', false],
  ] as const)
    expect([outer, inner, covers(outer, inner)]).toEqual([outer, inner, isCovered])
})

test('a refusal names the token and what is wrong with it', () => {
  expect(refusal(() => checkSubject('orders..placed'))).toBe(
    'Token 2 of the subject "orders..placed" is empty',
  )
  expect(refusal(() => checkSubject('orders.*'))).toContain('Token 2 of the subject "orders.*" is "*"; only')
  expect(refusal(() => checkSubject('a.b c'))).toContain('Token 2 of the subject "a.b c" is "b c"')
  expect(refusal(() => checkPattern('a.>.b'))).toContain('Token 2 of the pattern "a.>.b" is ">"')
  expect(refusal(() => checkPattern('a.b*'))).toContain('"b*"')
  expect(refusal(() => checkSubject(''))).toContain('is empty')
  expect(refusal(() => checkSubject(7))).toContain('is a string')
  expect(refusal(() => checkSubject(Array(17).fill('a').join('.')))).toContain('17 tokens; 16')
  expect(refusal(() => checkSubject('a'.repeat(201)))).toContain('201 characters; 200')
})
