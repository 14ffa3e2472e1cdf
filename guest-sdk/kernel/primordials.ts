/**
 * The intrinsics that the kernel relies on, captured before guest code runs: a guest that patches a prototype
 * may confuse itself but not the kernel's own bookkeeping.
 */
export const stringify: (value: unknown) => string | undefined = JSON.stringify
export const parse: (text: string) => unknown = JSON.parse
export const ReflectApply: typeof Reflect.apply = Reflect.apply
export const ReflectConstruct: typeof Reflect.construct = Reflect.construct
export const ReflectOwnKeys: typeof Reflect.ownKeys = Reflect.ownKeys
export const defineProperty: typeof Object.defineProperty = Object.defineProperty
export const getOwnPropertyDescriptor: typeof Object.getOwnPropertyDescriptor =
  Object.getOwnPropertyDescriptor
export const getPrototypeOf: typeof Object.getPrototypeOf = Object.getPrototypeOf
export const freeze: typeof Object.freeze = Object.freeze
export const isArray: typeof Array.isArray = Array.isArray
export const fromCharCode: typeof String.fromCharCode = String.fromCharCode
export const ceil: (value: number) => number = Math.ceil
export const StringOf: StringConstructor = String
export const PromiseOf: PromiseConstructor = Promise

/** `uncurry(Array.prototype.push)(list, item)` cannot be redirected by patching the prototype. */
const bind = Function.prototype.bind
const call = Function.prototype.call
export function uncurry<This, Args extends unknown[], Result>(
  method: (this: This, ...args: Args) => Result,
): (self: This, ...args: Args) => Result {
  return ReflectApply(bind, call, [method]) as (self: This, ...args: Args) => Result
}

export const slice: (text: string, from: number, to?: number) => string = uncurry(String.prototype.slice)
export const indexOf: (text: string, part: string, from?: number) => number = uncurry(
  String.prototype.indexOf,
)
export const charCodeAt: (text: string, at: number) => number = uncurry(String.prototype.charCodeAt)

const promiseResolve = Promise.resolve
/** `Promise.resolve`, whatever the guest did to it. */
export const toPromise = <Value>(value: Value | PromiseLike<Value>): Promise<Value> =>
  ReflectApply(promiseResolve, PromiseOf, [value]) as Promise<Value>

const promiseThen = Promise.prototype.then
/** Subscribes to a native promise whatever the guest did to `Promise.prototype`. */
export function subscribe(
  promise: Promise<unknown>,
  fulfilled: (value: unknown) => void,
  rejected: (reason: unknown) => void,
): void {
  void ReflectApply(promiseThen, promise, [fulfilled, rejected])
}

const mapGet = Map.prototype.get
const mapSet = Map.prototype.set
const mapDelete = Map.prototype.delete
const mapForEach = Map.prototype.forEach
/** A map by number whose methods are the captured ones. */
export class NumberMap<Value> {
  readonly #map = new Map<number, Value>()
  get(key: number): Value | undefined {
    return ReflectApply(mapGet, this.#map, [key]) as Value | undefined
  }
  set(key: number, value: Value): void {
    ReflectApply(mapSet, this.#map, [key, value])
  }
  delete(key: number): boolean {
    return ReflectApply(mapDelete, this.#map, [key]) as boolean
  }
  /** The callback may delete what it is called with. */
  each(callback: (value: Value, key: number) => void): void {
    ReflectApply(mapForEach, this.#map, [callback])
  }
}
