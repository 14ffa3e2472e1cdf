/** The ready-made middlewares, for host code: `runtime.events.use({ publish: on('orders.*', validate(Order)) })`. */
import type { RetryOptions } from '../../guest-sdk/async/retry.ts'
import { createRetry, type AnyMiddleware } from '../../guest-sdk/events/middlewares.ts'
import { sleep } from '../async/tasks.ts'

export { enrich, filter, on, trace, validate } from '../../guest-sdk/events/middlewares.ts'

/** What is inside is done again when it fails, at most `times` times in all, while the event waits. Throws RangeError for bad options. */
export const retry: (options: RetryOptions) => AnyMiddleware = createRetry({
  sleep: (ms, signal) => sleep(ms, signal instanceof AbortSignal ? { signal } : {}),
  random: Math.random,
})
