/** The one error of the value codec, and how it names the place of what it refuses. */
import { charCodeAt, getPrototypeOf, jsonOf, slice } from './intrinsics.ts'

/** A value cannot be sent, or a text is no encoded value. The message names the place, such as `value.items[3]`. */
export class DataCloneError extends Error {
  override readonly name = 'DataCloneError'
  readonly code = 'VELA_VALUE_NOT_CLONEABLE'

  static is(thrown: unknown): thrown is DataCloneError {
    return (
      typeof thrown === 'object' && thrown !== null && getPrototypeOf(thrown) === DataCloneError.prototype
    )
  }
}

/** The name of a property, the index of an item, or how to get there, ready to be shown. */
export type Step = string | number | { readonly shown: string }

/** Where a walk is: an object, and how it got there. */
export interface Place {
  readonly parent: Place | undefined
  readonly step: Step
  readonly depth: number
  readonly value: object
}

const LONGEST_PATH = 200

/** `value.items[3]["odd name"]` */
export function pathOf(parent: Place | undefined, step: Step): string {
  let path = ''
  for (let place: Place | undefined = parent, last = step; ; place = place.parent) {
    if (place === undefined) break
    path = shown(last) + path
    last = place.step
  }
  return path.length > LONGEST_PATH ? `value…${slice(path, path.length - LONGEST_PATH)}` : `value${path}`
}

function shown(step: Step): string {
  if (typeof step === 'object') return step.shown
  if (typeof step === 'number') return `[${step}]`
  return isIdentifier(step) ? `.${step}` : `[${jsonOf(step)}]`
}

function isIdentifier(name: string): boolean {
  if (name.length === 0 || name.length > 100) return false
  for (let index = 0; index < name.length; index++) {
    const code = charCodeAt(name, index)
    const isLetter = (code >= 97 && code <= 122) || (code >= 65 && code <= 90) || code === 95 || code === 36
    if (!isLetter && !(index > 0 && code >= 48 && code <= 57)) return false
  }
  return true
}

export const refused = (parent: Place | undefined, step: Step, what: string): DataCloneError =>
  new DataCloneError(`${pathOf(parent, step)} ${what} and cannot be sent`)
