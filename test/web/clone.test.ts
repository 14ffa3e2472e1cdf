/** structuredClone of every kind of value, against Node's own. */
import { afterAll, expect, test } from 'vitest'
import { createGuest } from './harness.ts'

const guest = createGuest()
afterAll(() => guest.close())

/** Runs in the guest and here; both must say the same. */
const expectLikeNode = async (work: () => unknown): Promise<void> => {
  const theirs: unknown = JSON.parse(JSON.stringify(work()))
  expect(await guest.run(work as () => never)).toEqual(theirs)
}

test('primitives, boxes, dates, expressions and collections', () =>
  expectLikeNode(() => {
    const sparse: unknown[] = [1, , 3]
    ;(sparse as unknown as Record<string, unknown>)['extra'] = 'x'
    const pattern = /a(?<n>b)/dgimsy
    pattern.lastIndex = 5
    const copy = structuredClone({
      values: [undefined, null, true, -0, NaN, 'a\ud800', 12n].map((value) => [value]),
      boxes: [Object(1), Object(false), Object('s'), Object(2n)] as unknown[],
      invalid: new Date(NaN),
      pattern,
      sparse,
      map: new Map<unknown, unknown>([[NaN, new Set([[1]])]]),
      order: { b: 1, 2: 2, a: 3, 1: 4 },
      hidden: Object.defineProperty({ shown: 1 }, 'secret', { value: 1, enumerable: false }),
      bare: Object.assign(Object.create(null) as object, { x: 1 }),
      instance: new (class Own {
        field = 1
        get computed(): number {
          return 2
        }
      })(),
    })
    const isMinusZero = Object.is(copy.values[3]![0], -0)
    return [
      copy.values.map(([value]) => typeof value),
      isMinusZero,
      copy.boxes.map((box) => Object.prototype.toString.call(box) + String(box)),
      Number.isNaN(copy.invalid.getTime()),
      [String(copy.pattern), copy.pattern.lastIndex],
      [copy.sparse.length, 1 in copy.sparse, Object.keys(copy.sparse)],
      [...(copy.map.get(NaN) as Set<unknown>)],
      Object.keys(copy.order),
      Object.getOwnPropertyNames(copy.hidden),
      Object.getPrototypeOf(copy.bare) === Object.prototype,
      [Object.getPrototypeOf(copy.instance) === Object.prototype, Object.keys(copy.instance)],
    ]
  }))

test('buffers and views keep what they share', () =>
  expectLikeNode(() => {
    const buffer = new ArrayBuffer(16)
    new Uint8Array(buffer).set([1, 2, 3, 4, 5, 6, 7, 8])
    const resizable = new ArrayBuffer(2, { maxByteLength: 8 })
    const value = {
      buffer,
      bytes: new Uint8Array(buffer, 2, 3),
      floats: new Float64Array(buffer, 8),
      big: new BigInt64Array(buffer, 0, 1),
      clamped: new Uint8ClampedArray(buffer, 1, 1),
      data: new DataView(buffer, 4, 2),
      resizable,
    }
    const copy = structuredClone(value)
    copy.bytes[0] = 99
    return [
      copy.bytes.buffer === copy.buffer && copy.data.buffer === copy.buffer && copy.buffer !== buffer,
      [new Uint8Array(copy.buffer)[2], new Uint8Array(buffer)[2]],
      [...copy.bytes],
      [copy.floats.length, String(copy.big[0]), copy.clamped[0], copy.data.byteOffset, copy.data.byteLength],
      Object.prototype.toString.call(copy.clamped),
      [copy.resizable.resizable, copy.resizable.maxByteLength, copy.resizable.byteLength],
    ]
  }))

test('errors keep their kind, message and cause, and nothing else', () =>
  expectLikeNode(() => {
    class Own extends RangeError {
      code = 5
    }
    const named = new Error('named')
    named.name = 'Own'
    const cyclic = new Error('cycle')
    cyclic.cause = cyclic
    const copies = structuredClone([
      new Own('own'),
      named,
      new SyntaxError('s', { cause: { x: 1 } }),
      new AggregateError([1], 'many'),
      new Error(),
      cyclic,
    ]) as (Error & { code?: number })[]
    const exception = structuredClone(new DOMException('dom', 'AbortError'))
    return [
      copies
        .slice(0, 5)
        .map((error) => [
          Object.getPrototypeOf(error) === globalThis[error.name as 'Error'].prototype,
          error.name,
          error.message,
          error.code,
          error.cause,
          Object.hasOwn(error, 'message'),
        ]),
      copies[5]!.cause === copies[5],
      [exception instanceof DOMException, exception.name, exception.message, exception.code],
    ]
  }))

