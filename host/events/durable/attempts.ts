/** Calls of a consumer's handler: each ends once, with its outcomes, with what it threw, at its timeout, or with the consumer. */
import { VelaError } from '../../core/errors.ts'
import type { Delivery, EventHandlerBatch, Outcome } from '../types.ts'

export type AttemptEnd = { readonly outcomes: readonly Outcome[] } | { readonly thrown: unknown }

export interface Attempts {
  run(batch: readonly Delivery[]): Promise<AttemptEnd>
  /** Ends all that are under way. */
  abort(reason: VelaError): void
}

export function createAttempts(handler: EventHandlerBatch, timeoutMs: number): Attempts {
  const underWay = new Set<(reason: VelaError) => void>()
  return {
    async run(batch) {
      const { promise, reject } = Promise.withResolvers<never>()
      const abort = new AbortController()
      const end = (reason: VelaError): void => {
        // Whoever listens to the signal comes too late to have a say.
        reject(reason)
        abort.abort(reason)
      }
      const timer = setTimeout(
        () => end(new VelaError('VELA_TASK_TIMEOUT', `The handler took longer than ${timeoutMs} ms`)),
        timeoutMs,
      )
      underWay.add(end)
      try {
        return { outcomes: await Promise.race([handler.handle(batch, abort.signal), promise]) }
      } catch (thrown) {
        return { thrown }
      } finally {
        clearTimeout(timer)
        underWay.delete(end)
      }
    },
    abort(reason) {
      for (const end of underWay) end(reason)
    },
  }
}
