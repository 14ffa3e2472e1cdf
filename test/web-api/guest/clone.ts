/** structuredClone by the HTML Standard: what is copied, what is refused, what is transferred. */
import { bytes, ok, same, throws, wrong, type Checks } from './expect.ts'

const shape = (value: unknown): string => Object.prototype.toString.call(value)

export const clone: Checks = {
  'structuredClone: primitives, also undefined, -0, NaN and BigInt': () => {
    for (const value of [undefined, null, true, 'x', 1, -0, NaN, 2n ** 70n]) {
      ok(Object.is(structuredClone(value), value))
    }
  },
  'structuredClone: boxed primitives keep their box': () => {
    for (const value of [new Boolean(false), new Number(1), new String('x'), Object(1n) as object]) {
      const copy = structuredClone(value)
      ok(copy !== value)
      same([typeof copy, shape(copy), copy.valueOf()], ['object', shape(value), value.valueOf()])
    }
    throws('DataCloneError', () => structuredClone(Object(Symbol('x'))))
  },
  'structuredClone: dates, invalid ones too': () => {
    same(structuredClone(new Date(5)).getTime(), 5)
    ok(Number.isNaN(structuredClone(new Date(NaN)).getTime()))
  },
  'structuredClone: regular expressions without lastIndex': () => {
    const pattern = /a(b)/giu
    pattern.lastIndex = 3
    const copy = structuredClone(pattern)
    same([copy.source, copy.flags, copy.lastIndex, copy instanceof RegExp], ['a(b)', 'giu', 0, true])
  },
  'structuredClone: maps and sets in their order, with objects inside': () => {
    const key = { k: 1 }
    const copy = structuredClone(
      new Map<unknown, unknown>([
        [key, new Set([1, key])],
        ['b', 2],
      ]),
    )
    const [copiedKey] = copy.keys() as Iterable<object> as [object]
    ok(copiedKey !== key)
    const inner = copy.get(copiedKey) as Set<unknown>
    same([inner.has(copiedKey), copy.get('b')], [true, 2])
  },
  'structuredClone: plain objects by own enumerable string keys, in order': () => {
    const source = Object.create({ inherited: 1 }) as Record<PropertyKey, unknown>
    source['b'] = 1
    source['1'] = 2
    source[Symbol('s')] = 3
    Object.defineProperty(source, 'hidden', { value: 4 })
    const copy = structuredClone(source)
    same([Object.keys(copy), Object.getOwnPropertySymbols(copy).length], [['1', 'b'], 0])
    ok(Object.getPrototypeOf(copy) === Object.prototype)
  },
  'structuredClone: getters are read, and their errors come out': () => {
    same(
      structuredClone({
        get a(): number {
          return 5
        },
      }),
      { a: 5 },
    )
    throws('RangeError', () =>
      structuredClone({
        get a(): number {
          throw new RangeError('mine')
        },
      }),
    )
  },
  'structuredClone: a property called __proto__ stays a property': () => {
    const copy = structuredClone(JSON.parse('{"__proto__": 1}')) as object
    same(Object.keys(copy), ['__proto__'])
  },
  'structuredClone: arrays keep length, holes and extra properties': () => {
    const source = Object.assign([1, 2, 3], { extra: 'x' }) as unknown[]
    Reflect.deleteProperty(source, 1)
    source.length = 5
    const copy = structuredClone(source) as unknown[] & { extra: string }
    same([copy.length, 1 in copy, copy.extra, Array.isArray(copy)], [5, false, 'x', true])
  },
  'structuredClone: cycles and shared references': () => {
    const source: Record<string, unknown> = { list: [] }
    source['self'] = source
    source['again'] = source['list']
    const copy = structuredClone(source)
    ok(copy['self'] === copy && copy['again'] === copy['list'] && copy !== source)
  },
  'structuredClone: instances of classes become plain objects': () => {
    class Mine {
      a = 1
      #b = 2
      b(): number {
        return this.#b
      }
    }
    const copy = structuredClone(new Mine())
    same([copy instanceof Mine, Object.keys(copy)], [false, ['a']])
  },
  'structuredClone: buffers and views, with views of one buffer staying so': () => {
    const { buffer } = bytes(1, 2, 3, 4)
    const copy = structuredClone({
      one: new Uint8Array(buffer, 1, 2),
      other: new DataView(buffer, 2),
      buffer,
    })
    same([copy.one, copy.other.byteOffset], [bytes(2, 3), 2])
    ok(copy.one.buffer === copy.buffer && copy.other.buffer === copy.buffer && copy.buffer !== buffer)
  },
  'structuredClone: every kind of typed array': () => {
    for (const Type of [
      Int8Array,
      Uint8Array,
      Uint8ClampedArray,
      Int16Array,
      Uint16Array,
      Int32Array,
      Uint32Array,
      Float32Array,
      Float64Array,
    ]) {
      same(structuredClone(new Type([1, 2])), new Type([1, 2]))
    }
    same(structuredClone(new BigInt64Array([-1n])), new BigInt64Array([-1n]))
  },
  'structuredClone: a resizable buffer keeps its maximum': () => {
    const source = new (ArrayBuffer as new (size: number, options: object) => ArrayBuffer)(2, {
      maxByteLength: 8,
    })
    const copy = structuredClone(source) as ArrayBuffer & { resizable: boolean; maxByteLength: number }
    same([copy.byteLength, copy.resizable, copy.maxByteLength], [2, true, 8])
  },
  'structuredClone: errors keep type, message and cause, not other properties': () => {
    const source = Object.assign(new RangeError('m', { cause: { c: 1 } }), { extra: 1 })
    const copy = structuredClone(source)
    ok(copy instanceof RangeError)
    same([copy.name, copy.message, copy.cause, 'extra' in copy], ['RangeError', 'm', { c: 1 }, false])
    ok(!Object.keys(copy).includes('message'))
  },
  'structuredClone: an error of an unknown name becomes an Error': () => {
    class Mine extends Error {
      override name = 'Mine'
    }
    const copy = structuredClone(new Mine('m'))
    same([copy.name, Object.getPrototypeOf(copy) === Error.prototype], ['Error', true])
  },
  'structuredClone: a DOMException': () => {
    const copy = structuredClone(new DOMException('m', 'AbortError'))
    same([copy instanceof DOMException, copy.name, copy.message, copy.code], [true, 'AbortError', 'm', 20])
  },
  'structuredClone: a Blob and a File': async () => {
    const copy = structuredClone(new File(['x'], 'n', { type: 'a/b', lastModified: 3 }))
    same(
      [copy instanceof File, copy.name, copy.type, copy.lastModified, await copy.text()],
      [true, 'n', 'a/b', 3, 'x'],
    )
  },
  'structuredClone: functions, symbols, weak collections, promises are a DataCloneError': () => {
    for (const value of [
      () => 1,
      Symbol('x'),
      new WeakMap(),
      new WeakSet(),
      Promise.resolve(),
      new WeakRef({}),
    ]) {
      throws('DataCloneError', () => structuredClone(value))
      throws('DataCloneError', () => structuredClone({ deep: [value] }))
    }
  },
  'structuredClone: platform objects that are not serialisable are a DataCloneError': () => {
    for (const value of [
      new Headers(),
      new Request('https://a.b/'),
      new Response(),
      new URL('https://a.b/'),
      new Event('x'),
      new FormData(),
      new URLSearchParams(),
    ]) {
      throws('DataCloneError', () => structuredClone(value))
    }
  },
  'structuredClone: a Proxy is a DataCloneError': () => {
    throws('DataCloneError', () => structuredClone(new Proxy({ a: 1 }, {})))
  },
  'structuredClone: generators and iterators are a DataCloneError': () => {
    const made = (function* (): Generator<number> {
      yield 1
    })()
    throws('DataCloneError', () => structuredClone(made))
    throws('DataCloneError', () => structuredClone([1].values()))
  },
  'structuredClone: too few arguments are a TypeError': () =>
    throws('TypeError', () => Reflect.apply(structuredClone, undefined, [])),
  'structuredClone: transfer moves an ArrayBuffer': () => {
    const { buffer } = bytes(1, 2)
    const copy = structuredClone({ buffer }, { transfer: [buffer] })
    same([buffer.byteLength, copy.buffer], [0, bytes(1, 2).buffer])
  },
  'structuredClone: transfer of what is not in the value detaches it all the same': () => {
    const { buffer } = bytes(1)
    same([structuredClone(1, { transfer: [buffer] }), buffer.byteLength], [1, 0])
  },
  'structuredClone: views of a transferred buffer come along': () => {
    const view = bytes(1, 2, 3).subarray(1)
    const copy = structuredClone(view, { transfer: [view.buffer] })
    same([copy, copy.buffer.byteLength, view.length], [bytes(2, 3), 3, 0])
  },
  'structuredClone: transferring twice, a detached buffer or no transferable is a DataCloneError': () => {
    const { buffer } = bytes(1)
    throws('DataCloneError', () => structuredClone(1, { transfer: [buffer, buffer] }))
    throws('DataCloneError', () => structuredClone(1, { transfer: [wrong({})] }))
    structuredClone(1, { transfer: [buffer] })
    throws('DataCloneError', () => structuredClone(1, { transfer: [buffer] }))
    throws('DataCloneError', () => structuredClone(buffer))
  },
  'structuredClone: nothing is transferred when the value cannot be cloned': () => {
    const { buffer } = bytes(1)
    throws('DataCloneError', () => structuredClone(() => 1, { transfer: [buffer] }))
    same(buffer.byteLength, 1)
  },
  'structuredClone: transfer of a MessagePort': () => {
    const { port1 } = new MessageChannel()
    const copy = structuredClone({ port: port1 }, { transfer: [port1] })
    ok(copy.port instanceof MessagePort && copy.port !== port1)
    throws('DataCloneError', () => structuredClone(new MessageChannel().port1))
  },
  'structuredClone: transfer of a ReadableStream, WritableStream or TransformStream': () => {
    const readable = new ReadableStream()
    ok(structuredClone(readable, { transfer: [readable] }) instanceof ReadableStream)
    const writable = new WritableStream()
    ok(structuredClone(writable, { transfer: [writable] }) instanceof WritableStream)
  },
}