test('what has no copy is a DataCloneError, also where Node makes an empty object of it', async () => {
  const cloned = await guest.run(() => {
    const values: [string, () => unknown][] = [
      ['function', () => () => 0],
      ['symbol', () => Symbol('s')],
      ['boxed symbol', () => Object(Symbol('s'))],
      ['promise', () => Promise.resolve()],
      ['weak map', () => new WeakMap()],
      ['weak set', () => new WeakSet()],
      ['weak reference', () => new WeakRef({})],
      ['generator', () => (function* () {})()],
      ['async generator', () => (async function* () {})()],
      ['iterator of an array', () => [].values()],
      ['iterator of a map', () => new Map().keys()],
      ['formatter', () => new Intl.NumberFormat('en')],
      ['headers', () => new Headers()],
      ['iterator of headers', () => new Headers().keys()],
      ['url', () => new URL('http://a.b')],
      ['params', () => new URLSearchParams()],
      ['request', () => new Request('http://a.b')],
      ['response', () => new Response()],
      ['response body', () => new Response('x').body],
      ['stream', () => new ReadableStream()],
      ['writable', () => new WritableStream()],
      ['reader', () => new ReadableStream().getReader()],
      ['form', () => new FormData()],
      ['signal', () => AbortSignal.abort()],
      ['controller', () => new AbortController()],
      ['event', () => new Event('x')],
      ['target', () => new EventTarget()],
      ['decoder', () => new TextDecoder()],
      ['crypto', () => crypto],
      ['port that is not transferred', () => new MessageChannel().port1],
      ['compression', () => new CompressionStream('gzip')],
      [
        'detached buffer',
        () => {
          const buffer = new ArrayBuffer(1)
          structuredClone(buffer, { transfer: [buffer] })
          return buffer
        },
      ],
    ]
    return values.flatMap(([name, make]) => {
      try {
        structuredClone({ value: make() })
        return name
      } catch (error) {
        return (error as Error).name === 'DataCloneError' ? [] : `${name}: ${String(error)}`
      }
    })
  })
  expect(cloned).toEqual([])
})

test('transfer detaches, answers in place, and does nothing when anything is refused', () =>
  expectLikeNode(() => {
    const attempt = (fn: () => unknown): string => {
      try {
        fn()
        return 'fine'
      } catch (error) {
        return (error as Error).name
      }
    }
    const buffer = new ArrayBuffer(8)
    const view = new Uint8Array(buffer, 4).fill(7)
    const kept = new ArrayBuffer(3)
    const refused = [
      attempt(() => structuredClone(() => 0, { transfer: [kept] })),
      attempt(() => structuredClone(kept, { transfer: [kept, kept] })),
      attempt(() => structuredClone(0, { transfer: [kept, {}] as never })),
      attempt(() => structuredClone(0, { transfer: [1] as never })),
      attempt(() => structuredClone(0, { transfer: 1 as never })),
      attempt(() => structuredClone(0, 1 as never)),
      attempt(() => structuredClone(0, null as never)),
      attempt(() => Reflect.apply(structuredClone, undefined, [])),
    ]
    const copy = structuredClone({ view, again: view }, { transfer: [buffer] })
    const unused = new ArrayBuffer(5)
    structuredClone(1, { transfer: [unused] })
    const { port1, port2 } = new MessageChannel()
    const moved = structuredClone({ deep: [port1] }, { transfer: [port1] })
    port1.close()
    port2.close()
    return [
      refused,
      kept.byteLength,
      [...copy.view],
      copy.view === copy.again,
      [buffer.byteLength, buffer.detached, view.length, unused.detached],
      attempt(() => structuredClone(buffer)),
      attempt(() => structuredClone(view)),
      attempt(() => structuredClone(0, { transfer: [buffer] })),
      moved.deep[0] instanceof MessagePort && moved.deep[0] !== port1,
      attempt(() => structuredClone(port1, { transfer: [port1] })),
    ]
  }))
