/**
 * The platform's own classes. Each is dressed (name and tag) when it comes into being, be it as a global or with a
 * lazily loaded part, and known from then on, so that structuredClone can refuse their instances.
 */
import { uncurry } from './intrinsics.ts'

export interface PlatformClasses {
  /** `classes` by the names that they are known by. */
  adopt(classes: Readonly<Record<string, unknown>>): void
  /** Whether a value is an instance of one of them, or of a class that extends one. */
  isInstance(value: object): boolean
}

/** What Web IDL leaves as the language has it. */
const OF_CONSTRUCTOR: ReadonlySet<string> = new Set(['length', 'name', 'prototype'])
const OF_PROTOTYPE: ReadonlySet<string> = new Set(['constructor'])

const { getPrototypeOf } = Object
const add = uncurry(WeakSet.prototype.add)
const has = uncurry(WeakSet.prototype.has)

export function createPlatformClasses(): PlatformClasses {
  const prototypes = new WeakSet<object>()
  return {
    adopt(classes) {
      for (const name of Object.keys(classes)) {
        const { prototype } = named(name, classes[name]) as { prototype: object }
        defineTag(name, prototype)
        showMembers(classes[name] as object, prototype)
        add(prototypes, prototype)
      }
    },
    isInstance(value) {
      for (
        let at = getPrototypeOf(value) as object | null;
        at !== null;
        at = getPrototypeOf(at) as object | null
      ) {
        if (has(prototypes, at)) return true
      }
      return false
    },
  }
}

/** The kernel is minified, so functions do not have the names that they are known by. */
export function named(name: string, value: unknown): unknown {
  if (typeof value === 'function') Object.defineProperty(value, 'name', { value: name, configurable: true })
  return value
}

/** The members of a class of the language are not enumerable, those of a Web IDL interface are. */
function showMembers(constructor: object, prototype: object): void {
  for (const [holder, hidden] of [
    [constructor, OF_CONSTRUCTOR],
    [prototype, OF_PROTOTYPE],
  ] as const) {
    for (const key of Object.getOwnPropertyNames(holder)) {
      if (Object.getOwnPropertyDescriptor(holder, key)?.configurable !== true || hidden.has(key)) continue
      Object.defineProperty(holder, key, { enumerable: true })
    }
  }
}

/** `Object.prototype.toString` names platform objects; libraries tell them apart by it. */
function defineTag(name: string, prototype: object): void {
  if (!Object.hasOwn(prototype, Symbol.toStringTag)) {
    Object.defineProperty(prototype, Symbol.toStringTag, { value: name, configurable: true })
  }
}
