/**
 * Owns the cells: which tenant has which, the spares that are kept started, what ends when idle, and what
 * replaces what was lost. A cell belongs to one tenant, or to one cordon if the operator put tenants together;
 * it never changes hands.
 */
import { COMPILE_KINDS, type CompileKind } from '../../sandbox/protocol/frame.ts'
import { VelaError } from '../core/errors.ts'
import { Cell, type CellEnd, type CellProcess } from './cell.ts'
import { createCellSlots, type Slot } from './cell-slots.ts'
import { createPriorityKeeper } from './priority.ts'
import type { Recorder } from './recorder.ts'
import { createSeats } from './seats.ts'
import { createWatchdog } from './watchdog.ts'

export interface SupervisorOptions {
  readonly spares: number
  /** A cell without residents ends after this long. */
  readonly idleMs: number
  readonly maxCells: number
  /** Name of a cordon to the tenants in it. */
  readonly cordons: Readonly<Record<string, readonly string[]>>
  /** What tenants weigh when they compete for CPU; 1 who is not named. */
  readonly weights: Readonly<Record<string, number>>
  /** Cores that all cells have together; 0: as many as the process may use. */
  readonly cores: number
  /** Resident memory that a cell may have (mebibytes). */
  readonly residentMb: number
}

export interface SupervisorDeps {
  readonly spawn: () => CellProcess
  readonly record: (label: string) => Recorder | undefined
  readonly onBuffers?: ((bytes: number) => void) | undefined
  readonly onEvent: (event: CellEvent) => void
}

export interface CellEvent {
  readonly kind: 'started' | 'ended' | 'assigned' | 'start-failed'
  readonly pid: number
  readonly owner?: string
  readonly reason?: CellEnd
  readonly message?: string
}

export interface Supervisor {
  /**
   * The tenant's cell of that number: its own, else a spare, else a new one. Synchronous when one is at hand. Number 0 is
   * where services start; others are for replicas, and are refused first when the host has many cells.
   */
  acquire(tenant: string, index?: number): Cell | Promise<Cell>
  /** Fills up the spares; resolves when they have started. */
  prepare(): Promise<void>
  /** Compiles a source in a cell that runs nothing and is ended afterwards; empty when V8 gives no cache. */
  compile(source: string, kind: CompileKind): Promise<Buffer>
  /** Ends what has been idle for long. Called about once a second. */
  tick(nowMs: number): void
  count(): { readonly assigned: number; readonly spare: number }
  /** CPU time measured of each owner since the last call (microseconds). */
  takeCpuMicros(): Map<string, number>
  close(): Promise<void>
}

const START_TIMEOUT_MS = 20_000
const SPARE = 'spare'
const REFILL_DELAY_MS = 100

