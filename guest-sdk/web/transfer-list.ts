/** The list of what structuredClone and postMessage transfer, as Web IDL converts it. */

/** From the second argument of postMessage: a list, or options that have one. */
export function transferOf(options: unknown): readonly object[] {
  if (options === undefined || options === null) return []
  if (!isObject(options))
    throw new TypeError('The second argument must be options or a list of what is transferred')
  return Symbol.iterator in options ? toObjects(options) : transferOption(options)
}

/** From options alone. */
export function transferOption(options: unknown): readonly object[] {
  if (options === undefined || options === null) return []
  if (!isObject(options)) throw new TypeError('The options must be an object')
  const { transfer } = options as { transfer?: unknown }
  return transfer === undefined ? [] : toObjects(transfer)
}

function toObjects(list: unknown): readonly object[] {
  if (!isObject(list) || !(Symbol.iterator in list)) throw new TypeError('What is transferred must be a list')
  return Array.from(list as Iterable<unknown>, (item) => {
    if (!isObject(item)) throw new TypeError('Only objects can be transferred')
    return item
  })
}

const isObject = (value: unknown): value is object =>
  (typeof value === 'object' && value !== null) || typeof value === 'function'
