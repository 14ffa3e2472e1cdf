/** What a guest can import from `@vela/guest-sdk` (and from `cloudflare:workers`, for the names both have). */
import { createAsync } from '../async/async.ts'
import type { AsyncPlatform, SignalLike } from '../async/platform.ts'
import { createChannels } from '../concurrency/channels.ts'
import { defineProperty, getPrototypeOf } from './primordials.ts'

export interface Sdk {
  /** The values to export, by name. */
  readonly exports: Readonly<Record<string, unknown>>
  bind(env: object): void
  /** Whether a value is a class that extends Actor. */
  isActor(value: unknown): boolean
}

export function createSdk(platform: AsyncPlatform<SignalLike>): Sdk {
  class WorkerEntrypoint {
    declare protected readonly ctx: object
    declare protected readonly env: object
    constructor(ctx: object, env: object) {
      defineProperty(this, 'ctx', { value: ctx, configurable: true })
      defineProperty(this, 'env', { value: env, configurable: true })
    }
  }
  class Actor extends WorkerEntrypoint {}
  /** The same object for the life of the isolate, so that `import { env }` can bind it before it is filled. */
  const sharedEnv: Record<string, unknown> = {}
  return {
    exports: {
      Actor,
      DurableObject: Actor,
      WorkerEntrypoint,
      env: sharedEnv,
      ...createAsync(platform),
      ...createChannels({ createError }),
    },
    bind(values) {
      Object.assign(sharedEnv, values)
      Object.freeze(sharedEnv)
    },
    isActor(value) {
      if (typeof value !== 'function') return false
      let base: unknown = getPrototypeOf(value)
      for (let depth = 0; depth < MOST_BASES && base !== null; depth++) {
        if (base === Actor) return true
        base = getPrototypeOf(base)
      }
      return false
    },
  }
}

const MOST_BASES = 64

function createError(code: string, message: string, cause: unknown): object {
  const error = new Error(message)
  defineProperty(error, 'code', { value: code, configurable: true, enumerable: true })
  if (cause !== undefined)
    defineProperty(error, 'cause', { value: cause, configurable: true, writable: true })
  return error
}
