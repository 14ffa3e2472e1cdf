/**
 * Turns whatever a guest threw into plain text fields. Reading it may run guest code, so everything is guarded, and the
 * JSON is put together from texts: what this returns goes to the host as it is, and no patched prototype may shape it.
 */
import { charCodeAt, slice, stringify } from './primordials.ts'
import { inspect } from './inspect.ts'

const MAX_TEXT = 16_384

/** JSON {name, message, stack?, code?} of anything thrown, each of at most so many characters. Never throws. */
export function describeThrown(thrown: unknown, most: number = MAX_TEXT): string {
  const quote = (text: string): string => stringify(slice(text, 0, most)) as string
  if (!isError(thrown))
    return `{"name":"Error","message":${quote(`Thrown value is no Error: ${show(thrown)}`)}}`
  const name = read(thrown, 'name') ?? 'Error'
  const message = read(thrown, 'message') ?? ''
  const stack = withHead(read(thrown, 'stack'), name, message)
  const code = read(thrown, 'code')
  let json = `{"name":${quote(name)},"message":${quote(message)}`
  if (stack !== undefined) json += `,"stack":${quote(stack)}`
  if (code !== undefined) json += `,"code":${quote(code)}`
  return `${json}}`
}

/** V8's stacks open with the error, QuickJS's with the first place; logs are to read alike. */
function withHead(stack: string | undefined, name: string, message: string): string | undefined {
  if (stack === undefined || charCodeAt(stack, 0) !== SPACE) return stack
  return `${name}: ${message}\n${stack}`
}

const SPACE = 32

/** `instanceof` asks Symbol.hasInstance, which a guest may have redefined. */
function isError(thrown: unknown): thrown is Error {
  try {
    return thrown instanceof Error
  } catch {
    return false
  }
}

function show(thrown: unknown): string {
  try {
    const text: unknown = inspect(thrown)
    return typeof text === 'string' ? text : ''
  } catch {
    return 'it cannot be shown'
  }
}

function read(error: object, key: string): string | undefined {
  try {
    const value: unknown = Reflect.get(error, key)
    return typeof value === 'string' ? value : undefined
  } catch {
    return undefined
  }
}
