/**
 * Values to text. Plain JSON data is its JSON; anything else is `$` and a tagged form (codec.ts has the table). Text is put
 * together piece by piece, so nothing that a value or a patched prototype calls `toJSON` has a say.
 */
import { toBase64 } from './base64.ts'
import type { Place, Step } from './data-clone-error.ts'
import {
  Bytes,
  bytesOfView,
  dateTime,
  hasOwn,
  isArray,
  jsonOf,
  regExpFlags,
  regExpSource,
} from './intrinsics.ts'
import { childrenOf, type Children } from './value-children.ts'
import { Walk, isPlain, kindOf, reading, refuse, type Kind } from './value-kinds.ts'
import { viewName } from './value-parts.ts'

/** What is nested deeper is walked with more care. */
const FAST_DEPTH = 100

export function encodeValue(value: unknown): string {
  try {
    if (isJson(value, 0)) {
      const text = jsonOf(value)
      // A getter may have changed its mind.
      if (typeof text === 'string') return text
    }
  } catch {
    // What could not be read is named below.
  }
  return `$${write(value, '', undefined, new Walk())}`
}

/** Whether `JSON.stringify` tells all of it. */
function isJson(value: unknown, depth: number): boolean {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return true
    case 'number':
      return value - value === 0 && (value !== 0 || 1 / value > 0)
    case 'object':
      break
    default:
      return false
  }
  if (value === null) return true
  if (depth === FAST_DEPTH || typeof (value as { toJSON?: unknown }).toJSON === 'function') return false
  if (isArray(value)) {
    for (let index = 0; index < value.length; index++) {
      if (!isJson(value[index], depth + 1)) return false
    }
    return true
  }
  if (!isPlain(value)) return false
  for (const key in value) {
    if (!isJson((value as Record<string, unknown>)[key], depth + 1) && hasOwn(value, key)) return false
  }
  return true
}

function write(value: unknown, step: Step, parent: Place | undefined, walk: Walk): string {
  if (typeof value !== 'object' || value === null) return primitive(value, step, parent)
  const place = walk.enter(parent, step, value)
  const kind = reading(parent, step, () => kindOf(value))
  if (kind === undefined) throw refuse(parent, step, value)
  const children = reading(parent, step, () => childrenOf(kind, value, place))
  let text = reading(parent, step, () => opening(kind, value, children))
  const isSparse = kind === 'array' && children.count < children.length
  for (let child = children.first; child !== undefined; child = child.next) {
    if (child !== children.first || kind !== 'plain') text += ','
    if (kind === 'plain') text += `${jsonOf(child.key)}:`
    else if (isSparse || kind === 'error') text += `${jsonOf(child.key)},`
    text += write(child.value, child.step, place, walk)
  }
  walk.leave(value)
  return `${text}${kind === 'plain' ? '}' : ']'}`
}

function primitive(value: unknown, step: Step, parent: Place | undefined): string {
  switch (typeof value) {
    case 'string':
      return jsonOf(value) as string
    case 'number':
      if (value === 0 && 1 / value < 0) return '["number","-0"]'
      return value - value === 0 ? `${value}` : `["number","${value}"]`
    case 'boolean':
      return value ? 'true' : 'false'
    case 'undefined':
      return '["undefined"]'
    case 'bigint':
      return `["bigint","${value}"]`
    case 'object':
      return 'null'
    default:
      throw refuse(parent, step, value)
  }
}

/** All that stands before the children. */
function opening(kind: Kind, value: object, { count, length, error }: Children): string {
  switch (kind) {
    case 'plain':
      return '{'
    case 'array':
      return count === length ? '[""' : `["sparse",${length}`
    case 'date': {
      const time = dateTime(value)
      return `["date",${time === time ? time : 'null'}`
    }
    case 'map':
      return '["map"'
    case 'set':
      return '["set"'
    case 'regexp':
      return `["regexp",${jsonOf(regExpSource(value))},${jsonOf(regExpFlags(value))}`
    case 'buffer':
      return `["buffer","${toBase64(new Bytes(value as ArrayBuffer))}"`
    case 'view': {
      const bytes = toBase64(bytesOfView(value as ArrayBufferView))
      const name = viewName(value as ArrayBufferView)
      return name === 'Uint8Array' ? `["bytes","${bytes}"` : `["view","${name}","${bytes}"`
    }
    default:
      return `["error",${jsonOf(error?.name)},${jsonOf(error?.message)}`
  }
}
