/** The lazily loaded parts: each is evaluated when first needed, once, and given what it needs of the core. */
import type { Native } from '../kernel/native.ts'
import { bytesFromByteString, byteStringFromBytes, type Codec } from './bytes.ts'
import { domException, DOMException } from './dom-exception.ts'
import type { EncodingKit } from './encoding.ts'
import type { EventsKit } from './event-types.ts'
import type { ClonePart, CloneDeps } from './parts/clone.ts'
import type { CompressionDeps, CompressionPart } from './parts/compression.ts'
import type { EncodingsPart } from './parts/encodings.ts'
import type { ErrorEventsPart } from './parts/error-events.ts'
import type { FormsDeps, FormsPart } from './parts/forms.ts'
import type { MessagingDeps, MessagingPart } from './parts/messaging.ts'
import type { SubtleDeps, SubtlePart } from './parts/subtle.ts'
import type { StreamsDeps, StreamsPart } from './parts/streams.ts'
import type { UrlPatternPart } from './parts/urlpattern.ts'
import type { WebSocketDeps, WebSocketPart } from './parts/websocket.ts'
import type { PlatformClasses } from './platform-classes.ts'
import { copyBytes, isBufferSource, toWellFormed } from './intrinsics.ts'
import { subtleIntrinsics } from './subtle-intrinsics.ts'

export type LoadPart = (name: string) => unknown

export interface PartsDeps {
  readonly codec: Codec
  readonly encoding: EncodingKit
  readonly events: EventsKit
  readonly native: Native
  readonly classes: PlatformClasses
  now(): number
  randomBytes(length: number): string
  parseParams(text: string): [string, string][]
  queueTask(run: () => void): void
}

export interface Parts {
  streams(): StreamsPart
  forms(): FormsPart
  encodings(): EncodingsPart
  clone(): ClonePart
  compression(): CompressionPart
  errorEvents(): ErrorEventsPart
  messaging(): MessagingPart
  subtle(): SubtlePart
  urlPattern(): UrlPatternPart
  webSocket(): WebSocketPart
  loadedStreams(): StreamsPart | undefined
  loadedForms(): FormsPart | undefined
  loadedWebSocket(): WebSocketPart | undefined
}

export function createParts(loadPart: LoadPart, deps: PartsDeps): Parts {
  let streams: StreamsPart | undefined
  let forms: FormsPart | undefined
  let encodings: EncodingsPart | undefined
  let clone: ClonePart | undefined
  let compression: CompressionPart | undefined
  let errorEvents: ErrorEventsPart | undefined
  let messaging: MessagingPart | undefined
  let subtle: SubtlePart | undefined
  let urlPattern: UrlPatternPart | undefined
  let webSocket: WebSocketPart | undefined

  const load = <Given, Part extends object>(name: string, given: Given): Part => {
    const part = (loadPart(name) as { create(given: Given): Part }).create(given)
    if ('globals' in part) deps.classes.adopt(part.globals as Readonly<Record<string, unknown>>)
    return part
  }

  const parts: Parts = {
    streams: () =>
      (streams ??= load<StreamsDeps, StreamsPart>('streams', {
        TextDecoder: deps.encoding.TextDecoder,
        TextEncoder: deps.encoding.TextEncoder,
      })),
    forms: () =>
      (forms ??= load<FormsDeps, FormsPart>('forms', {
        encode: deps.codec.encode,
        decodeText: deps.codec.decodeText,
        now: deps.now,
        randomBytes: deps.randomBytes,
        parseParams: deps.parseParams,
        streamOf: (bytes) => parts.streams().fromSource(bytes),
        bytesFromByteString,
        byteStringFromBytes,
      })),
    encodings: () => (encodings ??= loadPart('encodings') as EncodingsPart),
    clone: () =>
      (clone ??= load<CloneDeps, ClonePart>('clone', {
        domException,
        isDomException: (value) => value instanceof DOMException,
        cloneBlob: (value) => forms?.cloneBlob(value),
        cloneKey: (value) => subtle?.cloneKey(value),
        // Without its part no value can be a port.
        movePort: (value) => messaging?.movePort(value),
        isPlatformObject: deps.classes.isInstance,
      })),
    compression: () =>
      (compression ??= load<CompressionDeps, CompressionPart>('compression', {
        native: deps.native.compression,
        domException,
        bytesFromByteString,
        byteStringFromBytes,
        ...parts.streams().classes,
      })),
    errorEvents: () => (errorEvents ??= load('error-events', { events: deps.events })),
    messaging: () =>
      (messaging ??= load<MessagingDeps, MessagingPart>('messaging', {
        events: deps.events,
        domException,
        clone: (value, transfer) => parts.clone().cloneAndMove(value, transfer),
        queueTask: deps.queueTask,
      })),
    subtle: () =>
      (subtle ??= load<SubtleDeps, SubtlePart>('subtle', {
        ...subtleIntrinsics,
        crypto: deps.native.crypto,
        encodeUtf8: deps.native.encodeUtf8,
        decodeText: deps.codec.decodeText,
        randomBytes: deps.randomBytes,
        domException,
      })),
    urlPattern: () => (urlPattern ??= load('urlpattern', {})),
    webSocket: () =>
      (webSocket ??= load<WebSocketDeps, WebSocketPart>('websocket', {
        events: deps.events,
        MessageEvent: parts.messaging().globals['MessageEvent'] as WebSocketDeps['MessageEvent'],
        domException,
        queueTask: deps.queueTask,
        toData(value) {
          if (isBufferSource(value)) return copyBytes(value)
          if (typeof value === 'object' && value !== null && forms?.cloneBlob(value) !== undefined)
            throw new TypeError('send: a Blob cannot be sent; send await blob.arrayBuffer()')
          return toWellFormed(`${value as string}`)
        },
        encode: deps.codec.encode,
        decode: (byteString) => deps.codec.decode(byteString, false) ?? '',
        bytesOf: bytesFromByteString,
        blobOf: (bytes) => parts.forms().blobFrom(bytes as Uint8Array<ArrayBuffer>, ''),
      })),
    loadedStreams: () => streams,
    loadedForms: () => forms,
    loadedWebSocket: () => webSocket,
  }
  return parts
}
