/** Streams, structuredClone and crypto inside a real isolate. */
import { afterAll, expect, test } from 'vitest'
import { createGuest } from './harness.ts'

const guest = createGuest()
afterAll(() => guest.close())

test('streams pipe, tee, iterate and transform', async () => {
  expect(
    await guest.run(async () => {
      const source = (): ReadableStream<string> =>
        new ReadableStream({
          start(controller) {
            for (const part of ['a', 'b\ud83d', '\ude00']) controller.enqueue(part)
            controller.close()
          },
        })
      const piped = await new Response(source().pipeThrough(new TextEncoderStream())).text()
      const [left, right] = source().tee()
      const collect = async (stream: ReadableStream<string>): Promise<string> => {
        let all = ''
        for await (const part of stream) all += part
        return all
      }
      const decoded = await collect(
        source().pipeThrough(new TextEncoderStream()).pipeThrough(new TextDecoderStream()),
      )
      const upper = source().pipeThrough(
        new TransformStream<string, string>({
          transform: (part, controller) => controller.enqueue(part.toUpperCase()),
        }),
      )
      return [piped, await collect(left), await collect(right), decoded, await collect(upper)]
    }),
  ).toEqual(['ab😀', 'ab😀', 'ab😀', 'ab😀', 'AB😀'])
})

test('a BYOB reader gets the bytes of a body', async () => {
  expect(
    await guest.run(async () => {
      const reader = new Response('hello').body!.getReader({ mode: 'byob' })
      const first = await reader.read(new Uint8Array(3))
      const second = await reader.read(new Uint8Array(3))
      const third = await reader.read(new Uint8Array(3))
      const text = (bytes: Uint8Array | undefined): string => new TextDecoder().decode(bytes)
      return [text(first.value), text(second.value), third.done]
    }),
  ).toEqual(['hel', 'lo', true])
})

test('a body of chunks that are no bytes is refused when read', async () => {
  await expect(
    guest.run(() => {
      const stream = new ReadableStream({
        start(controller) {
          controller.enqueue('text')
          controller.close()
        },
      })
      return new Response(stream).text()
    }),
  ).rejects.toThrow(/TypeError/)
})

test('lazy globals look like ordinary ones and can be replaced', async () => {
  expect(
    await guest.run(() => {
      const before = Object.keys(globalThis).includes('ReadableStream')
      const real = TransformStream
      ;(globalThis as Record<string, unknown>)['CountQueuingStrategy'] = 1
      const descriptor = Object.getOwnPropertyDescriptor(globalThis, 'TransformStream')
      return [
        before,
        typeof real,
        'value' in descriptor!,
        descriptor!.enumerable,
        CountQueuingStrategy as unknown,
      ]
    }),
  ).toEqual([false, 'function', true, false, 1])
})

test('structuredClone copies values, cycles and identities', async () => {
  expect(
    await guest.run(() => {
      const shared = { x: 1 }
      const value: Record<string, unknown> = {
        shared,
        again: shared,
        date: new Date(5),
        map: new Map([[shared, 1]]),
        set: new Set([1]),
        re: /a/g,
        bytes: new Uint16Array([1, 2]).subarray(1),
        error: new RangeError('r', { cause: 1 }),
        list: [1, , 3],
        big: 1n.toString(),
        boxed: new String('s'),
        ['__proto__']: 'own',
      }
      value['self'] = value
      const copy = structuredClone(value) as typeof value
      const error = copy['error'] as RangeError
      return [
        copy !== value,
        copy['self'] === copy,
        copy['shared'] === copy['again'],
        copy['shared'] !== shared,
        (copy['date'] as Date).getTime(),
        [...(copy['map'] as Map<unknown, unknown>).keys()][0] === copy['shared'],
        (copy['set'] as Set<number>).has(1),
        String(copy['re']),
        [...(copy['bytes'] as Uint16Array)],
        error instanceof RangeError,
        error.message,
        error.cause,
        1 in (copy['list'] as object),
        typeof copy['boxed'],
        Object.hasOwn(copy, '__proto__'),
      ]
    }),
  ).toEqual([true, true, true, true, 5, true, true, '/a/g', [2], true, 'r', 1, false, 'object', true])
})

test('structuredClone transfers, and refuses what cannot be cloned', async () => {
  expect(
    await guest.run(() => {
      const buffer = new ArrayBuffer(8)
      const copy = structuredClone({ buffer }, { transfer: [buffer] })
      const refused = [
        () => 1,
        Symbol('s'),
        new URL('http://a.b'),
        new Response(),
        Promise.resolve(),
        new WeakMap(),
      ].map((value) => {
        try {
          structuredClone({ value })
          return 'cloned'
        } catch (error) {
          return (error as Error).name
        }
      })
      return [buffer.byteLength, copy.buffer.byteLength, refused]
    }),
  ).toEqual([0, 8, Array.from({ length: 6 }, () => 'DataCloneError')])
})

test('crypto fills integers, caps the quota and makes version 4 identifiers', async () => {
  expect(
    await guest.run(() => {
      const attempt = (fn: () => unknown): string => {
        try {
          fn()
          return 'fine'
        } catch (error) {
          return (error as Error).name
        }
      }
      const filled = crypto.getRandomValues(new Uint32Array(64))
      return [
        filled.some((word) => word > 0xffff),
        attempt(() => crypto.getRandomValues(new Uint8Array(65_537))),
        attempt(() => crypto.getRandomValues(new Float64Array(1) as never)),
        attempt(() => crypto.getRandomValues.call({} as never, new Uint8Array(1))),
        /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(crypto.randomUUID()),
        crypto.randomUUID() !== crypto.randomUUID(),
        navigator.userAgent,
        performance.now() + performance.timeOrigin === 1_700_000_000_000,
      ]
    }),
  ).toEqual([true, 'QuotaExceededError', 'TypeMismatchError', 'TypeError', true, true, 'Vela', true])
})
