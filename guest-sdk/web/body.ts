/**
 * Bodies of requests and responses (Fetch: Body). A body stays what it was given as – a string, bytes, the byte
 * string of a request – until something reads it; a stream is made only when `.body` is touched, and even then a
 * stream that nobody has read yet is a mere cover of the whole value behind it.
 * Threat: the kernel sends what `takeWhole` returns. Sources are primitive strings and byte arrays that we own.
 */
import type { ReadableStream } from 'web-streams-polyfill'
import { bytesFromByteString, byteStringFromBytes, stripMark, type Codec } from './bytes.ts'
import { headerValue } from './header-list.ts'
import {
  Bytes,
  concatBytes,
  copyBytes,
  hasOwn,
  isBufferSource,
  JsonParse,
  toWellFormed,
  typedArrayName,
} from './intrinsics.ts'
import type { FormsPart } from './parts/forms.ts'
import type { StreamsPart } from './parts/streams.ts'

export interface ByteString {
  readonly byteString: string
  readonly ascii: boolean
}

export interface PullSource {
  pull(): Promise<Uint8Array | undefined>
  cancel(reason: unknown): void
}

export type IncomingBody = null | ByteString | PullSource
export type Whole = string | Uint8Array<ArrayBuffer> | ByteString
export type Source = null | Whole | PullSource

export class BodyState {
  source: Source
  stream: ReadableStream | undefined
  used: boolean
  constructor(source: Source, stream: ReadableStream | undefined = undefined) {
    this.source = source
    this.stream = stream
    this.used = false
  }
}

export interface BodyDeps {
  readonly codec: Codec
  streams(): StreamsPart
  forms(): FormsPart
  /** The parts, if they have been loaded: without them no value can be one of theirs. */
  loadedStreams(): StreamsPart | undefined
  loadedForms(): FormsPart | undefined
  paramsText(value: unknown): string | undefined
}

/** A body on its way out. */
export type OutgoingBody =
  | null
  | { readonly text: string }
  | { readonly bytes: Uint8Array }
  | { readonly stream: ReadableStream }

export interface BodyKit {
  /** A body and its default content type, from a BodyInit. */
  extract(init: unknown): { state: BodyState; type: string | undefined }
  isUsed(state: BodyState): boolean
  isLocked(state: BodyState): boolean
  hasBody(state: BodyState): boolean
  /** Marks the body used and returns it for those who send it. */
  takeOut(state: BodyState): OutgoingBody
  clone(state: BodyState): BodyState
  /** Hands the body over to a new owner; the old one counts as used. */
  transfer(state: BodyState): BodyState
  /** Marks the body used and returns it whole, or the stream (or pull source) that has to be read. */
  take(state: BodyState): Source | ReadableStream
  /** Defines body, bodyUsed, text, json, … on a prototype. */
  define(
    prototype: object,
    stateOf: (self: unknown) => BodyState,
    contentTypeOf: (self: unknown) => string,
  ): void
}

/** Own properties only: what a guest puts on Object.prototype must not change what a body is. */
const isWhole = (value: unknown): value is Whole =>
  typeof value === 'string' ||
  (typeof value === 'object' &&
    value !== null &&
    (typedArrayName(value) === 'Uint8Array' || hasOwn(value, 'byteString')))

const isByteString = (whole: Whole): whole is ByteString =>
  typeof whole === 'object' && typedArrayName(whole) === undefined

