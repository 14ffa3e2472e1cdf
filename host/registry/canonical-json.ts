/**
 * One text for one JSON value: keys sorted by UTF-16 code units, no spaces, members that are undefined left out. Two
 * manifests that say the same thus hash to the same version. Threat: a hostile manifest nested deep enough to overflow
 * the stack, or holding what is not JSON and would come back as something else.
 */
import { VelaError } from '../core/errors.ts'

const MAX_DEPTH = 32

export function canonicalJson(value: unknown): string {
  return write(value, '$', 0)
}

function write(value: unknown, place: string, depth: number): string {
  if (depth > MAX_DEPTH) throw invalid(place, `is nested deeper than ${MAX_DEPTH} levels`)
  switch (typeof value) {
    case 'boolean':
    case 'string':
      return JSON.stringify(value)
    case 'number':
      if (!Number.isFinite(value)) throw invalid(place, 'is not a finite number')
      return JSON.stringify(value)
    case 'object':
      if (value === null) return 'null'
      return Array.isArray(value) ? writeArray(value, place, depth) : writeObject(value, place, depth)
    default:
      throw invalid(place, `is a ${typeof value}, which JSON does not have`)
  }
}

function writeArray(items: readonly unknown[], place: string, depth: number): string {
  return `[${items.map((item, index) => write(item, `${place}[${index}]`, depth + 1)).join(',')}]`
}

function writeObject(value: object, place: string, depth: number): string {
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== null && prototype !== Object.prototype) throw invalid(place, 'is not a plain object')
  const members = Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .sort(([left], [right]) => (left < right ? -1 : 1))
  return `{${members.map(([key, member]) => `${JSON.stringify(key)}:${write(member, `${place}.${key.slice(0, 40)}`, depth + 1)}`).join(',')}}`
}

function invalid(place: string, why: string): VelaError {
  return new VelaError('VELA_DEPLOY_INVALID_MANIFEST', `The manifest cannot be stored: ${place} ${why}.`, {
    details: { place },
  })
}
