/** What is sent arrives as it was, or is refused by the name of its place. */
import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { DataCloneError, cloneValue, decodeValue, encodeValue } from '../../guest-sdk/async/codec.ts'
import { json, values } from './values.ts'

const WAYS = [
  ['encoding', (value: unknown): unknown => decodeValue(encodeValue(value))],
  ['copying', (value: unknown): unknown => cloneValue(value)],
] as const

const refusal = (act: () => unknown): string => {
  try {
    act()
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(DataCloneError)
    expect(thrown).toMatchObject({ name: 'DataCloneError', code: 'VELA_VALUE_NOT_CLONEABLE' })
    return (thrown as Error).message
  }
  return 'accepted'
}

describe.each(WAYS)('%s', (_, send) => {
  test('gives back the value, whatever it is made of', () => {
    fc.assert(
      fc.property(values, (value) => {
        if (!isDeepStrictEqual(send(value), value)) expect(send(value)).toStrictEqual(value)
      }),
      { numRuns: 400 },
    )
  })

  test('gives a value of its own, down to the bytes', () => {
    const inner = { list: [{ a: 1 }], bytes: new Uint8Array([1, 2, 3]).subarray(1) }
    const copy = send(inner) as typeof inner
    copy.list[0] = { a: 2 }
    copy.bytes[0] = 9
    expect(inner).toEqual({ list: [{ a: 1 }], bytes: new Uint8Array([2, 3]) })
    expect(copy.bytes.buffer.byteLength).toBe(2)
  })

  test('takes what shows itself as plain for plain: null prototypes, proxies, getters, frozen objects', () => {
    const odd = Object.freeze({
      bare: Object.assign(Object.create(null), { x: 1 }) as object,
      proxy: new Proxy({ y: [1] }, {}),
      get late() {
        return 'read'
      },
      [Symbol('left behind')]: 1,
    })
    expect(send(odd)).toStrictEqual({ bare: { x: 1 }, proxy: { y: [1] }, late: 'read' })
    expect(Reflect.ownKeys(send(odd) as object)).toEqual(['bare', 'proxy', 'late'])
  })

  test('makes an own property of __proto__, and no prototype', () => {
    for (const value of [
      JSON.parse('{"__proto__":{"admin":true}}'),
      JSON.parse('{"a":{"__proto__":1},"b":0}'),
    ]) {
      const copy = send(Object.assign([value], {}))
      expect(copy).toStrictEqual([value])
    }
    expect(send(new Map([['k', JSON.parse('{"__proto__":{"x":1}}')]]))).toStrictEqual(
      new Map([['k', JSON.parse('{"__proto__":{"x":1}}')]]),
    )
    expect({}).not.toHaveProperty('admin')
  })

  test('keeps what an error says, and leaves where it was made behind', () => {
    const cause = Object.assign(new RangeError('too far'), { code: 'E_FAR' })
    const error = new AggregateError([new Error('one'), 2], 'all', { cause })
    const copy = send(error) as AggregateError
    expect(copy).toBeInstanceOf(AggregateError)
    expect(copy).toMatchObject({
      message: 'all',
      errors: [new Error('one'), 2],
      cause: { message: 'too far', code: 'E_FAR' },
    })
    expect(copy.cause).toBeInstanceOf(RangeError)
    expect(copy.stack).not.toContain('codec.test')
  })

  test.each<[string, unknown]>([
    ['value.items[2] is a function', { items: [1, {}, () => 1] }],
    ['value is a symbol', Symbol('s')],
    ['value.a["odd name"] is a symbol', { a: { 'odd name': Symbol('s') } }],
    ['value.get("k").f is a function', new Map([['k', { f: () => 1 }]])],
    ['value.keys()[0] is a function', new Map([[() => 1, 1]])],
    ['value.values()[1] is a function', new Set([1, () => 1])],
    ['value.cause.x is a symbol', new Error('e', { cause: { x: Symbol('s') } })],
    ['value[0] is a promise (is an await missing?)', [Promise.resolve(1)]],
    ['value.w is an instance of WeakMap', { w: new WeakMap() }],
    ['value.url is an instance of URL', { url: new URL('http://a.example') }],
    [
      'value is an instance of Secret',
      new (class Secret {
        #held = 1
        get held(): number {
          return this.#held
        }
      })(),
    ],
    ['value is an instance of Map', Object.create(Map.prototype)],
    ['value is an instance of Generator', (function* () {})()],
  ])('refuses: %s', (what, value) => {
    expect(refusal(() => send(value))).toBe(`${what.replace('Generator', 'a class')} and cannot be sent`)
  })

  test('refuses cycles, however they go, and takes what only occurs twice', () => {
    const own: Record<string, unknown> = { a: { b: [] } }
    ;(own['a'] as { b: unknown[] }).b.push({ back: own['a'] })
    expect(refusal(() => send(own))).toBe('value.a.b[0].back is value.a again (a cycle) and cannot be sent')
    const map = new Map<string, unknown>()
    map.set('self', map)
    expect(refusal(() => send(map))).toBe('value.get("self") is value again (a cycle) and cannot be sent')
    const shared = { x: 1 }
    expect(send([shared, shared, new Set([shared])])).toStrictEqual([shared, shared, new Set([shared])])
  })

  test('takes 1,000 levels and refuses one more', () => {
    const nested = (levels: number): unknown => {
      let value: unknown = 'core'
      for (let level = 0; level < levels; level++) value = level % 2 === 0 ? [value] : { v: value }
      return value
    }
    expect(send(nested(1000))).toStrictEqual(nested(1000))
    expect(refusal(() => send(nested(1001)))).toMatch(
      /is nested more than 1000 levels deep and cannot be sent$/,
    )
  })

  test('names what cannot be read, with what it threw as cause', () => {
    const { proxy, revoke } = Proxy.revocable({}, {})
    revoke()
    expect(refusal(() => send({ p: [proxy] }))).toBe('value.p[0] cannot be read, and so cannot be sent')
    const failing = {
      get price(): number {
        throw new RangeError('sold out')
      },
    }
    expect(refusal(() => send({ failing }))).toBe('value.failing.price cannot be read, and so cannot be sent')
    try {
      send(failing)
    } catch (thrown) {
      expect((thrown as Error).cause).toEqual(new RangeError('sold out'))
    }
  })

  test('asks no toJSON', () => {
    const forged = { toJSON: 'a name like any other', date: new Date(5) }
    expect(send(forged)).toStrictEqual(forged)
    const hidden = Object.defineProperty({ a: 1 }, 'toJSON', { value: () => ({ forged: true }) })
    expect(send(hidden)).toStrictEqual({ a: 1 })
  })
})

