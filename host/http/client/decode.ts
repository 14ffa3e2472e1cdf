/**
 * Content codings of a response, undone as the reader pulls. A small response can decode to a thousand times its
 * size: nothing is decoded before it is wanted, every layer is counted against the cap, and so are the layers.
 */
import { pipeline, Readable, type Transform } from 'node:stream'
import { constants, createBrotliDecompress, createGunzip, createInflate, createInflateRaw } from 'node:zlib'
import { VelaError } from '../../core/errors.ts'
import { failed, toFetchError } from './failure.ts'
import type { ClientBody, ResponseBody } from './response-body.ts'

type Coding = 'gzip' | 'deflate' | 'br'
type Result = IteratorResult<Buffer, undefined>

const CODINGS: Readonly<Record<string, Coding>> = {
  gzip: 'gzip',
  'x-gzip': 'gzip',
  deflate: 'deflate',
  br: 'br',
}
const MOST_LAYERS = 3
const CHUNK_BYTES = 64 * 1024
/** As lenient as browsers with a missing trailer: the framing of HTTP tells whether a body is complete. */
const ZLIB = { chunkSize: CHUNK_BYTES, flush: constants.Z_SYNC_FLUSH, finishFlush: constants.Z_SYNC_FLUSH }
const BROTLI = {
  chunkSize: CHUNK_BYTES,
  flush: constants.BROTLI_OPERATION_FLUSH,
  finishFlush: constants.BROTLI_OPERATION_FLUSH,
}

/** The codings to undo, in the order in which they were applied; empty if there are none or one that is not known. */
export function codingsOf(contentEncoding: string | undefined, origin: string): readonly Coding[] {
  if (contentEncoding === undefined) return []
  const names = contentEncoding
    .toLowerCase()
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '' && name !== 'identity')
  if (names.length > MOST_LAYERS) throw failed(origin, `the body is encoded more than ${MOST_LAYERS} times`)
  const codings = names.flatMap((name) => (Object.hasOwn(CODINGS, name) ? (CODINGS[name] as Coding) : []))
  return codings.length === names.length ? codings : []
}

export class DecodedBody implements ClientBody {
  readonly #source: ResponseBody
  readonly #chunks: AsyncGenerator<Buffer, undefined>

  constructor(source: ResponseBody, codings: readonly Coding[], mostBytes: number, origin: string) {
    this.#source = source
    this.#chunks = decode(source, codings, mostBytes, origin)
  }

  next(): Promise<Result> {
    return this.#chunks.next()
  }

  /** A generator that was never started would not tell its source. */
  cancel(): void {
    this.#source.cancel()
    void this.#chunks.return(undefined).catch(() => undefined)
  }

  return(): Promise<Result> {
    this.cancel()
    return Promise.resolve({ done: true, value: undefined })
  }

  takeWhole(): undefined {
    return undefined
  }

  [Symbol.asyncIterator](): this {
    return this
  }
}

async function* decode(
  source: ResponseBody,
  codings: readonly Coding[],
  mostBytes: number,
  origin: string,
): AsyncGenerator<Buffer, undefined> {
  let chunks: AsyncIterable<Buffer> = source
  for (const coding of codings.toReversed()) chunks = decodeLayer(chunks, coding, mostBytes, origin)
  try {
    for await (const chunk of chunks) yield chunk
  } catch (thrown) {
    source.cancel()
    throw toFetchError(thrown, origin)
  }
}

async function* decodeLayer(
  source: AsyncIterable<Buffer>,
  coding: Coding,
  mostBytes: number,
  origin: string,
): AsyncGenerator<Buffer, undefined> {
  const iterator = source[Symbol.asyncIterator]()
  const first = await iterator.next()
  if (first.done === true) return
  const decoder = createDecoder(coding, first.value)
  // The callback takes the error that the loop below throws as well.
  pipeline(Readable.from(from(first.value, iterator)), decoder, () => undefined)
  let bytes = 0
  for await (const chunk of decoder as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > mostBytes) throw responseTooLarge(origin, mostBytes)
    yield chunk
  }
}

async function* from(first: Buffer, rest: AsyncIterator<Buffer>): AsyncGenerator<Buffer, undefined> {
  yield first
  for (let next = await rest.next(); next.done !== true; next = await rest.next()) yield next.value
}

/** `deflate` is zlib's format by the standard and the bare one by many servers; the first byte tells. */
function createDecoder(coding: Coding, first: Buffer): Transform {
  if (coding === 'br') return createBrotliDecompress(BROTLI)
  if (coding === 'gzip') return createGunzip(ZLIB)
  return ((first[0] ?? 0) & 0x0f) === 8 ? createInflate(ZLIB) : createInflateRaw(ZLIB)
}

export const responseTooLarge = (origin: string, mostBytes: number): VelaError =>
  new VelaError(
    'VELA_FETCH_TOO_LARGE',
    `${origin}: the body of the response is larger than ${mostBytes} bytes`,
  )