export function createBodies(deps: BodyDeps): BodyKit {
  const { codec } = deps
  /** The whole value that an untouched stream of ours covers. */
  const covers = new WeakMap<object, Whole>()

  function extract(init: unknown): { state: BodyState; type: string | undefined } {
    if (typeof init === 'string') return { state: new BodyState(init), type: 'text/plain;charset=UTF-8' }
    if (init === null || init === undefined) return { state: new BodyState(null), type: undefined }
    if (typeof init === 'object') {
      if (isBufferSource(init)) return { state: new BodyState(copyBytes(init)), type: undefined }
      const params = deps.paramsText(init)
      if (params !== undefined) {
        return { state: new BodyState(params), type: 'application/x-www-form-urlencoded;charset=UTF-8' }
      }
      const streams = deps.loadedStreams()
      if (streams?.isReadable(init) === true) {
        const stream = init as ReadableStream
        if (streams.isDisturbed(stream) || stream.locked) {
          throw new TypeError('The stream was read or locked already and cannot be a body')
        }
        return { state: new BodyState(null, stream), type: undefined }
      }
      const encoded = deps.loadedForms()?.encodeBody(init)
      if (encoded !== undefined) {
        // The part runs on whatever the guest made of the prototypes, so its answer is checked like the guest's own.
        const { bytes, type } = encoded
        return {
          state: new BodyState(copyBytes(bytes)),
          type: type === undefined ? undefined : headerValue(type, 'content-type'),
        }
      }
    }
    return { state: new BodyState(`${init as string}`), type: 'text/plain;charset=UTF-8' }
  }

  const isUsed = (state: BodyState): boolean =>
    state.used || (state.stream !== undefined && deps.streams().isDisturbed(state.stream))
  const isLocked = (state: BodyState): boolean => state.stream !== undefined && state.stream.locked

  function streamOf(state: BodyState): ReadableStream | null {
    const { source } = state
    if (state.stream !== undefined || source === null) return state.stream ?? null
    const stream = deps.streams().fromSource(isWhole(source) ? () => wholeBytes(source) : source)
    if (isWhole(source)) covers.set(stream, source)
    state.source = null
    state.stream = stream
    if (state.used) deps.streams().exhaust(stream)
    return stream
  }

  function wholeBytes(whole: Whole): Uint8Array<ArrayBuffer> {
    if (typeof whole === 'string') return codec.encode(whole)
    return isByteString(whole) ? bytesFromByteString(whole.byteString) : copyBytes(whole)
  }

  function wholeText(whole: Whole): string {
    if (typeof whole === 'string') return stripMark(toWellFormed(whole))
    if (!isByteString(whole)) return codec.decodeText(byteStringFromBytes(whole))
    return whole.ascii ? whole.byteString : codec.decodeText(whole.byteString)
  }

  function take(state: BodyState): Source | ReadableStream {
    if (isUsed(state) || isLocked(state))
      throw new TypeError('The body was read already, or is locked to a reader')
    const { source, stream } = state
    if (source !== null || stream !== undefined) state.used = true
    if (stream === undefined) return source
    const whole = covers.get(stream)
    if (whole === undefined) return stream
    deps.streams().exhaust(stream)
    return whole
  }

  async function readAll(rest: PullSource | ReadableStream): Promise<Uint8Array<ArrayBuffer>> {
    const streams = deps.loadedStreams()
    const source: PullSource =
      streams?.isReadable(rest) === true ? streams.toSource(rest as ReadableStream) : (rest as PullSource)
    const chunks: Uint8Array[] = []
    for (;;) {
      const chunk = await source.pull()
      if (chunk === undefined) return concatBytes(chunks)
      if (typedArrayName(chunk) !== 'Uint8Array') throw new TypeError('A body is made of Uint8Array chunks')
      chunks[chunks.length] = chunk
    }
  }

  const isOpen = (taken: Source | ReadableStream): taken is PullSource | ReadableStream =>
    taken !== null && !isWhole(taken)

  /** A string at once if the body is whole: `json()` of a small request costs one parse and no promise more. */
  function takeText(state: BodyState): string | Promise<string> {
    const taken = take(state)
    if (isOpen(taken)) return readAll(taken).then((bytes) => codec.decodeText(byteStringFromBytes(bytes)))
    return taken === null ? '' : wholeText(taken)
  }

  function takeBytes(state: BodyState): Uint8Array<ArrayBuffer> | Promise<Uint8Array<ArrayBuffer>> {
    const taken = take(state)
    if (isOpen(taken)) return readAll(taken)
    return taken === null ? new Bytes(0) : wholeBytes(taken)
  }

  function clone(state: BodyState): BodyState {
    if (isUsed(state) || isLocked(state))
      throw new TypeError('A body that was read or locked cannot be cloned')
    const { source } = state
    const whole = state.stream === undefined ? source : covers.get(state.stream)
    if (whole === null || (whole !== undefined && isWhole(whole))) return new BodyState(whole)
    const [ours, theirs] = deps.streams().tee(streamOf(state) as ReadableStream)
    state.stream = ours
    return new BodyState(null, theirs)
  }

  function transfer(state: BodyState): BodyState {
    if (isUsed(state) || isLocked(state))
      throw new TypeError('The body was read already, or is locked to a reader')
    const { source, stream } = state
    if (source === null && stream === undefined) return new BodyState(null)
    state.used = true
    if (stream === undefined) return new BodyState(source)
    const whole = covers.get(stream)
    if (whole === undefined) return new BodyState(null, deps.streams().proxy(stream))
    deps.streams().exhaust(stream)
    return new BodyState(whole)
  }

  function define(
    prototype: object,
    stateOf: (self: unknown) => BodyState,
    contentTypeOf: (self: unknown) => string,
  ): void {
    const methods = {
      get body(): ReadableStream | null {
        return streamOf(stateOf(this))
      },
      get bodyUsed(): boolean {
        return isUsed(stateOf(this))
      },
      async text(): Promise<string> {
        return takeText(stateOf(this))
      },
      async json(): Promise<unknown> {
        const text = takeText(stateOf(this))
        return JsonParse(typeof text === 'string' ? text : await text)
      },
      async bytes(): Promise<Uint8Array> {
        return takeBytes(stateOf(this))
      },
      async arrayBuffer(): Promise<ArrayBuffer> {
        return (await takeBytes(stateOf(this))).buffer
      },
      async blob(): Promise<unknown> {
        const state = stateOf(this)
        const type = contentTypeOf(this)
        return deps.forms().blobFrom(await takeBytes(state), type)
      },
      async formData(): Promise<unknown> {
        const state = stateOf(this)
        const type = contentTypeOf(this)
        return deps.forms().decodeBody(await takeBytes(state), type)
      },
    }
    for (const name of Object.keys(methods)) {
      Object.defineProperty(
        prototype,
        name,
        Object.getOwnPropertyDescriptor(methods, name) as PropertyDescriptor,
      )
    }
  }

  return {
    extract,
    isUsed,
    isLocked,
    hasBody: (state) => state.source !== null || state.stream !== undefined,
    takeOut(state) {
      const taken = take(state)
      if (taken === null) return null
      if (typeof taken === 'string') return { text: taken }
      if (typedArrayName(taken) === 'Uint8Array') return { bytes: taken as Uint8Array }
      const isStream = deps.loadedStreams()?.isReadable(taken) === true
      return { stream: (isStream ? taken : streamOf(new BodyState(taken as Source))) as ReadableStream }
    },
    clone,
    transfer,
    take,
    define,
  }
}
