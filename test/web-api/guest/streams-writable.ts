/** WritableStream, TransformStream, pipes and strategies by the Streams Standard. */
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

export const streamsWritable: Checks = {
  'WritableStream: writes in order, one at a time, then closes': async () => {
    const calls: string[] = []
    const stream = new WritableStream<string>({
      start: () => void calls.push('start'),
      async write(chunk) {
        calls.push(`write ${chunk}`)
        await task()
        calls.push(`wrote ${chunk}`)
      },
      close: () => void calls.push('close'),
    })
    const writer = stream.getWriter()
    void writer.write('a')
    void writer.write('b')
    await writer.close()
    same(calls, ['start', 'write a', 'wrote a', 'write b', 'wrote b', 'close'])
  },
  'WritableStream: ready and desiredSize are the backpressure': async () => {
    let release: () => void = () => undefined
    const stream = new WritableStream({ write: () => new Promise<void>((resolve) => (release = resolve)) })
    const writer = stream.getWriter()
    same(writer.desiredSize, 1)
    await writer.ready
    const writing = writer.write('a')
    same(writer.desiredSize, 0)
    let isReady = false
    void writer.ready.then(() => (isReady = true))
    await task()
    same(isReady, false)
    release()
    await writing
    await writer.ready
    same(writer.desiredSize, 1)
  },
  'WritableStream: an error of write errors it, and closed rejects with it': async () => {
    const reason = new Error('full')
    const writer = new WritableStream({
      write() {
        throw reason
      },
    }).getWriter()
    await rejectsWith(reason, writer.write('a'))
    await rejectsWith(reason, writer.closed)
    await rejectsWith(reason, writer.write('b'))
    same(writer.desiredSize, null)
  },
  'WritableStream: abort calls the sink, drops the queue, rejects writes with the reason': async () => {
    const reasons: unknown[] = []
    const writer = new WritableStream({
      write: () => task(),
      abort: (reason) => void reasons.push(reason),
    }).getWriter()
    await task()
    const first = writer.write(1)
    const second = writer.write(2)
    second.catch(() => undefined)
    writer.closed.catch(() => undefined)
    const aborting = writer.abort('why')
    await first
    await rejectsWith('why', second)
    await aborting
    same(reasons, ['why'])
  },
  'WritableStreamDefaultController: signal aborts with the stream': async () => {
    let signal: AbortSignal | undefined
    const stream = new WritableStream({ start: (controller) => void (signal = controller.signal) })
    same(signal?.aborted, false)
    await stream.abort('why')
    same([signal?.aborted, signal?.reason, signal instanceof AbortSignal], [true, 'why', true])
  },
  'WritableStream: locked while it has a writer': async () => {
    const stream = new WritableStream()
    const writer = stream.getWriter()
    same(stream.locked, true)
    throws('TypeError', () => stream.getWriter())
    await rejects('TypeError', () => stream.close())
    await rejects('TypeError', () => stream.abort())
    writer.releaseLock()
    same(stream.locked, false)
    await rejects('TypeError', () => writer.write(1))
    await rejects('TypeError', () => writer.closed)
    throws('TypeError', () => writer.desiredSize)
  },
  'WritableStream: close twice rejects': async () => {
    const stream = new WritableStream()
    await stream.close()
    await rejects('TypeError', () => stream.close())
  },
  'WritableStream: a type in the sink is a RangeError': () =>
    throws('RangeError', () => new WritableStream(wrong({ type: 'bytes' }))),
  'TransformStream: without a transformer it passes chunks on': async () =>
    same(await readAll(streamOf(1, 2).pipeThrough(new TransformStream())), [1, 2]),
  'TransformStream: transform and flush enqueue': async () => {
    const stream = new TransformStream<number, number>({
      transform(chunk, controller) {
        controller.enqueue(chunk)
        controller.enqueue(chunk * 10)
      },
      flush: (controller) => controller.enqueue(0),
    })
    same(await readAll(streamOf(1, 2).pipeThrough(stream)), [1, 10, 2, 20, 0])
  },
  'TransformStream: an error of transform errors both sides': async () => {
    const reason = new Error('bad')
    const stream = new TransformStream({
      transform() {
        throw reason
      },
    })
    const writer = stream.writable.getWriter()
    const reading = stream.readable.getReader().read()
    writer.closed.catch(() => undefined)
    writer.write(1).catch(() => undefined)
    await rejectsWith(reason, reading)
    await rejectsWith(reason, writer.closed)
  },
  'TransformStream: terminate closes readable and errors writable': async () => {
    const stream = new TransformStream({ transform: (_, controller) => controller.terminate() })
    const writer = stream.writable.getWriter()
    writer.closed.catch(() => undefined)
    const reading = stream.readable.getReader().read()
    writer.write(1).catch(() => undefined)
    same(await reading, { value: undefined, done: true })
    await rejects('TypeError', () => writer.closed)
  },
  'TransformStream: backpressure reaches the writer': async () => {
    const { writable, readable } = new TransformStream()
    const writer = writable.getWriter()
    let done = false
    void writer.write(1).then(() => (done = true))
    await task()
    same(done, false)
    await readable.getReader().read()
    await task()
    same(done, true)
  },
  'TransformStream: cancelling readable calls cancel of the transformer': async () => {
    let reason: unknown
    const { readable } = new TransformStream(wrong({ cancel: (given: unknown) => void (reason = given) }))
    await readable.cancel('why')
    same(reason, 'why')
  },
  'TransformStream: readableType and writableType are a RangeError': () => {
    throws('RangeError', () => new TransformStream(wrong({ readableType: 'x' })))
    throws('RangeError', () => new TransformStream(wrong({ writableType: 'x' })))
  },
  'ReadableStream: pipeTo writes all and closes': async () => {
    const seen: unknown[] = []
    const target = new WritableStream({
      write: (chunk) => void seen.push(chunk),
      close: () => void seen.push('close'),
    })
    same(await streamOf(1, 2).pipeTo(target), undefined)
    same(seen, [1, 2, 'close'])
  },
  'ReadableStream: pipeTo with preventClose leaves the target open': async () => {
    const target = new WritableStream()
    await streamOf(1).pipeTo(target, { preventClose: true })
    const writer = target.getWriter()
    same(writer.desiredSize, 1)
  },
  'ReadableStream: pipeTo aborts the target when the source errors, unless preventAbort': async () => {
    const reason = new Error('source')
    const source = (): ReadableStream =>
      new ReadableStream({ start: (controller) => controller.error(reason) })
    let aborted: unknown
    const target = new WritableStream({ abort: (why) => void (aborted = why) })
    await rejectsWith(reason, source().pipeTo(target))
    ok(aborted === reason)
    const kept = new WritableStream()
    await rejectsWith(reason, source().pipeTo(kept, { preventAbort: true }))
    same(kept.getWriter().desiredSize, 1)
  },
  'ReadableStream: pipeTo cancels the source when the target errors, unless preventCancel': async () => {
    const reason = new Error('target')
    const cancelled: unknown[] = []
    const source = (): ReadableStream => new ReadableStream({ cancel: (why) => void cancelled.push(why) })
    const broken = (): WritableStream =>
      new WritableStream({ start: (controller) => controller.error(reason) })
    await rejectsWith(reason, source().pipeTo(broken()))
    ok(cancelled[0] === reason)
    await rejectsWith(reason, source().pipeTo(broken(), { preventCancel: true }))
    same(cancelled.length, 1)
  },
  'ReadableStream: pipeTo stops when its signal aborts, and tells both ends': async () => {
    const controller = new AbortController()
    const told: unknown[] = []
    const source = new ReadableStream({ cancel: (why) => void told.push(why) })
    const target = new WritableStream({ abort: (why) => void told.push(why) })
    const piping = source.pipeTo(target, { signal: controller.signal })
    controller.abort('why')
    await rejectsWith('why', piping)
    same(told, ['why', 'why'])
  },
  'ReadableStream: pipeTo with an aborted signal does not begin': async () => {
    await rejects('AbortError', () =>
      streamOf(1).pipeTo(new WritableStream(), { signal: AbortSignal.abort() }),
    )
  },
  'ReadableStream: pipeThrough wants a pair, and locks both': () => {
    throws('TypeError', () => streamOf(1).pipeThrough(wrong({})))
    const source = streamOf(1)
    const { readable, writable } = new TransformStream()
    ok(source.pipeThrough({ readable, writable }) === readable)
    same([source.locked, writable.locked], [true, true])
  },
  'CountQueuingStrategy: counts one for each chunk': () => {
    const strategy = new CountQueuingStrategy({ highWaterMark: 3 })
    same([strategy.highWaterMark, strategy.size('long')], [3, 1])
    throws('TypeError', () => new CountQueuingStrategy(wrong({})))
  },
  'ByteLengthQueuingStrategy: counts bytes': () => {
    const strategy = new ByteLengthQueuingStrategy({ highWaterMark: 3 })
    same([strategy.highWaterMark, strategy.size(new Uint8Array(5))], [3, 5])
    ok(strategy.size === new ByteLengthQueuingStrategy({ highWaterMark: 1 }).size)
  },
}
