/** The lazily loaded parts: each is evaluated when first needed, once, and given what it needs of the core. */
import type { Codec } from './bytes.ts'
import { domException, DOMException } from './dom-exception.ts'
import type { EncodingKit } from './encoding.ts'
import type { ClonePart, CloneDeps } from './parts/clone.ts'
import type { EncodingsPart } from './parts/encodings.ts'
import type { FormsDeps, FormsPart } from './parts/forms.ts'
import type { StreamsDeps, StreamsPart } from './parts/streams.ts'

export type LoadPart = (name: string) => unknown

export interface PartsDeps {
  readonly codec: Codec
  readonly encoding: EncodingKit
  now(): number
  randomBytes(length: number): string
  parseParams(text: string): [string, string][]
  isPlatformObject(value: object): boolean
}

export interface Parts {
  streams(): StreamsPart
  forms(): FormsPart
  encodings(): EncodingsPart
  clone(): ClonePart
  loadedStreams(): StreamsPart | undefined
  loadedForms(): FormsPart | undefined
}

export function createParts(loadPart: LoadPart, deps: PartsDeps): Parts {
  let streams: StreamsPart | undefined
  let forms: FormsPart | undefined
  let encodings: EncodingsPart | undefined
  let clone: ClonePart | undefined

  const load = <Given, Part>(name: string, given: Given): Part =>
    (loadPart(name) as { create(given: Given): Part }).create(given)

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
      })),
    encodings: () => (encodings ??= loadPart('encodings') as EncodingsPart),
    clone: () =>
      (clone ??= load<CloneDeps, ClonePart>('clone', {
        domException,
        isDomException: (value) => value instanceof DOMException,
        cloneBlob: (value) => forms?.cloneBlob(value),
        isPlatformObject: deps.isPlatformObject,
      })),
    loadedStreams: () => streams,
    loadedForms: () => forms,
  }
  return parts
}
