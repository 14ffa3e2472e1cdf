/** CompressionStream and DecompressionStream by the Compression Standard. */
import {
  bytes,
  hex,
  ok,
  readAll,
  rejects,
  same,
  streamOf,
  throws,
  unhex,
  utf8,
  wrong,
  type Checks,
} from './expect.ts'

const FORMATS = ['gzip', 'deflate', 'deflate-raw'] as const
type Pair = TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>
const join = async (stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<Uint8Array<ArrayBuffer>> =>
  new Blob(await readAll(stream)).bytes()
const pack = (
  format: CompressionFormat,
  ...chunks: Uint8Array<ArrayBuffer>[]
): Promise<Uint8Array<ArrayBuffer>> => join(streamOf(...chunks).pipeThrough(new CompressionStream(format)))
const unpack = (
  format: CompressionFormat,
  ...chunks: Uint8Array<ArrayBuffer>[]
): Promise<Uint8Array<ArrayBuffer>> => join(streamOf(...chunks).pipeThrough(new DecompressionStream(format)))

/** "hello" by another implementation. */
const GZIP = unhex('1f8b0800000000000003cb48cdc9c9070086a6103605000000')
const DEFLATE = unhex('789ccb48cdc9c907000 62c0215'.replace(' ', ''))
const RAW = unhex('cb48cdc9c90700')

const each: Record<string, () => Promise<void>> = {}
for (const format of FORMATS) {
  each[`CompressionStream: ${format} comes back as it was, in many chunks`] = async () => {
    const text = 'hello world '.repeat(2000)
    const packed = await pack(format, utf8(text.slice(0, 99)), utf8(text.slice(99)))
    ok(packed.length < 1000)
    const pieces = Array.from({ length: packed.length }, (_, index) => packed.slice(index, index + 1))
    same(new TextDecoder().decode(await unpack(format, ...pieces)) === text, true)
  }
  each[`CompressionStream: ${format} of nothing is a whole stream`] = async () => {
    const packed = await pack(format)
    ok(packed.length > 0)
    same((await unpack(format, packed)).length, 0)
  }
  each[`DecompressionStream: ${format} that ends too early is a TypeError`] = async () => {
    const packed = await pack(format, utf8('hello'))
    await rejects('TypeError', () => unpack(format, packed.slice(0, -1)))
  }
  each[`DecompressionStream: ${format} with junk behind it is a TypeError`] = async () => {
    const packed = await pack(format, utf8('hello'))
    await rejects('TypeError', () => unpack(format, packed, bytes(0)))
  }
}

export const compression: Checks = {
  ...each,
  'CompressionStream: an unknown format is a TypeError': () => {
    throws('TypeError', () => new CompressionStream(wrong('zip')))
    throws('TypeError', () => new DecompressionStream(wrong('GZIP')))
    throws('TypeError', () => Reflect.construct(CompressionStream, []))
  },
  'DecompressionStream: reads what others wrote': async () => {
    same(hex(await unpack('gzip', GZIP)), hex(utf8('hello')))
    same(hex(await unpack('deflate', DEFLATE)), hex(utf8('hello')))
    same(hex(await unpack('deflate-raw', RAW)), hex(utf8('hello')))
  },
  'DecompressionStream: corrupt data is a TypeError': async () => {
    await rejects('TypeError', () => unpack('gzip', bytes(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)))
    const broken = GZIP.slice()
    broken[broken.length - 6] = (broken[broken.length - 6] ?? 0) ^ 1
    await rejects('TypeError', () => unpack('gzip', broken))
    const wrongSum = DEFLATE.slice()
    wrongSum[wrongSum.length - 1] = 0
    await rejects('TypeError', () => unpack('deflate', wrongSum))
  },
  'CompressionStream: a chunk that is no buffer source is a TypeError': async () => {
    await rejects('TypeError', () => pack('gzip', wrong('text')))
    await rejects('TypeError', () => unpack('gzip', wrong(null)))
  },
  'CompressionStream: takes buffers and views': async () => {
    const whole = utf8('hello')
    const packed = await pack(
      'deflate-raw',
      wrong(whole.buffer.slice(0, 2)),
      wrong(new DataView(whole.buffer, 2)),
    )
    same(hex(await unpack('deflate-raw', packed)), hex(whole))
  },
  'CompressionStream: gives Uint8Array': async () => {
    const chunks = await readAll(
      streamOf(utf8('x')).pipeThrough(new CompressionStream('gzip') as unknown as Pair),
    )
    ok(chunks.every((chunk) => chunk instanceof Uint8Array))
  },
}
