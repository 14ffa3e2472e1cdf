/** Byte streams and BYOB readers, `from`, iteration, and pipes with a signal: what the streams part must bring along. */
import { afterAll, expect, test } from 'vitest'
import { createGuest } from './harness.ts'

const guest = createGuest()
afterAll(() => guest.close())

test('every body of the platform is a byte stream that fills a reader’s own buffer', async () => {
  expect(
    await guest.run(async () => {
      const text = (bytes: Uint8Array | undefined): string => new TextDecoder().decode(bytes)
      const form = new FormData()
      form.append('a', 'b')
      const sources: (() => ReadableStream<Uint8Array> | null)[] = [
        () => new Response('hello').body,
        () => new Request('http://a.b/', { method: 'POST', body: 'hello' }).body,
        () => new Blob(['hel', 'lo']).stream(),
        () => new Response(new Blob(['hello'])).body,
        () => new Response('hello').clone().body,
        () =>
          web.createRequest('POST', 'http://a.b/', [], { byteString: 'hello', ascii: true }, () => null).body,
      ]
      const results: unknown[] = []
      for (const source of sources) {
        const reader = source()!.getReader({ mode: 'byob' })
        const buffer = new ArrayBuffer(3)
        const first = await reader.read(new Uint8Array(buffer))
        const second = await reader.read(new Uint8Array(3), { min: 2 } as never)
        const last = await reader.read(new Uint8Array(3))
        results.push([
          text(first.value),
          buffer.byteLength,
          text(second.value),
          last.done,
          last.value?.byteLength,
          reader instanceof ReadableStreamBYOBReader,
        ])
      }
      return [
        results,
        new Response(form).body!.getReader({ mode: 'byob' }) instanceof ReadableStreamBYOBReader,
      ]
    }),
  ).toEqual([Array.from({ length: 6 }, () => ['hel', 0, 'lo', true, 0, true]), true])
})

test('a source can answer a BYOB request in place, with a new view, or by enqueueing', async () => {
  expect(
    await guest.run(async () => {
      const log: unknown[] = []
      let turn = 0
      const stream = new ReadableStream({
        type: 'bytes',
        pull(controller) {
          const request = controller.byobRequest
          const view = request?.view as Uint8Array<ArrayBuffer> | null | undefined
          log.push(request instanceof ReadableStreamBYOBRequest, view?.byteLength)
          if (turn++ === 0) {
            view![0] = 1
            request!.respond(1)
          } else if (turn === 2) {
            const part = new Uint8Array(view!.buffer, view!.byteOffset, 2).fill(2)
            request!.respondWithNewView(part)
          } else {
            controller.enqueue(new Uint8Array([3, 3, 3]))
            controller.close()
          }
        },
      })
      const [left, right] = stream.tee()
      const reader = left.getReader({ mode: 'byob' })
      const got: number[][] = []
      for (;;) {
        const { done, value } = await reader.read(new Uint8Array(4))
        if (done) break
        got.push([...value])
      }
      return [got, log, [...new Uint8Array(await new Response(right).arrayBuffer())]]
    }),
  ).toEqual([
    [[1], [2, 2], [3, 3, 3]],
    [true, 4, true, 4, true, 4],
    [1, 2, 2, 3, 3, 3],
  ])
})

test('streams come from iterables, and iteration cancels unless told otherwise', async () => {
  expect(
    await guest.run(async () => {
      const log: unknown[] = []
      const all: unknown[] = []
      const From = ReadableStream as unknown as { from(source: unknown): ReadableStream }
      for await (const value of From.from(['a', Promise.resolve('b')])) all.push(value)
      for await (const value of From.from(
        (async function* () {
          yield 1
          yield 2
        })(),
      )) {
        all.push(value)
      }
      const make = (): ReadableStream =>
        new ReadableStream({ pull: (c) => c.enqueue(0), cancel: () => void log.push('canceled') })
      for await (const value of make()) {
        all.push(value)
        break
      }
      const kept = make()
      for await (const value of kept.values({ preventCancel: true })) {
        all.push(value)
        break
      }
      return [all, log, kept.locked, From.from([1]) instanceof ReadableStream]
    }),
  ).toEqual([['a', 'b', 1, 2, 0, 0], ['canceled'], false, true])
})

test('a pipe stops at its signal, and passes errors both ways', async () => {
  expect(
    await guest.run(async () => {
      const log: unknown[] = []
      const controller = new AbortController()
      const source = new ReadableStream({
        start: (c) => c.enqueue('x'),
        cancel: (reason) => void log.push(['source', reason]),
      })
      const sink = new WritableStream({
        write: () => controller.abort('stop'),
        abort: (reason) => void log.push(['sink', reason]),
      })
      const outcome = await source
        .pipeTo(sink, { signal: controller.signal })
        .catch((reason: unknown) => reason)
      const broken = new ReadableStream({ start: (c) => c.error('broken') })
      const piped = await broken
        .pipeTo(new WritableStream({ abort: (reason) => void log.push(['aborted', reason]) }))
        .catch((reason: unknown) => reason)
      const kept = new WritableStream()
      await new ReadableStream({ start: (c) => c.close() }).pipeTo(kept, { preventClose: true })
      const through = new ReadableStream({ start: (c) => c.enqueue('y') }).pipeThrough(
        new TransformStream(),
        {
          signal: AbortSignal.abort('early'),
        },
      )
      const read = await through
        .getReader()
        .read()
        .catch((reason: unknown) => reason)
      return [log, outcome, piped, kept.locked, read]
    }),
  ).toEqual([
    [
      ['sink', 'stop'],
      ['source', 'stop'],
      ['aborted', 'broken'],
    ],
    'stop',
    'broken',
    false,
    'early',
  ])
})
