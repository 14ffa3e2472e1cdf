import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decodeValue, encodeValue } from '../../guest-sdk/async/codec.ts'
import {
  checkText,
  cloudEventText,
  fromCloudEvent,
  parseCloudEvent,
  type EncodedEvent,
} from '../../guest-sdk/events/cloud-event.ts'
import { EventError } from '../../guest-sdk/events/event.ts'

const EVENT: EncodedEvent = {
  id: 'e-1',
  subject: 'orders.placed',
  source: 'acme/shop',
  timeMs: Date.UTC(2026, 0, 2, 3, 4, 5, 6),
  key: null,
  headers: {},
  depth: 0,
  text: '{"sku":"x"}',
}
const MINIMAL = { specversion: '1.0', id: '1', source: '/a', type: 'a.b' }

const written = (event: EncodedEvent): unknown => JSON.parse(cloudEventText(event))

const read = (changes: object): ReturnType<typeof fromCloudEvent> =>
  fromCloudEvent({ ...MINIMAL, ...changes }, 42)

const refusal = (work: () => unknown): [string, string] => {
  try {
    work()
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(EventError)
    return [(thrown as EventError).code, (thrown as EventError).message]
  }
  throw new Error('it was not refused')
}

test('an event is a CloudEvent 1.0 with its subject as type and its key as subject and partitionkey', () => {
  expect(written({ ...EVENT, key: 'order-1', headers: { traceparent: 'x' } })).toEqual({
    specversion: '1.0',
    id: 'e-1',
    source: '/acme/shop',
    type: 'orders.placed',
    time: '2026-01-02T03:04:05.006Z',
    datacontenttype: 'application/json',
    subject: 'order-1',
    partitionkey: 'order-1',
    traceparent: 'x',
    veladepth: 0,
    data: { sku: 'x' },
  })
})

test('data that JSON cannot say travels as the text of the codec, under a type of its own', () => {
  const text = encodeValue({ when: new Date(5) })
  const event = written({ ...EVENT, text })
  expect(event).toMatchObject({ datacontenttype: 'application/vela+json', data: text })
  const back = fromCloudEvent(event, 0)
  expect(decodeValue(back.text as string)).toEqual({ when: new Date(5) })
})

test('an event comes back as it was, whatever it holds', () => {
  const word = fc.stringMatching(/^[a-z0-9]{1,20}$/)
  const event = fc.record({
    id: fc.stringMatching(/^[\x21-\x7e]{1,40}$/),
    subject: fc.constantFrom('a', 'orders.placed', 'A_b-c.9'),
    source: fc.constantFrom('host', 'acme/shop', 'https://example.com/x', 'urn:x:y'),
    timeMs: fc.integer({ min: 0, max: 4_000_000_000_000 }),
    key: fc.option(fc.stringMatching(/^[ -~é]{1,20}$/)),
    headers: fc.dictionary(
      word.filter(
        (name) =>
          !/^(?:data|datacontenttype|id|partitionkey|source|specversion|subject|time|type|veladepth)$/.test(
            name,
          ),
      ),
      fc.stringMatching(/^[ -~]{0,20}$/),
      { maxKeys: 16, noNullPrototype: true },
    ),
    depth: fc.nat(20),
    text: fc
      .oneof(
        fc.jsonValue(),
        fc.constant(undefined),
        fc.date({ noInvalidDate: true }),
        fc.bigInt(),
        fc.uint8Array(),
      )
      .map((value) => encodeValue(value)),
  })
  fc.assert(
    fc.property(event, (given) => {
      const { text, data, ...fields } = parseCloudEvent(cloudEventText(given), 0)
      const { text: expected, ...expectedFields } = given
      expect(fields).toEqual(expectedFields)
      expect(text ?? encodeValue(data)).toBe(expected)
    }),
  )
})

test('a text that is no JSON can smuggle in nothing that Vela says, and at worst is no event', () => {
  const forged = {
    ...EVENT,
    text: '1,"source":"/globex/bank","id":"forged","type":"x","veladepth":0,"time":null',
  }
  expect(parseCloudEvent(cloudEventText({ ...forged, depth: 7 }), 0)).toMatchObject({
    source: 'acme/shop',
    id: 'e-1',
    subject: 'orders.placed',
    timeMs: EVENT.timeMs,
    depth: 7,
  })
  for (const text of ['}', '1}', '1,"data_base64":"AAAA"', '1,"data":"x","specversion":"2.0"}, {"a":', ''])
    try {
      const parsed = parseCloudEvent(cloudEventText({ ...EVENT, text }), 0)
      expect(parsed).toMatchObject({ source: 'acme/shop', id: 'e-1', subject: 'orders.placed' })
    } catch (thrown) {
      expect((thrown as EventError).code).toBe('VELA_EVENT_INVALID')
    }
})

