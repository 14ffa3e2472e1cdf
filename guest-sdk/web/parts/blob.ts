/** Blob and File (File API). The bytes are copied once, into memory that only the Blob holds. */
import type { ReadableStream } from 'web-streams-polyfill'
import { dictionary } from '../dictionary.ts'
import { concatBytes, copyBytes, isBufferSource } from '../intrinsics.ts'
import type { FormsDeps } from './forms.ts'

export interface BlobOptions {
  type?: string
  endings?: string
}

export interface Blob {
  readonly size: number
  readonly type: string
  arrayBuffer(): Promise<ArrayBuffer>
  bytes(): Promise<Uint8Array>
  slice(start?: number, end?: number, contentType?: string): Blob
  stream(): ReadableStream
  text(): Promise<string>
}

export interface File extends Blob {
  readonly name: string
  readonly lastModified: number
  readonly webkitRelativePath: string
}

export interface BlobParts {
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly type: string
  readonly name: string | undefined
  readonly lastModified: number
}

export interface BlobKit {
  readonly Blob: new (parts?: unknown, options?: BlobOptions) => Blob
  readonly File: new (parts: unknown, name: string, options?: BlobOptions & { lastModified?: number }) => File
  partsOf(value: unknown): BlobParts | undefined
}

export function createBlob(deps: FormsDeps): BlobKit {
  let bytesOf!: (value: unknown) => Uint8Array<ArrayBuffer> | undefined
  let partsOf!: BlobKit['partsOf']

  function gather(parts: unknown, endings: string): Uint8Array<ArrayBuffer> {
    if (parts === undefined) return new Uint8Array(0)
    if ((typeof parts !== 'object' && typeof parts !== 'function') || !isIterable(parts))
      throw new TypeError('Blob: the parts must be a list')
    const chunks = Array.from(parts as Iterable<unknown>, (part) => {
      const existing = bytesOf(part)
      if (existing !== undefined) return existing
      if (isBufferSource(part)) return copyBytes(part)
      const text = String(part)
      return deps.encode(endings === 'native' ? text.replace(/\r\n?/g, '\n') : text)
    })
    return concatBytes(chunks)
  }

  const cleanType = (type: string): string => (/[^ -~]/.test(type) ? '' : type.toLowerCase())

  class Blob {
    #bytes: Uint8Array<ArrayBuffer>
    readonly #type: string

    static {
      bytesOf = (value) =>
        typeof value === 'object' && value !== null && #bytes in value ? value.#bytes : undefined
    }

    constructor(parts: unknown = undefined, options: BlobOptions = {}) {
      const { endings: wanted, type } = dictionary(options, 'Blob')
      const endings = wanted === undefined ? 'transparent' : `${wanted}`
      if (endings !== 'transparent' && endings !== 'native') {
        throw new TypeError('Blob: endings must be "transparent" or "native"')
      }
      this.#bytes = gather(parts, endings)
      this.#type = type === undefined ? '' : cleanType(`${type}`)
    }

    get size(): number {
      return this.#bytes.length
    }
    get type(): string {
      return this.#type
    }
    async arrayBuffer(): Promise<ArrayBuffer> {
      return copyBytes(this.#bytes).buffer
    }
    async bytes(): Promise<Uint8Array> {
      return copyBytes(this.#bytes)
    }
    async text(): Promise<string> {
      return deps.decodeText(deps.byteStringFromBytes(this.#bytes))
    }
    stream(): ReadableStream {
      const bytes = this.#bytes
      return deps.streamOf(() => copyBytes(bytes))
    }
    slice(
      start: number | undefined = undefined,
      end: number | undefined = undefined,
      contentType: string | undefined = undefined,
    ): Blob {
      // The bytes never change, so a slice shares them.
      const slice = new Blob([], contentType === undefined ? {} : { type: contentType })
      slice.#bytes = this.#bytes.subarray(start, end)
      return slice
    }
  }

  class File extends Blob {
    readonly #name: string
    readonly #lastModified: number

    static {
      partsOf = (value) => {
        const bytes = bytesOf(value)
        if (bytes === undefined) return undefined
        const blob = value as Blob
        const file = #name in blob ? blob : undefined
        return {
          bytes,
          type: blob.type,
          name: file === undefined ? undefined : file.#name,
          lastModified: file === undefined ? 0 : file.#lastModified,
        }
      }
    }

    constructor(parts: unknown, name: string, options: BlobOptions & { lastModified?: number } = {}) {
      if (arguments.length < 2) throw new TypeError('File: 2 arguments are required')
      super(parts, options)
      this.#name = `${name}`.toWellFormed()
      this.#lastModified =
        options?.lastModified === undefined ? deps.now() : Math.trunc(Number(options.lastModified)) || 0
    }

    get name(): string {
      return this.#name
    }
    get lastModified(): number {
      return this.#lastModified
    }
    get webkitRelativePath(): string {
      return ''
    }
  }

  return { Blob, File, partsOf }
}

const isIterable = (value: unknown): value is Iterable<unknown> =>
  value !== null && typeof (value as Partial<Iterable<unknown>>)[Symbol.iterator] === 'function'
