/** What a guest can import from `@vela/guest-sdk` (and from `cloudflare:workers`, for the names both have). */
import { defineProperty } from './primordials.ts'

export interface Sdk {
  /** The values to export, by name. */
  readonly exports: Readonly<Record<string, unknown>>
  bind(env: object): void
}

export function createSdk(): Sdk {
  class WorkerEntrypoint {
    declare protected readonly ctx: object
    declare protected readonly env: object
    constructor(ctx: object, env: object) {
      defineProperty(this, 'ctx', { value: ctx, configurable: true })
      defineProperty(this, 'env', { value: env, configurable: true })
    }
  }
  /** The same object for the life of the isolate, so that `import { env }` can bind it before it is filled. */
  const sharedEnv: Record<string, unknown> = {}
  return {
    exports: { WorkerEntrypoint, env: sharedEnv },
    bind(values) {
      Object.assign(sharedEnv, values)
      Object.freeze(sharedEnv)
    },
  }
}
