/** TextEncoderStream and TextDecoderStream (Encoding Standard) over TransformStream. */
import { TransformStream, type ReadableStream, type WritableStream } from 'web-streams-polyfill'
import type { StreamsDeps } from './streams.ts'

export function createTextStreams(deps: StreamsDeps): Record<string, unknown> {
  const isLead = (code: number): boolean => code >= 0xd800 && code <= 0xdbff

  class TextEncoderStream {
    readonly #transform: TransformStream<unknown, Uint8Array>

    constructor() {
      const encoder = new deps.TextEncoder()
      // The first half of a surrogate pair waits for the second, which may come with the next chunk.
      let lead = ''
      this.#transform = new TransformStream<unknown, Uint8Array>({
        transform(chunk, controller) {
          let text = lead + String(chunk)
          lead = ''
          if (text !== '' && isLead(text.charCodeAt(text.length - 1))) {
            lead = text.slice(-1)
            text = text.slice(0, -1)
          }
          if (text !== '') controller.enqueue(encoder.encode(text))
        },
        flush(controller) {
          if (lead !== '') controller.enqueue(encoder.encode(lead))
        },
      })
    }

    get encoding(): string {
      // Throws for what is no instance.
      void this.#transform
      return 'utf-8'
    }
    get readable(): ReadableStream<Uint8Array> {
      return this.#transform.readable
    }
    get writable(): WritableStream<unknown> {
      return this.#transform.writable
    }
  }

  class TextDecoderStream {
    readonly #decoder: { readonly encoding: string; readonly fatal: boolean; readonly ignoreBOM: boolean }
    readonly #transform: TransformStream<ArrayBufferView, string>

    constructor(label: string = 'utf-8', options: { fatal?: boolean; ignoreBOM?: boolean } = {}) {
      const decoder = new deps.TextDecoder(label, options)
      this.#decoder = decoder
      this.#transform = new TransformStream<ArrayBufferView, string>({
        transform(chunk, controller) {
          if (chunk === undefined) throw new TypeError('TextDecoderStream: a chunk must be bytes')
          const text = decoder.decode(chunk, { stream: true })
          if (text !== '') controller.enqueue(text)
        },
        flush(controller) {
          const text = decoder.decode()
          if (text !== '') controller.enqueue(text)
        },
      })
    }

    get encoding(): string {
      return this.#decoder.encoding
    }
    get fatal(): boolean {
      return this.#decoder.fatal
    }
    get ignoreBOM(): boolean {
      return this.#decoder.ignoreBOM
    }
    get readable(): ReadableStream<string> {
      return this.#transform.readable
    }
    get writable(): WritableStream<ArrayBufferView> {
      return this.#transform.writable
    }
  }

  return { TextEncoderStream, TextDecoderStream }
}
