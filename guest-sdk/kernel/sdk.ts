/**
 * What a guest can import from `@vela/guest-sdk` (and from `cloudflare:workers`, for the names both have). What nearly
 * every service imports is part of the kernel; the rest are libraries, loaded by those that import them.
 */
import { EVERY_NAME, LIBRARIES, type LibraryFactory, type LibraryKit } from './libraries.ts'
import { ReflectOwnKeys, defineProperty, freeze, getPrototypeOf, indexOf } from './primordials.ts'

export interface Sdk {
  /** All that can be imported. */
  readonly names: readonly string[]
  /** Those of them that are in libraries. */
  readonly lazyNames: readonly string[]
  /**
   * The values by name. `wanted`: the names that are imported, joined by commas, or `*`; what is in a library of which nothing
   * is wanted is left undefined. For the engines, before guest code runs.
   */
  take(wanted: string): Readonly<Record<string, unknown>>
  bind(env: object): void
  /** Whether a value is a class that extends Actor. */
  isActor(value: unknown): boolean
}

export interface SdkDeps extends Omit<LibraryKit, 'createError'> {
  readonly loadPart: (name: string) => unknown
}

export function createSdk({ loadPart, ...given }: SdkDeps): Sdk {
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
  const exports: Record<string, unknown> = { Actor, DurableObject: Actor, WorkerEntrypoint, env: sharedEnv }
  const ownNames = ReflectOwnKeys(exports) as string[]
  const lazyNames = LIBRARIES.flatMap(({ names }) => names)
  const loaded: Record<string, boolean> = { __proto__: null } as never

  const load = (library: string): void => {
    if (loaded[library] === true) return
    loaded[library] = true
    const { create } = loadPart(`library-${library}`) as { create: LibraryFactory }
    const values = create({ ...given, createError })
    const names = ReflectOwnKeys(values) as string[]
    for (let index = 0; index < names.length; index++) {
      const name = names[index] as string
      defineProperty(exports, name, { value: values[name], enumerable: true })
    }
  }

  return {
    names: [...ownNames, ...lazyNames],
    lazyNames,
    take(wanted) {
      const list = `,${wanted},`
      for (let at = 0; at < LIBRARIES.length; at++) {
        const { name, names } = LIBRARIES[at] as (typeof LIBRARIES)[number]
        let isWanted = wanted === EVERY_NAME
        for (let index = 0; index < names.length && !isWanted; index++)
          isWanted = indexOf(list, `,${names[index] as string},`) >= 0
        if (isWanted) load(name)
      }
      return exports
    },
    bind(values) {
      Object.assign(sharedEnv, values)
      freeze(sharedEnv)
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

/** What libraries throw. */
export function createError(code: string, message: string, cause: unknown): object {
  const error = new Error(message)
  defineProperty(error, 'code', { value: code, configurable: true, enumerable: true })
  if (cause !== undefined)
    defineProperty(error, 'cause', { value: cause, configurable: true, writable: true })
  return error
}
