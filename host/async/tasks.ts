/**
 * Tasks, futures and waiting for trusted code of the host: the library that guests have (guest-sdk/async), on Node's
 * signals and timers, so `fetch(url, { signal: task.signal })` and all else that takes an AbortSignal ends with its task.
 */
import { createAsync, type Async } from '../../guest-sdk/async/async.ts'
import type { AsyncPlatform } from '../../guest-sdk/async/platform.ts'

const platform: AsyncPlatform<AbortSignal> = {
  createAbort: () => new AbortController(),
  onAbort(signal, listener) {
    const heard = (): void => listener(signal.reason)
    signal.addEventListener('abort', heard, { once: true })
    return () => signal.removeEventListener('abort', heard)
  },
  setTimeout: (callback, ms) => setTimeout(callback, ms),
  clearTimeout: (timer) => clearTimeout(timer as NodeJS.Timeout),
  now: () => Date.now(),
  random: () => Math.random(),
}

const library: Async<AbortSignal> = createAsync(platform)

export const deferred: Async<AbortSignal>['deferred'] = library.deferred
export const Future: Async<AbortSignal>['Future'] = library.Future
export const taskGroup: Async<AbortSignal>['taskGroup'] = library.taskGroup
export const sleep: Async<AbortSignal>['sleep'] = library.sleep
export const timeout: Async<AbortSignal>['timeout'] = library.timeout
export const race: Async<AbortSignal>['race'] = library.race
export const select: Async<AbortSignal>['select'] = library.select
