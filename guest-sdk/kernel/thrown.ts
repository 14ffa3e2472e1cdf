/** Turns whatever a guest threw into plain text fields. Reading it may run guest code, so everything is guarded. */
import { slice, stringify } from './primordials.ts'
import { inspect } from './inspect.ts'

const MAX_TEXT = 16_384

/** JSON {name, message, stack?, code?} of anything thrown. */
export function describeThrown(thrown: unknown): string {
  const fields: string[] = []
  const add = (key: string, value: unknown): void => {
    if (typeof value === 'string') fields[fields.length] = `"${key}":${stringify(slice(value, 0, MAX_TEXT)) as string}`
  }
  if (thrown instanceof Error) {
    add('name', read(thrown, 'name') ?? 'Error')
    add('message', read(thrown, 'message') ?? '')
    add('stack', read(thrown, 'stack'))
    add('code', read(thrown, 'code'))
  } else {
    add('name', 'Error')
    add('message', `Thrown value is no Error: ${inspect(thrown)}`)
  }
  return `{${fields.join(',')}}`
}

function read(error: object, key: string): string | undefined {
  try {
    const value: unknown = Reflect.get(error, key)
    return typeof value === 'string' ? value : undefined
  } catch {
    return undefined
  }
}