export function createSupervisor(deps: SupervisorDeps, options: SupervisorOptions): Supervisor {
  const slots = createCellSlots(options.cordons, options.maxCells)
  const spares: Cell[] = []
  const starting = new Set<Cell>()
  const processes = new Set<CellProcess>()
  let startingSpares = 0
  let failures = 0
  let closed = false

  const seats = createSeats(options)
  const priorities = createPriorityKeeper()
  const watchdog = createWatchdog({
    residentLimitBytes: () => options.residentMb * 1024 * 1024,
    onLong: (pid) => {
      for (const { owner, cell } of slots.all()) {
        if (cell?.pid === pid) priorities.demote(owner, pid, performance.now())
      }
    },
    onProgress: (cell, cpuMs) => seats.progress(cell, cpuMs),
  })

  const startCell = async (label: string): Promise<Cell> => {
    const process = deps.spawn()
    processes.add(process)
    if (label === SPARE) priorities.starting(process.pid)
    void process.exited.then(() => processes.delete(process))
    const cell: Cell = new Cell({
      process,
      recorder: deps.record(label),
      onBuffers: deps.onBuffers,
      mayGo: () => seats.enter(cell),
      onNothing: () => seats.leave(cell),
      onBatchSent: () => watchdog.watch(cell),
      onBatchDone: (cpuMicros, more) => seats.done(cell, cpuMicros, more),
      onEnd: (reason, message) => ended(cell, reason, message),
    })
    const timeout = setTimeout(() => cell.kill('stuck', 'The cell did not start in time'), START_TIMEOUT_MS)
    starting.add(cell)
    try {
      await cell.ready
      failures = 0
      deps.onEvent({ kind: 'started', pid: cell.pid })
      return cell
    } catch (thrown) {
      const message = thrown instanceof Error ? thrown.message : String(thrown)
      if (!closed) {
        failures++
        deps.onEvent({ kind: 'start-failed', pid: cell.pid, message })
      }
      throw new VelaError('VELA_CELL_START_FAILED', message)
    } finally {
      starting.delete(cell)
      clearTimeout(timeout)
    }
  }

  const ended = (cell: Cell, reason: CellEnd, message: string): void => {
    const slot = slots.remove(cell)
    seats.end(cell)
    const spare = spares.indexOf(cell)
    if (spare >= 0) spares.splice(spare, 1)
    deps.onEvent({ kind: 'ended', pid: cell.pid, reason, message, ...(slot ? { owner: slot.owner } : {}) })
    if (spare >= 0) refill()
  }

  /** A system that cannot start cells must not be asked again and again; calls still try. */
  const refill = (): void => {
    while (!closed && failures < 3 && spares.length + startingSpares < options.spares) {
      startingSpares++
      startCell(SPARE)
        .then((cell) => {
          if (closed) cell.kill('stopped', 'The host stops')
          else spares.push(cell)
        })
        .catch(() => undefined)
        .finally(() => {
          startingSpares--
          waiting.splice(0).forEach((resolve) => resolve())
        })
    }
  }
  const waiting: (() => void)[] = []

  const assign = (slot: Slot, cell: Cell): Cell => {
    const nowMs = performance.now()
    slots.put(slot, cell, nowMs)
    seats.take(cell, slot.owner)
    priorities.assigned(slot.owner, cell.pid, nowMs)
    deps.onEvent({ kind: 'assigned', pid: cell.pid, owner: slot.owner })
    return cell
  }

  return {
    acquire(tenant, index = 0) {
      if (closed) throw new VelaError('VELA_GATEWAY_DRAINING', 'The host stops')
      const slot = slots.of(tenant, index)
      if (slot.cell?.alive === true) return slot.cell
      if (slot.starting !== undefined) return slot.starting
      slots.makeRoom(index)
      const spare = spares.shift()
      if (spare !== undefined) {
        const cell = assign(slot, spare)
        // Starting a process takes a core for long: the call that waits for this one goes first.
        setTimeout(refill, REFILL_DELAY_MS).unref()
        return cell
      }
      slot.starting = startCell(index === 0 ? slot.owner : `${slot.owner}-${index}`)
        .then((cell) => assign(slot, cell))
        .finally(() => {
          slot.starting = undefined
          refill()
        })
      return slot.starting
    },
    async prepare() {
      refill()
      while (startingSpares > 0) await new Promise<void>((resolve) => waiting.push(resolve))
    },
    async compile(source, kind) {
      const cell = spares.shift() ?? (await startCell('compiler'))
      try {
        return await cell.compile(source, COMPILE_KINDS[kind])
      } finally {
        cell.kill('stopped', 'Compiled')
        refill()
      }
    },
    tick(nowMs) {
      seats.audit()
      const assigned: { owner: string; pid: number }[] = []
      for (const slot of slots.all()) {
        const { cell, owner } = slot
        if (cell !== undefined) assigned.push({ owner, pid: cell.pid })
        if (cell === undefined || cell.residentCount > 0 || cell.outstanding !== 0) slot.emptySinceMs = nowMs
        else if (nowMs - slot.emptySinceMs > options.idleMs) cell.kill('stopped', 'Idle')
      }
      priorities.tick(assigned, nowMs)
      if (failures > 0 && startingSpares === 0) failures--
      refill()
    },
    count: () => ({ assigned: slots.size, spare: spares.length }),
    takeCpuMicros: () => seats.takeCpuMicros(),
    async close() {
      closed = true
      watchdog.close()
      seats.close()
      for (const cell of [...slots.cells(), ...spares, ...starting]) cell.kill('stopped', 'The host stops')
      for (const process of processes) process.kill()
      await Promise.all([...processes].map((process) => process.exited))
    },
  }
}
