/** Reading data from outside one field at a time: what is not there, or is no object, is undefined. */

export function field(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined
}

/** undefined when the text is no JSON, such as a line that is still being written. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