describe('the text', () => {
  test('of plain JSON data is its JSON', () => {
    fc.assert(
      fc.property(json, (value) => {
        expect(encodeValue(value)).toBe(JSON.stringify(value))
      }),
    )
  })

  test('never has a newline, and of everything else begins with a dollar', () => {
    fc.assert(
      fc.property(values, (value) => {
        const text = encodeValue(value)
        expect(text).not.toMatch(/[\n\r]/)
        if (text.startsWith('$')) expect(() => JSON.parse(text.slice(1)) as unknown).not.toThrow()
        else expect(JSON.parse(text)).toStrictEqual(value)
      }),
    )
  })

  test('stays readable: what is stored today must be decoded tomorrow', () => {
    const stored: readonly (readonly [string, unknown])[] = [
      ['{"a":[1,null]}', { a: [1, null] }],
      ['$["undefined"]', undefined],
      ['${"a":["",1,["number","-0"]]}', { a: [1, -0] }],
      ['$["sparse",3,1,"x"]', Object.assign(Array.from({ length: 0 }), { length: 3, 1: 'x' })],
      ['$["bigint","-12"]', -12n],
      ['$["date",5]', new Date(5)],
      ['$["date",null]', new Date(NaN)],
      ['$["map","k",["set",1]]', new Map([['k', new Set([1])]])],
      ['$["bytes","AQI="]', new Uint8Array([1, 2])],
      ['$["buffer","AQI="]', new Uint8Array([1, 2]).buffer],
      ['$["view","Uint16Array","AQI="]', new Uint16Array([513])],
      ['$["regexp","a+","g"]', /a+/g],
      [
        '$["error","TypeError","no","code","E","cause",["undefined"]]',
        Object.assign(new TypeError('no', { cause: undefined }), { code: 'E' }),
      ],
    ]
    for (const [text, value] of stored) {
      expect(decodeValue(text)).toStrictEqual(value)
      expect(encodeValue(value)).toBe(text)
    }
  })
})
