/**
 * The libraries of the SDK: parts that are evaluated when a service imports one of their names, while its module is linked
 * and so before any of its code runs. A service that imports nothing of them pays nothing for them, neither time nor memory.
 */
import type { AsyncPlatform, SignalLike } from '../async/platform.ts'
import type { WiringKit } from '../di/kit.ts'

/** What a library is made with. */
export interface LibraryKit {
  readonly platform: AsyncPlatform<SignalLike>
  createError(code: string, message: string, cause?: unknown): object
  readonly wiring: WiringKit
}

/** What each part in guest-sdk/kernel/libraries/ exports as `create`: the values by the names that LIBRARIES gives. */
export type LibraryFactory = (kit: LibraryKit) => Readonly<Record<string, unknown>>

export interface Library {
  /** Its part is called `library-<name>`. */
  readonly name: string
  /** What it exports. */
  readonly names: readonly string[]
}

export const LIBRARIES: readonly Library[] = [
  { name: 'async', names: ['deferred', 'Future', 'race', 'select', 'sleep', 'taskGroup', 'timeout'] },
  { name: 'channels', names: ['broadcast', 'channel'] },
  { name: 'events', names: ['eventMiddleware'] },
  {
    name: 'di',
    names: ['ACTOR', 'CONTEXT', 'binding', 'container', 'lazy', 'optional', 'provide', 'token'],
  },
]

/** Stands for every name: what an import may want is not known. */
export const EVERY_NAME = '*'
