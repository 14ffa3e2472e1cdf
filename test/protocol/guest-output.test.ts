/** What a guest says is hostile: it is either understood exactly or ends in ProtocolViolation, and in nothing else. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { BODY, FROM_GUEST } from '../../guest-sdk/kernel/messages.ts'
import { readOutput, type OutputHandler } from '../../host/cells/guest-output.ts'
import { ProtocolViolation } from '../../sandbox/protocol/frame-reader.ts'

function read(text: string): unknown[][] {
  const calls: unknown[][] = []
  const handler = new Proxy({} as OutputHandler, {
    get:
      (_, name) =>
      (...args: unknown[]) =>
        void calls.push([name, ...args]),
  })
  readOutput(text, handler)
  return calls
}

const said = (messages: unknown, bodies = ''): string => `${JSON.stringify(messages)}\n${bodies}`

test('every message reaches its handler, with its body', () => {
  const error = JSON.stringify({ name: 'E', message: 'm', stack: 's', code: 'c', more: 1 })
  const text = said(
    [
      [FROM_GUEST.response, 1, 201, ['a', 'b'], BODY.text, 3, 1],
      [FROM_GUEST.value, 2, BODY.text, 4, 0],
      [FROM_GUEST.value, 3, BODY.none, 0, 1],
      [FROM_GUEST.threw, 4, error.length, 0],
      [FROM_GUEST.data, 5, BODY.bytes, 2],
      [FROM_GUEST.end, 5, 1],
      [FROM_GUEST.settled, 1],
      [FROM_GUEST.credit, 6, 99],
      [FROM_GUEST.timer, 1_700_000_000_000],
      [FROM_GUEST.response, 7, 101, [], BODY.none, 0, 0],
      [FROM_GUEST.message, 7, BODY.text, 1],
      [FROM_GUEST.message, 7, BODY.stream, 9],
      [FROM_GUEST.close, 7, 1000, 1],
    ],
    `hiütrue${error}\u0000ÿab`,
  )
  expect(read(text)).toEqual([
    ['response', 1, 201, ['a', 'b'], BODY.text, 'hiü', true],
    ['value', 2, 'true', false],
    ['value', 3, undefined, true],
    ['threw', 4, { name: 'E', message: 'm', stack: 's', code: 'c' }, false],
    ['data', 5, '\u0000ÿ', BODY.bytes],
    ['end', 5, true],
    ['settled', 1],
    ['credit', 6, 99],
    ['timer', 1_700_000_000_000],
    ['response', 7, 101, [], BODY.none, '', false],
    ['message', 7, BODY.text, 'a', 1],
    ['message', 7, BODY.stream, '', 9],
    ['close', 7, 1000, 'b'],
  ])
})

describe('a violation', () => {
  test.each<[string, string]>([
    ['no newline', '[]'],
    ['no JSON', 'nonsense\n'],
    ['no list', '{}\n'],
    ['a message that is no list', said([1])],
    ['an unknown number', said([[99, 1]])],
    ['no number', said([[]])],
    ['an id below zero', said([[FROM_GUEST.settled, -1]])],
    ['an id that is no integer', said([[FROM_GUEST.settled, 1.5]])],
    ['an id that is text', said([[FROM_GUEST.settled, '1']])],
    ['a body that is not there', said([[FROM_GUEST.data, 1, BODY.text, 5]], '1234')],
    ['a size that overflows', said([[FROM_GUEST.data, 1, BODY.text, Number.MAX_SAFE_INTEGER]], 'x')],
    ['an unknown body', said([[FROM_GUEST.data, 1, 9, 0]])],
    ['a status that is none', said([[FROM_GUEST.response, 1, 102, [], 0, 0, 0]])],
    ['an upgrade with a body', said([[FROM_GUEST.response, 1, 101, [], BODY.text, 1, 0]], 'x')],
    ['a message of an unknown kind', said([[FROM_GUEST.message, 1, 9, 1]], 'x')],
    ['a message that is not there', said([[FROM_GUEST.message, 1, BODY.bytes, 9]], 'x')],
    ['a close with a reserved code', said([[FROM_GUEST.close, 1, 1006, 0]])],
    ['a close with a code beyond all', said([[FROM_GUEST.close, 1, 5000, 0]])],
    ['a close with a long reason', said([[FROM_GUEST.close, 1, 1000, 62]], 'ü'.repeat(62))],
    ['a status over 599', said([[FROM_GUEST.response, 1, 600, [], 0, 0, 0]])],
    ['a header without value', said([[FROM_GUEST.response, 1, 200, ['a'], 0, 0, 0]])],
    ['a header name with a space', said([[FROM_GUEST.response, 1, 200, ['a b', ''], 0, 0, 0]])],
    [
      'a header that ends the line',
      said([[FROM_GUEST.response, 1, 200, ['a', 'b\r\nset-cookie: x'], 0, 0, 0]]),
    ],
    ['a header beyond latin1', said([[FROM_GUEST.response, 1, 200, ['a', '€'], 0, 0, 0]])],
    ['a header value that is no text', said([[FROM_GUEST.response, 1, 200, ['a', {}], 0, 0, 0]])],
    ['an error that is no JSON', said([[FROM_GUEST.threw, 1, 3, 0]], '{{{')],
    ['an error that is null', said([[FROM_GUEST.threw, 1, 4, 0]], 'null')],
  ])('is %s', (_, text) => {
    expect(() => read(text)).toThrow(ProtocolViolation)
  })
})

test('any messages at all are understood or are a violation', () => {
  const number = fc.oneof(
    fc.integer({ min: -1, max: 9 }),
    fc.double(),
    fc.constantFrom(200, 204, 599, 2 ** 53),
  )
  const part = fc.oneof(number, fc.jsonValue(), fc.array(fc.string({ maxLength: 3 }), { maxLength: 4 }))
  const message = fc
    .tuple(fc.integer({ min: -1, max: 12 }), fc.array(part, { maxLength: 7 }))
    .map(([kind, rest]) => [kind].concat(rest as never))
  fc.assert(
    fc.property(
      fc.array(fc.oneof(message, fc.jsonValue()), { maxLength: 5 }),
      fc.string(),
      (messages, bodies) => {
        try {
          for (const [name, id] of read(said(messages, bodies))) {
            expect(Object.keys(FROM_GUEST)).toContain(name)
            expect(Number.isSafeInteger(id)).toBe(true)
          }
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(ProtocolViolation)
        }
      },
    ),
    { numRuns: 1000 },
  )
})

test('any text at all is understood or is a violation', () => {
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      try {
        read(Buffer.from(bytes).toString('latin1'))
      } catch (thrown) {
        expect(thrown).toBeInstanceOf(ProtocolViolation)
      }
    }),
    { numRuns: 200 },
  )
})

test('a prototype in the JSON of an error is a field like any other', () => {
  const error = '{"__proto__":{"name":"Evil"},"message":"m"}'
  expect(read(said([[FROM_GUEST.threw, 1, error.length, 0]], error))).toEqual([
    ['threw', 1, { name: 'Error', message: 'm' }, false],
  ])
})
