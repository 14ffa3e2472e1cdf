/** Blob, File, FormData, and bodies made of them. A part of its own: few services use them. */
import type { ReadableStream } from 'web-streams-polyfill'
import type { ByteStrings } from '../bytes.ts'
import { createBlob, type Blob, type BlobKit, type File } from './blob.ts'
import { createFormData, type FormData, type FormDataKit } from './form-data.ts'
import { createMultipart } from './multipart.ts'

export interface FormsDeps extends ByteStrings {
  encode(text: string): Uint8Array<ArrayBuffer>
  /** The `UTF-8 decode` of the specs. */
  decodeText(byteString: string): string
  now(): number
  randomBytes(length: number): string
  parseParams(text: string): [string, string][]
  streamOf(bytes: () => Uint8Array): ReadableStream
}

export interface FormsPart {
  readonly globals: Readonly<Record<string, unknown>>
  /** The bytes and content type of a Blob or FormData; undefined for anything else. */
  encodeBody(value: object): { bytes: Uint8Array<ArrayBuffer>; type: string | undefined } | undefined
  decodeBody(bytes: Uint8Array<ArrayBuffer>, contentType: string): FormData
  blobFrom(bytes: Uint8Array<ArrayBuffer>, contentType: string): Blob
  /** For structuredClone: a copy of a Blob or File; undefined for anything else. */
  cloneBlob(value: object): Blob | File | undefined
}

export function create(deps: FormsDeps): FormsPart {
  const blobs: BlobKit = createBlob(deps)
  const forms: FormDataKit = createFormData(blobs)
  const multipart = createMultipart(deps, blobs, forms)

  return {
    globals: { Blob: blobs.Blob, File: blobs.File, FormData: forms.FormData },
    encodeBody(value) {
      const blob = blobs.partsOf(value)
      if (blob !== undefined) return { bytes: blob.bytes, type: blob.type === '' ? undefined : blob.type }
      const entries = forms.entriesOf(value)
      return entries === undefined ? undefined : multipart.serialize(entries)
    },
    decodeBody(bytes, contentType) {
      const essence = contentType.split(';', 1)[0]?.trim().toLowerCase()
      if (essence === 'application/x-www-form-urlencoded') {
        const form = new forms.FormData()
        for (const [name, value] of deps.parseParams(deps.decodeText(deps.byteStringFromBytes(bytes)))) {
          form.append(name, value)
        }
        return form
      }
      if (essence === 'multipart/form-data') return multipart.parse(bytes, contentType)
      throw new TypeError(
        `formData: the content type must be multipart/form-data or application/x-www-form-urlencoded, not "${contentType}"`,
      )
    },
    blobFrom: (bytes, contentType) => new blobs.Blob([bytes], { type: contentType }),
    cloneBlob(value) {
      const parts = blobs.partsOf(value)
      if (parts === undefined) return undefined
      const options = { type: parts.type }
      if (parts.name === undefined) return new blobs.Blob([parts.bytes], options)
      return new blobs.File([parts.bytes], parts.name, { ...options, lastModified: parts.lastModified })
    },
  }
}
