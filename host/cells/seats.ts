/** The cells of a supervisor in the line for CPU (shares.ts): whose they are, what their owners weigh, and their processes' clocks. */
import { availableParallelism } from 'node:os'
import { readCpuMs } from './process-stats.ts'
import { createShares, type Seat } from './shares.ts'

export interface SeatsOptions {
  /** Cores for all cells together; 0: as many as the process may use. */
  readonly cores: number
  /** Of tenants; 1 for who is not named. */
  readonly weights: Readonly<Record<string, number>>
  readonly cordons: Readonly<Record<string, readonly string[]>>
}

export interface SeatedCell {
  readonly pid: number
  proceed(): void
}

/** Cells without an owner are not in the line: they may always go, and nobody pays for them. */
export interface Seats {
  take(cell: SeatedCell, owner: string): void
  enter(cell: object): boolean
  leave(cell: object): void
  done(cell: object, cpuMicros: number, more: boolean): void
  /** CPU time of the batch under way, by the process's clock (milliseconds). */
  progress(cell: object, cpuMs: number): void
  /** Reads the processes' clocks. Called about once a second. */
  audit(): void
  end(cell: object): void
  /** CPU time measured of each owner since the last call (microseconds). */
  takeCpuMicros(): Map<string, number>
  close(): void
}

export function createSeats(options: SeatsOptions): Seats {
  const shares = createShares({
    cores: options.cores > 0 ? options.cores : availableParallelism(),
    weightOf: createWeights(options),
  })
  const seats = new Map<object, { readonly pid: number; readonly seat: Seat }>()
  return {
    take(cell, owner) {
      seats.set(cell, { pid: cell.pid, seat: shares.join(owner, () => cell.proceed()) })
    },
    enter: (cell) => seats.get(cell)?.seat.enter() ?? true,
    leave: (cell) => seats.get(cell)?.seat.leave(),
    done: (cell, cpuMicros, more) => seats.get(cell)?.seat.done(cpuMicros, more),
    progress: (cell, cpuMs) => seats.get(cell)?.seat.progress(cpuMs * 1000),
    audit() {
      for (const { pid, seat } of seats.values()) {
        const cpuMs = seat.unaudited ? readCpuMs(pid) : undefined
        if (cpuMs !== undefined) seat.audit(cpuMs * 1000)
      }
    },
    end(cell) {
      seats.get(cell)?.seat.end()
      seats.delete(cell)
    },
    takeCpuMicros: () => shares.takeCpuMicros(),
    close: () => shares.close(),
  }
}

/** A cordon has what its tenants have together: nobody loses by having been put into one. */
function createWeights({ weights, cordons }: SeatsOptions): (owner: string) => number {
  const byTenant = new Map(Object.entries(weights))
  const byOwner = new Map<string, number>()
  for (const [tenant, weight] of byTenant) byOwner.set(`tenant:${tenant}`, weight)
  for (const [cordon, tenants] of Object.entries(cordons)) {
    // A cordon of nobody has no cells.
    if (tenants.length === 0) continue
    byOwner.set(
      `cordon:${cordon}`,
      tenants.reduce((sum, tenant) => sum + (byTenant.get(tenant) ?? 1), 0),
    )
  }
  return (owner) => byOwner.get(owner) ?? 1
}
