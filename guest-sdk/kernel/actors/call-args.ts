/** Reads what callers of actors give: names, methods, arguments. */
import { isArray } from '../primordials.ts'

const MOST_NAME_CHARACTERS = 512
const MAX_WAIT_MS = 86_400_000

export function nameOf(id: unknown): string {
  const name = typeof id === 'object' && id !== null ? (id as { name?: unknown }).name : id
  if (typeof name === 'string' && name !== '' && name.length <= MOST_NAME_CHARACTERS) return name
  throw new TypeError(`actors: a name is a text of 1 to ${MOST_NAME_CHARACTERS} characters`)
}

export function methodOf(method: unknown): string {
  if (typeof method === 'string' && method !== '') return method
  throw new TypeError('actors: a method is named by a text')
}

export function listOf(args: unknown): readonly unknown[] {
  if (isArray(args)) return args
  throw new TypeError('actors: arguments are a list')
}

export function readWait(value: unknown): number {
  if (typeof value === 'number' && value >= 0 && value <= MAX_WAIT_MS) return value
  throw new RangeError('actors: deadlineMs is a number of milliseconds, at most a day')
}
