/**
 * The values that stand in an object, listed, for encoding and copying alike. Listing them first keeps both at one frame of the
 * stack for each level: QuickJS has room for few.
 */
import type { Place, Step } from './data-clone-error.ts'
import { ObjectKeys, jsonOf, mapForEach, setForEach } from './intrinsics.ts'
import { reading, type Kind } from './value-kinds.ts'
import { errorParts, type ErrorParts } from './value-parts.ts'

export interface Child {
  readonly step: Step
  /** Of a plain object's property its name, of an item its index, of a part of an error which. */
  readonly key: string | number
  readonly value: unknown
  /** Linked, since a setter on a prototype would see what is assigned to an index. */
  next: Child | undefined
}

export interface Children {
  readonly first: Child | undefined
  readonly count: number
  /** Of an array; a sparse one has fewer children. */
  readonly length: number
  readonly error: ErrorParts | undefined
}

/** Of a Map keys and values in turn. What cannot be read is refused by its place. */
export function childrenOf(kind: Kind, value: object, place: Place): Children {
  let first: Child | undefined
  let last: Child | undefined
  let count = 0
  const add = (key: string | number, step: Step, item: unknown): void => {
    const child: Child = { step, key, value: item, next: undefined }
    if (last === undefined) first = child
    else last.next = child
    last = child
    count++
  }
  let length = 0
  let error: ErrorParts | undefined
  switch (kind) {
    case 'array':
      length = (value as unknown[]).length
      addItems(value as unknown[], length, place, add)
      break
    case 'plain': {
      const keys = ObjectKeys(value)
      for (let index = 0; index < keys.length; index++) {
        const key = keys[index] as string
        add(key, key, read(value, key, place))
      }
      break
    }
    case 'map': {
      let index = 0
      mapForEach(value as Map<unknown, unknown>, (item, key) => {
        add(index, { shown: `.keys()[${index}]` }, key)
        add(index, entryStep(key, index++), item)
      })
      break
    }
    case 'set': {
      let index = 0
      setForEach(value as Set<unknown>, (item) => add(index, { shown: `.values()[${index++}]` }, item))
      break
    }
    case 'error':
      error = errorParts(value as Error)
      if (error.code !== undefined) add('code', 'code', error.code)
      if (error.cause !== undefined) add('cause', 'cause', error.cause.value)
      if (error.errors !== undefined) add('errors', 'errors', error.errors)
  }
  return { first, count, length, error }
}

function addItems(
  array: readonly unknown[],
  length: number,
  place: Place,
  add: (key: number, step: Step, item: unknown) => void,
): void {
  const keys = ObjectKeys(array)
  for (let at = 0; at < keys.length; at++) {
    const index = +(keys[at] as string)
    // Integer keys come first, in order; names that an array has beside its items stay behind.
    if (`${index}` !== keys[at] || !(index < length)) break
    add(index, index, read(array, index, place))
  }
}

/** One property, which may be a getter's. */
const read = (value: object, key: string | number, place: Place): unknown =>
  reading(place, key, () => (value as Record<string | number, unknown>)[key])

function entryStep(key: unknown, index: number): Step {
  if (typeof key === 'string' && key.length <= 100) return { shown: `.get(${jsonOf(key)})` }
  if (typeof key === 'number') return { shown: `.get(${key})` }
  return { shown: `.values()[${index}]` }
}
