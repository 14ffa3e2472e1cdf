/**
 * Takes away what would tell a guest more than its frames did: the clock, randomness, garbage collection and
 * shared memory. What remains is a function of the frames, so a recording replays exactly; and there is no timer
 * finer than a turn, which also blunts timing attacks.
 */
import { ReflectApply, ReflectConstruct, defineProperty } from './primordials.ts'

export interface Clock {
  /** Epoch milliseconds of this turn; stands still while the guest computes. */
  nowMs: number
}

const hidden = { enumerable: false, configurable: true, writable: true }

export function installDeterminism(target: typeof globalThis, clock: Clock): (seed: string) => void {
  installDate(target, clock)
  installCollectionBlindness(target)
  return installRandom()
}

/**
 * WebAssembly memory is not counted by the engine's limit; shared memory is a clock. V8 insists on finding them when it
 * makes a context from a snapshot, so they go afterwards.
 */
export function removeEscapes(target: object): void {
  for (const name of ['WebAssembly', 'SharedArrayBuffer', 'Atomics']) Reflect.deleteProperty(target, name)
}

function installDate(target: typeof globalThis, clock: Clock): void {
  const NativeDate = Date
  const nativeToString = NativeDate.prototype.toString
  const VelaDate = function Date(...args: unknown[]): unknown {
    if (new.target === undefined) return ReflectApply(nativeToString, new NativeDate(clock.nowMs), [])
    return ReflectConstruct(NativeDate, args.length === 0 ? [clock.nowMs] : args, new.target)
  }
  const statics = { now: () => clock.nowMs, parse: NativeDate.parse, UTC: NativeDate.UTC }
  for (const [name, value] of Object.entries(statics)) defineProperty(VelaDate, name, { value, ...hidden })
  defineProperty(VelaDate, 'name', { value: 'Date', configurable: true })
  defineProperty(VelaDate, 'length', { value: 7, configurable: true })
  defineProperty(VelaDate, 'prototype', { value: NativeDate.prototype, writable: false, enumerable: false })
  defineProperty(NativeDate.prototype, 'constructor', { value: VelaDate, ...hidden })
  defineProperty(target, 'Date', { value: VelaDate, ...hidden })
  if (typeof Intl !== 'undefined') installDateTimeFormat(clock)
}

/** `format()` without an argument would ask the real clock. */
function installDateTimeFormat(clock: Clock): void {
  const prototype = Intl.DateTimeFormat.prototype
  const nativeParts = prototype.formatToParts
  const nativeFormat = Object.getOwnPropertyDescriptor(prototype, 'format')?.get
  defineProperty(prototype, 'formatToParts', {
    value: function formatToParts(this: Intl.DateTimeFormat, date?: unknown) {
      return ReflectApply(nativeParts, this, [date === undefined ? clock.nowMs : date])
    },
    ...hidden,
  })
  if (nativeFormat === undefined) return
  defineProperty(prototype, 'format', {
    get(this: Intl.DateTimeFormat) {
      const format = ReflectApply(nativeFormat, this, []) as (date: unknown) => string
      return (date?: unknown) => format(date === undefined ? clock.nowMs : date)
    },
    configurable: true,
    enumerable: false,
  })
}

/** sfc32: small, fast, and seeded by the host, so that a replay draws the same numbers. Not for secrets. */
function installRandom(): (seed: string) => void {
  let a = 0
  let b = 0
  let c = 0
  let counter = 1
  const next = (): number => {
    const sum = (((a + b) | 0) + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = ((c << 21) | (c >>> 11)) + sum
    c |= 0
    return sum >>> 0
  }
  defineProperty(Math, 'random', {
    value: function random(): number {
      return ((next() >>> 5) * 67_108_864 + (next() >>> 6)) / 9_007_199_254_740_992
    },
    ...hidden,
  })
  return (seed) => {
    a = Number.parseInt(seed.slice(0, 8), 16) | 0
    b = Number.parseInt(seed.slice(8, 16), 16) | 0
    c = Number.parseInt(seed.slice(16, 24), 16) | 0
    counter = Number.parseInt(seed.slice(24, 32), 16) | 1
    for (let round = 0; round < 12; round++) next()
  }
}

/** The specification allows references that are never cleared and callbacks that are never called. */
function installCollectionBlindness(target: typeof globalThis): void {
  const isTarget = (value: unknown): boolean =>
    (typeof value === 'object' && value !== null) || typeof value === 'function' || typeof value === 'symbol'
  class WeakRef {
    readonly #target: unknown
    constructor(value: unknown) {
      if (!isTarget(value)) throw new TypeError('WeakRef: invalid target')
      this.#target = value
    }
    deref(): unknown {
      return this.#target
    }
  }
  class FinalizationRegistry {
    constructor(cleanup: unknown) {
      if (typeof cleanup !== 'function') throw new TypeError('FinalizationRegistry: cleanup must be callable')
    }
    register(value: unknown): void {
      if (!isTarget(value)) throw new TypeError('FinalizationRegistry.register: invalid target')
    }
    unregister(): boolean {
      return false
    }
  }
  // Names are written out: the kernel is minified, and a class's own name is then another.
  for (const [name, value] of Object.entries({ WeakRef, FinalizationRegistry })) {
    defineProperty(value, 'name', { value: name, configurable: true })
    defineProperty(value.prototype, Symbol.toStringTag, { value: name, configurable: true })
    defineProperty(target, name, { value, ...hidden })
  }
}