test('what is left out has its meaning: no time is now, no data is undefined, the subject is the key', () => {
  expect(read({})).toEqual({
    id: '1',
    subject: 'a.b',
    source: 'a',
    timeMs: 42,
    key: null,
    headers: {},
    depth: 0,
    text: '$["undefined"]',
    data: undefined,
  })
  expect(read({ subject: 'k' }).key).toBe('k')
  expect(read({ subject: 'k', partitionkey: 'p' }).key).toBe('p')
  expect(read({ data: null }).data).toBeNull()
  expect(read({ data_base64: 'AQI=' }).data).toEqual(new Uint8Array([1, 2]))
  expect(read({ time: '2026-01-02t03:04:05+01:00' }).timeMs).toBe(Date.UTC(2026, 0, 2, 2, 4, 5))
  expect(read({ count: 3, flag: true, dataschema: 'urn:x' }).headers).toEqual({
    count: '3',
    flag: 'true',
    dataschema: 'urn:x',
  })
  for (const datacontenttype of [
    'application/json',
    'application/json; charset=utf-8',
    'application/foo+json',
  ])
    expect(read({ datacontenttype, data: { a: 1 } }).data).toEqual({ a: 1 })
})

test.each([
  [{ specversion: '0.3' }, 'specversion'],
  [{ id: undefined }, 'id'],
  [{ id: 'x'.repeat(129) }, 'id'],
  [{ id: 7 }, 'id'],
  [{ source: '' }, 'source'],
  [{ time: 'yesterday' }, 'time'],
  [{ time: '2026-02-30T00:00:00Z' }, 'time'],
  [{ time: 5 }, 'time'],
  [{ subject: 'a\u0000b' }, 'key'],
  [{ partitionkey: 7 }, 'key'],
  [{ datacontenttype: 'text/plain', data: 'x' }, 'datacontenttype'],
  [{ datacontenttype: 7 }, 'datacontenttype'],
  [{ datacontenttype: 'application/vela+json', data: 1 }, 'string'],
  [{ data: 1, data_base64: 'AA==' }, 'data_base64'],
  [{ data_base64: '!' }, 'data_base64'],
  [{ veladepth: -1 }, 'veladepth'],
  [{ veladepth: '1' }, 'veladepth'],
  [{ Upper: 'x' }, 'Upper'],
  [{ nested: {} }, 'nested'],
  [{ half: 0.5 }, 'half'],
  [{ long: 'x'.repeat(257) }, 'long'],
  [JSON.parse('{"__proto__": "x"}') as object, '__proto__'],
  [Object.fromEntries(Array.from({ length: 17 }, (_, index) => [`h${index}`, ''])), '17 headers'],
])('%j is refused, and named', (changes, named) => {
  const [code, message] = refusal(() => fromCloudEvent({ ...MINIMAL, ...changes, ...protoOf(changes) }, 0))
  expect(code).toBe('VELA_EVENT_INVALID')
  expect(message).toContain(named)
})

/** A spread would set the prototype instead. */
const protoOf = (changes: object): object =>
  Object.hasOwn(changes, '__proto__') ? Object.fromEntries([['__proto__', 'x']]) : {}

test('what is no event at all is refused, and bad subjects and sizes by their own codes', () => {
  for (const text of ['', 'null', '[]', '"x"', '{"a"', '7'])
    expect(refusal(() => parseCloudEvent(text, 0))[0]).toBe('VELA_EVENT_INVALID')
  expect(refusal(() => read({ type: 'a b' }))[0]).toBe('VELA_EVENT_BAD_SUBJECT')
  const large = { datacontenttype: 'application/vela+json', data: `$"${'x'.repeat(256 * 1024)}"` }
  expect(refusal(() => read(large))[0]).toBe('VELA_EVENT_TOO_LARGE')
  expect(refusal(() => checkText('$["nonsense"]'))[0]).toBe('VELA_EVENT_INVALID')
  checkText('$["undefined"]')
})
