/** The one place where globals are defined: writable, configurable, not enumerable; lazy ones replace themselves. */
import type { Parts } from './parts.ts'
import { named } from './platform-classes.ts'

interface PartWithGlobals {
  readonly globals: Readonly<Record<string, unknown>>
}

/** The classes that come with a lazily loaded part. */
const LAZY: readonly (readonly [names: string, part: (parts: Parts) => PartWithGlobals])[] = [
  [
    'ByteLengthQueuingStrategy CountQueuingStrategy ReadableByteStreamController ReadableStream ReadableStreamBYOBReader ' +
      'ReadableStreamBYOBRequest ReadableStreamDefaultController ReadableStreamDefaultReader TextDecoderStream ' +
      'TextEncoderStream TransformStream TransformStreamDefaultController WritableStream ' +
      'WritableStreamDefaultController WritableStreamDefaultWriter',
    (parts) => parts.streams(),
  ],
  ['Blob File FormData', (parts) => parts.forms()],
  ['CryptoKey SubtleCrypto', (parts) => parts.subtle()],
  ['CompressionStream DecompressionStream', (parts) => parts.compression()],
  ['ErrorEvent PromiseRejectionEvent', (parts) => parts.errorEvents()],
  ['MessageChannel MessageEvent MessagePort', (parts) => parts.messaging()],
  ['URLPattern', (parts) => parts.urlPattern()],
  ['CloseEvent WebSocket WebSocketPair', (parts) => parts.webSocket()],
]

export function defineGlobals(
  target: object,
  classes: Readonly<Record<string, unknown>>,
  values: Readonly<Record<string, unknown>>,
  parts: Parts,
): void {
  for (const name of Object.keys(classes)) define(target, name, classes[name])
  for (const name of Object.keys(values)) define(target, name, named(name, values[name]))
  for (const [names, part] of LAZY) {
    for (const name of names.split(' ')) defineLazy(target, name, () => part(parts).globals[name])
  }
  defineLazy(target, 'structuredClone', () => named('structuredClone', parts.clone().structuredClone))
}

function define(target: object, name: string, value: unknown): void {
  Object.defineProperty(target, name, { value, writable: true, enumerable: false, configurable: true })
}

function defineLazy(target: object, name: string, load: () => unknown): void {
  Object.defineProperty(target, name, {
    configurable: true,
    enumerable: false,
    get() {
      const value = load()
      define(target, name, value)
      return value
    },
    set(value: unknown) {
      define(target, name, value)
    },
  })
}
