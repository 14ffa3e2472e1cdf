/** The start of a replica, from LOAD to the end of the guest's `start` hook, within a deadline. */
import { HANDLER } from '../../guest-sdk/kernel/messages.ts'
import { VelaError } from '../core/errors.ts'
import type { Cell } from './cell.ts'
import { callHook } from './hook-call.ts'
import type { Replica, ReplicaEnd } from './replica.ts'
import { startError, type Description } from './start-outcome.ts'

export interface Start {
  onLoaded(description: Description): void
  onGone(end: ReplicaEnd): void
  /** Resolves when the guest can be called; rejects with VELA_DEPLOY_START_* or VELA_CELL_*, the replica discarded. */
  run(fresh: Replica, home: Cell): Promise<Description>
}

export function createStart(wallMs: number): Start {
  const outcome = Promise.withResolvers<Description>()
  outcome.promise.catch(() => undefined)
  let fault: VelaError | undefined
  return {
    onLoaded: outcome.resolve,
    onGone(end) {
      fault = startError(end)
      outcome.reject(fault)
    },
    async run(fresh, home) {
      const late = startDeadline(wallMs)
      home.load(fresh)
      try {
        const description = await Promise.race([outcome.promise, late.passed])
        const wake = (): void => home.wake(fresh)
        if (description.start) await Promise.race([callHook(fresh, wake, HANDLER.start, ''), late.passed])
        if (!fresh.gone) return description
      } catch (thrown) {
        const reason = fault ?? thrown
        discard(fresh, home)
        throw reason
      } finally {
        late.clear()
      }
      throw new VelaError('VELA_CELL_START_FAILED', 'The cell ended while the service was starting')
    },
  }
}

export function discard(old: Replica, home: Cell): void {
  old.cellLost('stopped', 0)
  home.drop(old)
}

const LONGEST_START_MS = 15_000
const SHORTEST_START_MS = 2_000

/** A start that outlasts the wall limit would fail every request that meets a cold service. */
function startDeadline(wallMs: number): { readonly passed: Promise<never>; clear(): void } {
  const startWallMs = Math.min(LONGEST_START_MS, Math.max(wallMs, SHORTEST_START_MS))
  const late = Promise.withResolvers<never>()
  late.promise.catch(() => undefined)
  const timer = setTimeout(() => {
    const message = `The service did not finish starting within ${startWallMs} ms: its top-level await or start hook waits for too long`
    late.reject(new VelaError('VELA_DEPLOY_START_TIMEOUT', message))
  }, startWallMs)
  return { passed: late.promise, clear: () => clearTimeout(timer) }
}
