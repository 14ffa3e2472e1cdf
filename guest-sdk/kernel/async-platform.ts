/**
 * What the library of tasks (guest-sdk/async) stands on inside an isolate: the guest's own timers, so that its limit of
 * them counts, its clock, and signals that its fetch and powers understand.
 */
import type { AsyncPlatform, SignalLike } from '../async/platform.ts'
import type { Timers } from './timers.ts'
import type { WebHooks } from './web-contract.ts'

export interface AsyncPlatformDeps {
  readonly web: Pick<WebHooks, 'createAbort' | 'onAbort'>
  readonly timers: Pick<Timers, 'set' | 'clear'>
  readonly now: () => number
}

/** `random` is taken now, after the guest's clock and randomness have been put in place and before it can patch them. */
export function createAsyncPlatform({ web, timers, now }: AsyncPlatformDeps): AsyncPlatform<SignalLike> {
  return {
    createAbort: () => web.createAbort() as ReturnType<AsyncPlatform<SignalLike>['createAbort']>,
    onAbort(signal, listener) {
      try {
        return web.onAbort(signal, listener)
      } catch {
        throw new TypeError('signal: an AbortSignal is needed')
      }
    },
    setTimeout: (callback, ms) => timers.set(callback, ms, [], false),
    clearTimeout: (timer) => timers.clear(timer),
    now,
    random: Math.random,
  }
}
