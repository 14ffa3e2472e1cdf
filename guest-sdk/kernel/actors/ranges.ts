/** Listing: which keys are meant, and what comes of the entries of the store and of changes that it does not have yet. */
import { slice, uncurry } from '../primordials.ts'
import type { Changes } from './changes.ts'
import { TextMap, compareKeys } from './intrinsics.ts'

export interface Range {
  /** Inclusive. */
  readonly start?: string
  /** Exclusive. */
  readonly end?: string
  readonly prefix?: string
  readonly limit?: number
  readonly reverse?: boolean
}

export type Entry = readonly [key: string, text: string]

export const isInRange = ({ start, end, prefix }: Range, key: string): boolean =>
  (start === undefined || compareKeys(key, start) >= 0) &&
  (end === undefined || compareKeys(key, end) < 0) &&
  (prefix === undefined || slice(key, 0, prefix.length) === prefix)

const sort = uncurry(Array.prototype.sort) as (
  list: unknown[],
  compare: (a: Entry, b: Entry) => number,
) => void

/** In order, and no more than the limit. */
function ordered(entries: TextMap<string>, { limit, reverse }: Range): Entry[] {
  const list: Entry[] = []
  entries.each((text, key) => {
    list[list.length] = [key, text]
  })
  sort(list, reverse === true ? (a, b) => compareKeys(b[0], a[0]) : (a, b) => compareKeys(a[0], b[0]))
  if (limit !== undefined && list.length > limit) list.length = limit
  return list
}

/**
 * The entries in range after the changes, given those of the store. `more`: the store has others, behind the last that it gave; what the
 * changes say of keys behind that is left for later.
 */
export function merge(
  range: Range,
  stored: readonly Entry[],
  more: boolean,
  layers: readonly Changes[],
): Entry[] {
  const last = more ? stored[stored.length - 1]?.[0] : undefined
  const isReached = (key: string): boolean =>
    last === undefined || (range.reverse === true ? compareKeys(key, last) >= 0 : compareKeys(key, last) <= 0)
  const entries = new TextMap<string>()
  for (let index = 0; index < stored.length; index++) {
    const [key, text] = stored[index] as Entry
    entries.set(key, text)
  }
  for (let index = 0; index < layers.length; index++) {
    const layer = layers[index] as Changes
    if (layer.all) entries.each((_text, key) => entries.delete(key))
    layer.entries.each((text, key) => {
      if (text === null) entries.delete(key)
      else if (isInRange(range, key) && isReached(key)) entries.set(key, text)
    })
  }
  return ordered(entries, range)
}

/** The entries in range of a state that is known whole; null is a deleted one. */
export function select(range: Range, state: TextMap<string | null>, overlay: Changes | undefined): Entry[] {
  const entries = new TextMap<string>()
  if (overlay?.all !== true) {
    state.each((text, key) => {
      if (text !== null && isInRange(range, key)) entries.set(key, text)
    })
  }
  overlay?.entries.each((text, key) => {
    if (text === null) entries.delete(key)
    else if (isInRange(range, key)) entries.set(key, text)
  })
  return ordered(entries, range)
}

/** The same range without what has been listed. */
export const after = (range: Range, last: string): Range =>
  range.reverse === true ? { ...range, end: last } : { ...range, start: `${last}\0` }
