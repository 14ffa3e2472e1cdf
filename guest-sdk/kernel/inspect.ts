/**
 * Renders values for the log without running guest code: own data properties only, getters are named and not
 * called, depth, width and length are bounded.
 */
import {
  StringOf,
  getOwnPropertyDescriptor,
  getPrototypeOf,
  indexOf,
  isArray,
  ReflectOwnKeys,
  slice,
  stringify,
} from './primordials.ts'

const MAX_DEPTH = 3
const MAX_ITEMS = 100
const MAX_LENGTH = 16_384
const DIRECTIVES = 'sdifjoOc'

/** console.log's rendering: text as it is, `%s %d %i %f %j %o %O` in a first text are filled in. */
export function format(values: readonly unknown[]): string {
  let at = 0
  let line = ''
  const first = values[0]
  if (typeof first === 'string') {
    at = 1
    let from = 0
    for (let mark = indexOf(first, '%'); mark >= 0; mark = indexOf(first, '%', from)) {
      const letter = first[mark + 1]
      if (letter === undefined || line.length > MAX_LENGTH) break
      line += slice(first, from, mark)
      from = mark + 2
      if (letter === '%') line += '%'
      else if (at >= values.length || indexOf(DIRECTIVES, letter) < 0) line += '%' + letter
      else line += fill(letter, values[at++])
    }
    line += slice(first, from)
  }
  for (; at < values.length; at++) {
    const value = values[at]
    line += (at === 0 ? '' : ' ') + (typeof value === 'string' ? value : inspect(value))
  }
  return line.length > MAX_LENGTH ? slice(line, 0, MAX_LENGTH) + '…' : line
}

function fill(letter: string, value: unknown): string {
  switch (letter) {
    case 'c':
      return ''
    case 's':
      return typeof value === 'string' ? value : inspect(value)
    case 'd':
    case 'f':
      return typeof value === 'object' ? 'NaN' : StringOf(Number(value as number))
    case 'i':
      return typeof value === 'object' ? 'NaN' : StringOf(Math.trunc(Number(value as number)))
    default:
      return inspect(value)
  }
}

export function inspect(value: unknown, depth = 0, seen: readonly unknown[] = []): string {
  switch (typeof value) {
    case 'string':
      return stringify(value) as string
    case 'bigint':
      return StringOf(value) + 'n'
    case 'symbol':
      return StringOf(value)
    case 'function':
      return `[Function ${nameOf(value) || '(anonymous)'}]`
    case 'object':
      return value === null ? 'null' : inspectObject(value, depth, seen)
    default:
      return StringOf(value)
  }
}

function inspectObject(value: object, depth: number, seen: readonly unknown[]): string {
  try {
    if (value instanceof Error && typeof value.stack === 'string') return value.stack
    for (const outer of seen) if (outer === value) return '[Circular]'
    if (depth >= MAX_DEPTH) return isArray(value) ? '[Array]' : '[Object]'
    return inspectProperties(value, depth, [...seen, value])
  } catch {
    return '[Object that cannot be shown]'
  }
}

function inspectProperties(value: object, depth: number, seen: readonly unknown[]): string {
  const list = isArray(value)
  const parts: string[] = []
  for (const key of ReflectOwnKeys(value)) {
    const descriptor = getOwnPropertyDescriptor(value, key)
    if (descriptor === undefined || !descriptor.enumerable) continue
    if (parts.length === MAX_ITEMS) {
      parts[parts.length] = '…'
      break
    }
    const shown = 'value' in descriptor ? inspect(descriptor.value, depth + 1, seen) : '[Getter]'
    const name =
      typeof key === 'symbol' ? `[${StringOf(key)}]` : /^[A-Za-z_$][\w$]*$/.test(key) ? key : inspect(key)
    parts[parts.length] = list && typeof key === 'string' && /^\d+$/.test(key) ? shown : `${name}: ${shown}`
  }
  const contents = entriesOf(value, depth, seen)
  if (contents !== undefined) parts[parts.length] = contents
  const text = parts.length === 0 ? '' : ` ${parts.join(', ')} `
  if (list) return `[${text}]`
  const name = constructorName(value)
  return `${name === '' || name === 'Object' ? '' : name + ' '}{${text}}`
}

function entriesOf(value: object, depth: number, seen: readonly unknown[]): string | undefined {
  const parts: string[] = []
  if (value instanceof Map) {
    Map.prototype.forEach.call(value, (item: unknown, key: unknown) => {
      if (parts.length < MAX_ITEMS)
        parts[parts.length] = `${inspect(key, depth + 1, seen)} => ${inspect(item, depth + 1, seen)}`
    })
  } else if (value instanceof Set) {
    Set.prototype.forEach.call(value, (item: unknown) => {
      if (parts.length < MAX_ITEMS) parts[parts.length] = inspect(item, depth + 1, seen)
    })
  } else if (value instanceof Date) {
    return Number.isNaN(value.getTime()) ? 'Invalid Date' : value.toISOString()
  }
  return parts.length === 0 ? undefined : parts.join(', ')
}

function dataProperty(value: object, key: string): unknown {
  const descriptor = getOwnPropertyDescriptor(value, key)
  return descriptor !== undefined && 'value' in descriptor ? descriptor.value : undefined
}

const nameOf = (value: object): string => {
  const name = dataProperty(value, 'name')
  return typeof name === 'string' ? name : ''
}

function constructorName(value: object): string {
  const prototype: unknown = getPrototypeOf(value)
  if (prototype === null || typeof prototype !== 'object') return ''
  const constructor = dataProperty(prototype, 'constructor')
  return typeof constructor === 'function' ? nameOf(constructor) : ''
}
