/** ReadableStream by the Streams Standard. */
import {
  ok,
  readAll,
  rejects,
  rejectsWith,
  same,
  streamOf,
  task,
  throws,
  wrong,
  type Checks,
} from './expect.ts'

export const streamsReadable: Checks = {
  'ReadableStream: gives its chunks in order and ends': async () =>
    same(await readAll(streamOf(1, 2, 3)), [1, 2, 3]),
  'ReadableStream: start, pull and cancel are called on the source': async () => {
    const calls: string[] = []
    const source = {
      start(): void {
        calls.push(`start ${this === source}`)
      },
      pull(controller: ReadableStreamDefaultController): void {
        calls.push('pull')
        controller.enqueue(1)
      },
      cancel(reason: unknown): void {
        calls.push(`cancel ${String(reason)}`)
      },
    }
    const stream = new ReadableStream(source, { highWaterMark: 0 })
    const reader = stream.getReader()
    await reader.read()
    await reader.cancel('enough')
    same(calls, ['start true', 'pull', 'cancel enough'])
  },
  'ReadableStream: pull is not called again before its promise settles': async () => {
    let pulls = 0
    const stream = new ReadableStream({
      pull() {
        pulls++
        return new Promise(() => undefined)
      },
    })
    void stream.getReader().read()
    await task()
    same(pulls, 1)
  },
  'ReadableStream: desiredSize follows the queue': () => {
    let controller: ReadableStreamDefaultController | undefined
    const stream = new ReadableStream({ start: (given) => void (controller = given) }, { highWaterMark: 2 })
    same(controller?.desiredSize, 2)
    controller?.enqueue('a')
    same(controller?.desiredSize, 1)
    controller?.close()
    void stream.cancel()
    same(controller?.desiredSize, 0)
  },
  'ReadableStream: desiredSize is null once errored': () => {
    let size: unknown
    const stream = new ReadableStream({
      start(controller) {
        controller.error('x')
        size = controller.desiredSize
      },
    })
    stream.cancel().catch(() => undefined)
    same(size, null)
  },
  'ReadableStream: size function of the strategy counts, and its error errors the stream': async () => {
    const reason = new Error('size')
    const stream = new ReadableStream(
      {
        start(controller) {
          try {
            controller.enqueue('a')
          } catch {
            // The same error comes out of the stream.
          }
        },
      },
      {
        size() {
          throw reason
        },
      },
    )
    await rejectsWith(reason, stream.getReader().read())
  },
  'ReadableStream: invalid high water marks are a RangeError': () => {
    for (const highWaterMark of [-1, NaN, wrong('x')]) {
      throws('RangeError', () => new ReadableStream({}, { highWaterMark }))
    }
  },
  'ReadableStream: an unknown type is a TypeError': () =>
    throws('TypeError', () => new ReadableStream(wrong({ type: 'words' }))),
  'ReadableStream: enqueue and close after close are a TypeError': () => {
    const stream = new ReadableStream({
      start(controller) {
        controller.close()
        throws('TypeError', () => controller.enqueue(1))
        throws('TypeError', () => controller.close())
      },
    })
    ok(!stream.locked)
  },
  'ReadableStream: what waits in the queue is read before the end': async () => {
    const stream = new ReadableStream({
      start(controller) {
        controller.enqueue(1)
        controller.close()
      },
    })
    const reader = stream.getReader()
    same(await reader.read(), { value: 1, done: false })
    same(await reader.read(), { value: undefined, done: true })
    same(await reader.closed, undefined)
  },
  'ReadableStream: an error drops what waits in the queue': async () => {
    const reason = { my: 'reason' }
    const stream = new ReadableStream({
      start(controller) {
        controller.enqueue(1)
        controller.error(reason)
      },
    })
    const reader = stream.getReader()
    await rejectsWith(reason, reader.read())
    await rejectsWith(reason, reader.closed)
  },
  'ReadableStream: an error of start, pull or a rejected pull errors the stream': async () => {
    const reason = new Error('pull')
    throws(
      'RangeError',
      () =>
        new ReadableStream({
          start() {
            throw new RangeError('start')
          },
        }),
    )
    await rejectsWith(reason, readAll(new ReadableStream({ pull: () => Promise.reject(reason) })))
  },
  'ReadableStream: one reader at a time': () => {
    const stream = streamOf(1)
    same(stream.locked, false)
    const reader = stream.getReader()
    same(stream.locked, true)
    throws('TypeError', () => stream.getReader())
    throws('TypeError', () => new ReadableStreamDefaultReader(stream))
    reader.releaseLock()
    same(stream.locked, false)
  },
  'ReadableStream: cancel, tee and pipeTo of a locked stream refuse': async () => {
    const stream = streamOf(1)
    stream.getReader()
    await rejects('TypeError', () => stream.cancel())
    throws('TypeError', () => stream.tee())
    await rejects('TypeError', () => stream.pipeTo(new WritableStream()))
  },
  'ReadableStreamDefaultReader: releaseLock rejects pending reads and closed': async () => {
    const reader = new ReadableStream().getReader()
    const pending = reader.read()
    reader.releaseLock()
    await rejects('TypeError', () => pending)
    await rejects('TypeError', () => reader.closed)
    await rejects('TypeError', () => reader.read())
  },
  'ReadableStream: cancel resolves with undefined and closes': async () => {
    const stream = new ReadableStream({ cancel: () => wrong('ignored') })
    same(await stream.cancel(), undefined)
    same(await readAll(stream), [])
  },
  'ReadableStream: cancel rejects with the error of the source': async () => {
    const reason = new Error('no')
    await rejectsWith(
      reason,
      new ReadableStream({
        cancel() {
          throw reason
        },
      }).cancel(),
    )
  },
  'ReadableStream: async iteration reads to the end and releases': async () => {
    const stream = streamOf('a', 'b')
    const seen: string[] = []
    for await (const chunk of stream) seen.push(chunk)
    same([seen, stream.locked], [['a', 'b'], false])
  },
  'ReadableStream: leaving the iteration cancels, with preventCancel it does not': async () => {
    const cancelled: unknown[] = []
    const make = (): ReadableStream<number> =>
      new ReadableStream({
        pull: (controller) => controller.enqueue(1),
        cancel: () => void cancelled.push('yes'),
      })
    for await (const chunk of make()) if (chunk === 1) break
    same(cancelled, ['yes'])
    const kept = make()
    for await (const chunk of kept.values({ preventCancel: true })) if (chunk === 1) break
    same([cancelled, kept.locked], [['yes'], false])
  },
  'ReadableStream.from: arrays, iterables, generators and async generators': async () => {
    const { from } = ReadableStream as unknown as { from(source: unknown): ReadableStream<unknown> }
    same(await readAll(Reflect.apply(from, ReadableStream, [[1, 2]]) as ReadableStream), [1, 2])
    same(await readAll(Reflect.apply(from, ReadableStream, ['ab']) as ReadableStream), ['a', 'b'])
    async function* generate(): AsyncGenerator<number> {
      yield 1
      yield 2
    }
    same(await readAll(Reflect.apply(from, ReadableStream, [generate()]) as ReadableStream), [1, 2])
    throws('TypeError', () => from({}))
  },
  'ReadableStream.from: cancelling calls return': async () => {
    let returned = false
    const source = {
      [Symbol.asyncIterator]: () => ({
        next: () => Promise.resolve({ value: 1, done: false }),
        return: () => {
          returned = true
          return Promise.resolve({ value: undefined, done: true })
        },
      }),
    }
    const { from } = ReadableStream as unknown as { from(source: unknown): ReadableStream<unknown> }
    await from(source).cancel()
    same(returned, true)
  },
  'ReadableStream: tee gives both all chunks, the same objects': async () => {
    const chunk = { a: 1 }
    const [left, right] = streamOf(chunk).tee()
    const [[first], [second]] = [await readAll(left), await readAll(right)]
    ok(first === chunk && second === chunk)
  },
  'ReadableStream: tee cancels the source when both are cancelled, with both reasons': async () => {
    let reasons: unknown
    const [left, right] = new ReadableStream({ cancel: (reason) => void (reasons = reason) }).tee()
    const first = left.cancel('l')
    await right.cancel('r')
    await first
    same(reasons, ['l', 'r'])
  },
  'ReadableStream: getReader refuses an unknown mode, and byob for what is no byte stream': () => {
    throws('TypeError', () => streamOf(1).getReader(wrong({ mode: 'word' })))
    throws('TypeError', () => streamOf(1).getReader({ mode: 'byob' }))
  },
  'ReadableStream: controllers cannot be constructed': () => {
    throws('TypeError', () => new ReadableStreamDefaultController())
    throws('TypeError', () => new ReadableByteStreamController())
    throws('TypeError', () => new ReadableStreamBYOBRequest())
  },
}
