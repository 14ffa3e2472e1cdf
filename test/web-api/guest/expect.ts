/** What a check says: few words, since every check is a line or two, and they run where there is no test framework. */

/** Behaviour by its sentence; the sentence starts with the interface that it is about. */
export type Checks = Readonly<Record<string, () => unknown>>

/** Equal in content: values, arrays, plain objects, Maps, Sets, typed arrays, ArrayBuffers. */
export function same(actual: unknown, expected: unknown): void {
  const [left, right] = [show(actual), show(expected)]
  if (left !== right) throw new Error(`${left} instead of ${right}`)
}

export function ok(value: unknown, what = 'not so'): void {
  if (value !== true) throw new Error(`${what}: ${show(value)}`)
}

/** `name` is that of a native error, or of a DOMException; 'DOM SyntaxError' is the one, 'SyntaxError' the other. */
export function throws(name: string, run: () => unknown): void {
  let result: unknown
  try {
    result = run()
  } catch (error) {
    expectError(error, name)
    return
  }
  if (result instanceof Promise) result.catch(() => undefined)
  throw new Error(`no ${name}, but ${show(result)}`)
}

export async function rejects(name: string, run: () => unknown): Promise<void> {
  let result: unknown
  let promise: Promise<unknown>
  try {
    promise = Promise.resolve(run())
  } catch (error) {
    throw new Error(`thrown, not rejected: ${String(error)}`, { cause: error })
  }
  try {
    result = await promise
  } catch (error) {
    expectError(error, name)
    return
  }
  throw new Error(`no ${name}, but ${show(result)}`)
}

export async function rejectsWith(reason: unknown, promise: Promise<unknown>): Promise<void> {
  const outcome = await promise.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  )
  if (!('error' in outcome) || outcome.error !== reason) throw new Error(`${show(outcome)} instead`)
}

function expectError(error: unknown, name: string): void {
  const native = (globalThis as Record<string, unknown>)[name] as (new () => Error) | undefined
  const isRight =
    native === undefined
      ? error instanceof DOMException && error.name === name.replace('DOM ', '')
      : error instanceof native && error.name === name
  if (!isRight) throw new Error(`${show(error)} instead of ${name}`, { cause: error })
}

/** A value of a wrong type, where the types would not let it through. */
export const wrong = (value: unknown): never => value as never

export const bytes = (...values: number[]): Uint8Array<ArrayBuffer> => Uint8Array.from(values)
export const utf8 = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text)
export const hex = (data: ArrayBuffer | ArrayBufferView): string =>
  Array.from(viewOf(data), (byte) => byte.toString(16).padStart(2, '0')).join('')
export const unhex = (text: string): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16))

/** The next task, after all microtasks: a turn of the timers. */
export const task = (ms = 0): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

export async function readAll<Chunk>(stream: ReadableStream<Chunk>): Promise<Chunk[]> {
  const reader = stream.getReader()
  const chunks: Chunk[] = []
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return chunks
    chunks.push(value)
  }
}

export async function readText(stream: ReadableStream<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder()
  return (await readAll(stream)).map((chunk) => decoder.decode(chunk, { stream: true })).join('')
}

export const streamOf = <Chunk>(...chunks: Chunk[]): ReadableStream<Chunk> =>
  new ReadableStream({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(chunk)
      controller.close()
    },
  })

const viewOf = (data: ArrayBuffer | ArrayBufferView): Uint8Array =>
  ArrayBuffer.isView(data)
    ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
    : new Uint8Array(data)

function show(value: unknown, depth = 0): string {
  if (depth > 6) return '…'
  if (typeof value === 'string') return JSON.stringify(value)
  if (typeof value === 'bigint') return `${value}n`
  if (Object.is(value, -0)) return '-0'
  if (typeof value === 'function') return `function ${value.name}`
  if (typeof value !== 'object' || value === null) return String(value)
  const inner = (part: unknown): string => show(part, depth + 1)
  if (value instanceof Error) return `${value.name}: ${value.message}`
  if (Array.isArray(value)) {
    return `[${Array.from(value, (item, index) => (index in value ? inner(item) : '<empty>')).join(', ')}]`
  }
  if (ArrayBuffer.isView(value)) return `${value.constructor.name} ${hex(value)}`
  if (value instanceof ArrayBuffer) return `ArrayBuffer ${hex(value)}`
  if (value instanceof Map) return `Map${inner([...value])}`
  if (value instanceof Set) return `Set${inner([...value])}`
  if (value instanceof Date) return `Date ${value.getTime()}`
  const prototype = Object.getPrototypeOf(value) as object | null
  const name = prototype === null ? '' : `${prototype.constructor.name} `.replace('Object ', '')
  const keys = Object.keys(value).sort()
  const fields = keys.map((key) => `${key}: ${inner((value as Record<string, unknown>)[key])}`)
  return `${name}{${fields.join(', ')}}`
}
