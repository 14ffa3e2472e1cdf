/** The one place where globals are defined: writable, configurable, not enumerable; lazy ones replace themselves. */
import type { Parts } from './parts.ts'

const STREAMS =
  'ByteLengthQueuingStrategy CountQueuingStrategy ReadableByteStreamController ReadableStream ReadableStreamBYOBReader ' +
  'ReadableStreamBYOBRequest ReadableStreamDefaultController ReadableStreamDefaultReader TextDecoderStream ' +
  'TextEncoderStream TransformStream TransformStreamDefaultController WritableStream WritableStreamDefaultController ' +
  'WritableStreamDefaultWriter'

const FORMS = 'Blob File FormData'

export function defineGlobals(
  target: object,
  classes: Readonly<Record<string, unknown>>,
  values: Readonly<Record<string, unknown>>,
  parts: Parts,
): void {
  for (const name of Object.keys(classes)) {
    defineTag(name, classes[name])
    define(target, name, classes[name])
  }
  for (const name of Object.keys(values)) define(target, name, named(name, values[name]))
  const defineLazyClass = (name: string, load: () => unknown): void =>
    defineLazy(target, name, () => {
      const value = load()
      defineTag(name, value)
      return value
    })
  for (const name of STREAMS.split(' ')) defineLazyClass(name, () => parts.streams().globals[name])
  for (const name of FORMS.split(' ')) defineLazyClass(name, () => parts.forms().globals[name])
  defineLazy(target, 'structuredClone', () => named('structuredClone', parts.clone().structuredClone))
}

function define(target: object, name: string, value: unknown): void {
  Object.defineProperty(target, name, { value, writable: true, enumerable: false, configurable: true })
}

/** `Object.prototype.toString` names platform objects; libraries tell them apart by it. */
function defineTag(name: string, value: unknown): void {
  const { prototype } = named(name, value) as { prototype: object }
  if (!Object.hasOwn(prototype, Symbol.toStringTag)) {
    Object.defineProperty(prototype, Symbol.toStringTag, { value: name, configurable: true })
  }
}

/** The kernel is minified, so functions do not have the names that they are known by. */
function named(name: string, value: unknown): unknown {
  if (typeof value === 'function') Object.defineProperty(value, 'name', { value: name, configurable: true })
  return value
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
