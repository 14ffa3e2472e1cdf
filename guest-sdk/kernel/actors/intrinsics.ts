/**
 * What actors need beyond the kernel's captured intrinsics. Loaded with the first grant of actors, before the guest's module
 * runs, so nothing here has been patched.
 */
import { isSurrogate } from '../../async/intrinsics.ts'
import { PromiseOf, ReflectApply, charCodeAt, subscribe, toPromise } from '../primordials.ts'

const mapGet = Map.prototype.get
const mapSet = Map.prototype.set
const mapHas = Map.prototype.has
const mapDelete = Map.prototype.delete
const mapForEach = Map.prototype.forEach
const sizeOf = Object.getOwnPropertyDescriptor(Map.prototype, 'size')?.get as () => number

/** A map by text whose methods are the captured ones. */
export class TextMap<Value> {
  readonly #map = new Map<string, Value>()
  get size(): number {
    return ReflectApply(sizeOf, this.#map, [])
  }
  get(key: string): Value | undefined {
    return ReflectApply(mapGet, this.#map, [key]) as Value | undefined
  }
  has(key: string): boolean {
    return ReflectApply(mapHas, this.#map, [key])
  }
  set(key: string, value: Value): void {
    ReflectApply(mapSet, this.#map, [key, value])
  }
  delete(key: string): boolean {
    return ReflectApply(mapDelete, this.#map, [key])
  }
  /** The callback may delete what it is called with. */
  each(callback: (value: Value, key: string) => void): void {
    ReflectApply(mapForEach, this.#map, [callback])
  }
}

/** A map for the guest: filled by the captured method, whatever became of the prototype. */
export const fillMap = (map: Map<string, unknown>, key: string, value: unknown): void => {
  ReflectApply(mapSet, map, [key, value])
}

const settled = toPromise<void>(undefined)
/** After the microtasks that wait already. */
export const soon = (run: () => void): void => subscribe(settled, run, run)

export interface Deferred<Value> {
  readonly promise: Promise<Value>
  resolve(value: Value): void
  reject(reason: unknown): void
}

export function defer<Value>(): Deferred<Value> {
  let resolve!: (value: Value) => void
  let reject!: (reason: unknown) => void
  const promise = new PromiseOf<Value>((onValue, onReason) => {
    resolve = onValue
    reject = onReason
  })
  return { promise, resolve, reject }
}

/** `Promise.reject`, which a guest may have replaced. */
export function rejection(reason: unknown): Promise<never> {
  const { promise, reject } = defer<never>()
  reject(reason)
  return promise
}

/** Nobody need look at how it ends. */
export const ignore = (promise: Promise<unknown>): void => subscribe(promise, nothing, nothing)
export const nothing = (): void => undefined

/** The same, for a promise that perhaps nobody looks at. */
export function quiet<Value>(deferred: Deferred<Value>): Deferred<Value> {
  ignore(deferred.promise)
  return deferred
}

/** The order of UTF-8 bytes, which is that of code points: below 0 if `a` comes first. */
export function compareKeys(a: string, b: string): number {
  const least = a.length < b.length ? a.length : b.length
  for (let at = 0; at < least; at++) {
    const left = charCodeAt(a, at)
    const right = charCodeAt(b, at)
    if (left === right) continue
    // Surrogates stand for what comes after all that one character can say.
    return (isSurrogate(left) ? left + 0x10_000 : left) - (isSurrogate(right) ? right + 0x10_000 : right)
  }
  return a.length - b.length
}
