/** Byte streams and BYOB readers by the Streams Standard. */
import { bytes, ok, rejects, same, task, throws, wrong, type Checks } from './expect.ts'

const byteStream = (source: Omit<UnderlyingByteSource, 'type'>): ReadableStream<Uint8Array> =>
  new ReadableStream({ ...source, type: 'bytes' })

export const streamsByte: Checks = {
  'ReadableStreamBYOBReader: fills the given view and transfers its buffer': async () => {
    const stream = byteStream({
      start(controller) {
        controller.enqueue(bytes(1, 2, 3))
        controller.close()
      },
    })
    const reader = stream.getReader({ mode: 'byob' })
    const view = new Uint8Array(2)
    const { value } = await reader.read(view)
    same([value, view.byteLength], [bytes(1, 2), 0])
    same((await reader.read(new Uint8Array(2))).value, bytes(3))
    same(await reader.read(new Uint8Array(2)), { value: new Uint8Array(0), done: true })
  },
  'ReadableStreamBYOBReader: the kind of view is kept': async () => {
    const reader = byteStream({ start: (controller) => controller.enqueue(bytes(1, 0, 2, 0)) }).getReader({
      mode: 'byob',
    })
    const { value } = await reader.read(new Uint16Array(2))
    ok(value instanceof Uint16Array)
    same([...(value ?? [])], [1, 2])
  },
  'ReadableStreamBYOBReader: an empty or detached view is a TypeError': async () => {
    const reader = byteStream({}).getReader({ mode: 'byob' })
    await rejects('TypeError', () => reader.read(new Uint8Array(0)))
    const view = new Uint8Array(1)
    structuredClone(view.buffer, { transfer: [view.buffer] })
    await rejects('TypeError', () => reader.read(view))
  },
  'ReadableStreamBYOBReader: min waits for so many elements': async () => {
    let controller: ReadableByteStreamController | undefined
    const reader = byteStream({ start: (given) => void (controller = given) }).getReader({ mode: 'byob' })
    const reading = (
      reader.read as (view: Uint8Array, options: object) => Promise<{ value?: Uint8Array }>
    ).call(reader, new Uint8Array(3), { min: 2 })
    controller?.enqueue(bytes(1))
    await task()
    controller?.enqueue(bytes(2))
    same((await reading).value, bytes(1, 2))
  },
  'ReadableStreamBYOBRequest: respond answers a read into its view': async () => {
    const stream = byteStream({
      pull(controller) {
        const request = controller.byobRequest
        const view = request?.view as Uint8Array
        view[0] = 7
        request?.respond(1)
      },
    })
    const { value } = await stream.getReader({ mode: 'byob' }).read(new Uint8Array(4))
    same(value, bytes(7))
  },
  'ReadableStreamBYOBRequest: respond with more than asked is a RangeError': async () => {
    const stream = byteStream({
      pull(controller) {
        throws('RangeError', () => controller.byobRequest?.respond(5))
        controller.byobRequest?.respond(1)
      },
    })
    same((await stream.getReader({ mode: 'byob' }).read(new Uint8Array(1))).done, false)
  },
  'ReadableByteStreamController: autoAllocateChunkSize gives default readers a request': async () => {
    const stream = byteStream({
      autoAllocateChunkSize: 8,
      pull(controller) {
        same(controller.byobRequest?.view?.byteLength, 8)
        controller.byobRequest?.respond(2)
      },
    })
    same((await stream.getReader().read()).value?.byteLength, 2)
  },
  'ReadableByteStreamController: enqueue wants bytes, and not none': () => {
    byteStream({
      start(controller) {
        throws('TypeError', () => controller.enqueue(wrong('x')))
        throws('TypeError', () => controller.enqueue(new Uint8Array(0)))
      },
    })
  },
  'ReadableByteStreamController: enqueue transfers the buffer': () => {
    const chunk = bytes(1, 2)
    byteStream({ start: (controller) => controller.enqueue(chunk) })
    same(chunk.byteLength, 0)
  },
  'ReadableStream: tee of a byte stream gives byte streams with chunks apart': async () => {
    const [left, right] = byteStream({
      start(controller) {
        controller.enqueue(bytes(1))
        controller.close()
      },
    }).tee()
    const one = await left.getReader({ mode: 'byob' }).read(new Uint8Array(1))
    const other = await right.getReader({ mode: 'byob' }).read(new Uint8Array(1))
    ok(one.value?.buffer !== other.value?.buffer)
    same([one.value, other.value], [bytes(1), bytes(1)])
  },
}
