/** CompressionStream and DecompressionStream: what they make and take is Node's zlib, and what is wrong is a TypeError. */
import * as zlib from 'node:zlib'
import { afterAll, expect, test } from 'vitest'
import { createGuest } from './harness.ts'

const guest = createGuest()
afterAll(() => guest.close())

const PACK = { gzip: zlib.gzipSync, deflate: zlib.deflateSync, 'deflate-raw': zlib.deflateRawSync }
const UNPACK = { gzip: zlib.gunzipSync, deflate: zlib.inflateSync, 'deflate-raw': zlib.inflateRawSync }
const FORMATS = Object.keys(PACK) as (keyof typeof PACK)[]

/** Not compressible, and more than one step of the cell's takes. */
const noise = (length: number): string => {
  let state = 1
  let text = ''
  for (let index = 0; index < length; index++) {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648
    text += String.fromCharCode(32 + ((state >> 16) % 90))
  }
  return text
}

/** Unpacks chunks of bytes in the guest: the text, or the error's name behind what came before it. */
const unpack = (format: string, chunks: readonly number[][]): Promise<string> =>
  guest.run(
    async (format, chunks) => {
      const stream = new DecompressionStream(format as 'gzip')
      const writer = stream.writable.getWriter()
      const writing = (async () => {
        for (const chunk of chunks) await writer.write(new Uint8Array(chunk))
        await writer.close()
      })()
      writing.catch(() => undefined)
      let text = ''
      const decoder = new TextDecoder()
      try {
        for await (const chunk of stream.readable) text += decoder.decode(chunk, { stream: true })
        await writing
        return text
      } catch (error) {
        const same = await writing.then(
          () => false,
          (reason: unknown) => reason === error,
        )
        return `${text}!${(error as Error).name}${same ? '' : ' of the reader only'}`
      }
    },
    format,
    chunks,
  )

test.each(FORMATS)('%s goes both ways, large and in pieces, and Node understands it', async (format) => {
  const text = noise(150_000) + 'a'.repeat(300_000)
  const packed = await guest.run(
    async (format, text) => {
      const stream = new Blob([text]).stream().pipeThrough(new CompressionStream(format as 'gzip'))
      return [...new Uint8Array(await new Response(stream).arrayBuffer())]
    },
    format,
    text,
  )
  expect(UNPACK[format](Buffer.from(packed)).toString()).toBe(text)
  const theirs = [...PACK[format](text)]
  const pieces = [theirs.slice(0, 1), theirs.slice(1, 9), [], theirs.slice(9)]
  expect(await unpack(format, pieces)).toBe(text)
})

test.each(FORMATS)('%s that is wrong is a TypeError, behind what came before it', async (format) => {
  const good = [...PACK[format]('hello')]
  expect(await unpack(format, [good])).toBe('hello')
  expect(await unpack(format, [[...good, 0]])).toBe('hello!TypeError')
  expect(await unpack(format, [[...good, ...good]])).toBe('hello!TypeError')
  expect(await unpack(format, [good, [1]])).toBe('hello!TypeError')
  expect(await unpack(format, [good.slice(0, -1)])).toMatch(/^(hello)?!TypeError$/)
  expect(await unpack(format, [])).toBe('!TypeError')
  expect(await unpack(format, [[255, 255, 255, 255]])).toBe('!TypeError')
})

test('formats and chunks are checked', async () => {
  expect(
    await guest.run(async () => {
      const attempt = (fn: () => unknown): string => {
        try {
          fn()
          return 'fine'
        } catch (error) {
          return (error as Error).name
        }
      }
      const Loose = CompressionStream as unknown as new (...args: unknown[]) => CompressionStream
      const stream = new CompressionStream('gzip')
      const writer = stream.writable.getWriter()
      const writing = writer.write('text' as never).catch((error: unknown) => (error as Error).name)
      const reading = stream.readable
        .getReader()
        .read()
        .catch((error: unknown) => (error as Error).name)
      return [
        attempt(() => new Loose()),
        attempt(() => new Loose('GZIP')),
        attempt(() => new Loose('__proto__')),
        attempt(() => Reflect.apply(Loose, undefined, ['gzip'])),
        await writing,
        await reading,
        Object.prototype.toString.call(stream),
        DecompressionStream.name,
      ]
    }),
  ).toEqual([
    'TypeError',
    'TypeError',
    'TypeError',
    'TypeError',
    'TypeError',
    'TypeError',
    '[object CompressionStream]',
    'DecompressionStream',
  ])
})

test('what unpacks to much more is unpacked only as far as somebody reads', async () => {
  const bomb = [...zlib.gzipSync(Buffer.alloc(64 * 1024 * 1024))]
  const seen = await guest.run(async (bytes) => {
    const stream = new DecompressionStream('gzip')
    const writer = stream.writable.getWriter()
    let written = false
    void writer.write(new Uint8Array(bytes)).then(
      () => (written = true),
      () => undefined,
    )
    const reader = stream.readable.getReader()
    const sizes: number[] = []
    for (let index = 0; index < 3; index++) sizes.push((await reader.read()).value!.byteLength)
    await new Promise((resolve) => setTimeout(resolve, 1))
    const early = written
    await reader.cancel('enough')
    const end = await writer.write(new Uint8Array(1)).catch((reason: unknown) => reason)
    return [sizes, early, end]
  }, bomb)
  expect(seen).toEqual([[65_536, 65_536, 65_536], false, 'enough'])
})

test('abort ends a write that waits for a reader', async () => {
  expect(
    await guest.run(async () => {
      const stream = new CompressionStream('deflate')
      const writer = stream.writable.getWriter()
      const writing = writer.write(new Uint8Array(9)).catch((reason: unknown) => reason)
      await writer.abort('why')
      const reading = stream.readable
        .getReader()
        .read()
        .catch((reason: unknown) => reason)
      return [await writing, await reading]
    }),
  ).toEqual(['why', 'why'])
})

test('more streams than a service may have open cost the one that was idle longest, and no other', async () => {
  expect(
    await guest.run(async () => {
      const open = async (): Promise<(bytes: Uint8Array<ArrayBuffer>) => Promise<string>> => {
        const stream = new CompressionStream('gzip')
        const writer = stream.writable.getWriter()
        const reader = stream.readable.getReader()
        // The first bytes of gzip are its header: somebody has read, so the stream is really open.
        const first = reader.read()
        await writer.write(new Uint8Array(1))
        await first
        return async (bytes) => {
          void reader.read().catch(() => undefined)
          return await writer.write(bytes).then(
            () => 'fine',
            (error: unknown) => (error as Error).name,
          )
        }
      }
      const streams = []
      for (let index = 0; index < 128; index++) streams.push(await open())
      await streams[0]!(new Uint8Array(1))
      await open()
      return [
        await streams[1]!(new Uint8Array(1)),
        await streams[0]!(new Uint8Array(1)),
        await streams[2]!(new Uint8Array(1)),
      ]
    }),
  ).toEqual(['QuotaExceededError', 'fine', 'fine'])
})
