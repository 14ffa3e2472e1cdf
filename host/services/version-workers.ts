/**
 * Further isolates of one version, for its workers: the same code, environment and grants as the service's own, but each in
 * a cell that no other worker is in, and without replicas: how many there are is for the pool.
 */
import type { Origin } from '../capabilities/capability.ts'
import type { Cell } from '../cells/cell.ts'
import type { GuestError } from '../cells/call.ts'
import { createLiveDeployment, type LiveDeploymentDeps } from '../cells/live-deployment.ts'
import { createWorkerSlots, type WorkerSlots } from '../concurrency/workers/worker-slots.ts'
import type { WorkerIsolate, WorkerIsolates } from '../concurrency/workers/isolates.ts'
import { MAXIMUM_LIMITS } from '../../sandbox/protocol/limits.ts'

/** What the workers of all versions have in common. */
export interface WorkerSettings {
  readonly slots: WorkerSlots
  readonly idleMs: number
  readonly onEnd: (outcome: string) => void
}

export interface VersionWorkersDeps extends WorkerSettings {
  readonly tenant: string
  readonly threw: (error: GuestError, requestId: string) => void
  /** As the service's own isolates have it. */
  readonly live: LiveDeploymentDeps
}

/** Workers that a tenant may have at a time, in all its pools. */
const WORKERS_OF_A_TENANT = 16

/** Their cells are numbered behind those that replicas of services may have. */
export const createWorkerSettings = (idleMs: number, onEnd: (outcome: string) => void): WorkerSettings => ({
  slots: createWorkerSlots(MAXIMUM_LIMITS.replicas, WORKERS_OF_A_TENANT),
  idleMs,
  onEnd,
})

export function createVersionWorkers(deps: VersionWorkersDeps): WorkerIsolates {
  const { tenant, slots, idleMs } = deps
  /** Those that have called, also while they started. */
  const origins = new WeakSet<Origin>()
  const limits = { ...deps.live.limits, replicas: 1 }

  const create = (slot: () => number): WorkerIsolate => {
    let cell: Cell | undefined
    const start = (): WorkerIsolate['live'] =>
      createLiveDeployment({
        ...deps.live,
        limits,
        perform(grant, call) {
          origins.add(call.origin)
          return deps.live.perform(grant, call)
        },
        acquireCell() {
          const given = deps.live.acquireCell(slot())
          if (given instanceof Promise) return given.then(remember)
          return remember(given)
        },
      })
    const remember = (given: Cell): Cell => {
      cell = given
      return given
    }
    let live = start()
    return {
      get live() {
        return live
      },
      abandon() {
        // Nothing else is in the cell, unless the operator has put tenants together.
        if (cell?.alive === true && cell.residentCount === 1)
          return cell.kill('stopped', 'Its task was cancelled')
        void live.drain('canceled', 0).catch(() => undefined)
        live = start()
      },
    }
  }

  return {
    tenant,
    slots,
    idleMs,
    queueLength: limits.queueLength,
    create,
    includes: (origin) => origins.has(origin),
    threw: deps.threw,
    onEnd: deps.onEnd,
  }
}
