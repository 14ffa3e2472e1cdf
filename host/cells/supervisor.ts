/**
 * Owns the cells: which tenant has which, the spares that are kept started, what ends when idle, and what
 * replaces what was lost. A cell belongs to one tenant, or to one cordon if the operator put tenants together;
 * it never changes hands.
 */
import { COMPILE_KINDS, type CompileKind } from '../../sandbox/protocol/frame.ts'
import { VelaError } from '../core/errors.ts'
import { Cell, type CellEnd, type CellProcess } from './cell.ts'
import { createPriorityKeeper } from './priority.ts'
import type { Recorder } from './recorder.ts'
import { createWatchdog } from './watchdog.ts'

export interface SupervisorOptions {
  readonly spares: number
  /** A cell without residents ends after this long. */
  readonly idleMs: number
  readonly maxCells: number
  /** Name of a cordon to the tenants in it. */
  readonly cordons: Readonly<Record<string, readonly string[]>>
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
  /** The cell of this tenant: its own, else a spare, else a new one. Synchronous when one is at hand. */
  acquire(tenant: string): Cell | Promise<Cell>
  /** Fills up the spares; resolves when they have started. */
  prepare(): Promise<void>
  /** Compiles a source in a cell that runs nothing and is ended afterwards; empty when V8 gives no cache. */
  compile(source: string, kind: CompileKind): Promise<Buffer>
  /** Ends what has been idle for long. Called about once a second. */
  tick(nowMs: number): void
  count(): { readonly assigned: number; readonly spare: number }
  pids(): number[]
  /** CPU time measured of each owner since the last call (microseconds). */
  takeCpuMicros(): Map<string, number>
  close(): Promise<void>
}

interface Home {
  readonly owner: string
  cell: Cell | undefined
  starting: Promise<Cell> | undefined
  emptySinceMs: number
  cpuMicros: number
}

const START_TIMEOUT_MS = 20_000
const SPARE = 'spare'
const REFILL_DELAY_MS = 100

export function createSupervisor(deps: SupervisorDeps, options: SupervisorOptions): Supervisor {
  const owners = new Map<string, string>()
  for (const [cordon, tenants] of Object.entries(options.cordons)) {
    for (const tenant of tenants) owners.set(tenant, `cordon:${cordon}`)
  }
  const homes = new Map<string, Home>()
  const homeOfCell = new Map<Cell, Home>()
  const spares: Cell[] = []
  const starting = new Set<Cell>()
  const processes = new Set<CellProcess>()
  let startingSpares = 0
  let failures = 0
  let closed = false

  const priorities = createPriorityKeeper()
  const watchdog = createWatchdog({
    residentLimitBytes: () => options.residentMb * 1024 * 1024,
    onLong: (pid) => {
      for (const [cell, home] of homeOfCell) {
        if (cell.pid === pid) priorities.demote(home.owner, pid, performance.now())
      }
    },
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
      onBatchSent: () => watchdog.watch(cell),
      onBatchDone: (cpuMicros) => {
        const home = homeOfCell.get(cell)
        if (home !== undefined) home.cpuMicros += cpuMicros
      },
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
    const home = homeOfCell.get(cell)
    homeOfCell.delete(cell)
    const spare = spares.indexOf(cell)
    if (spare >= 0) spares.splice(spare, 1)
    if (home?.cell === cell) home.cell = undefined
    deps.onEvent({ kind: 'ended', pid: cell.pid, reason, message, ...(home ? { owner: home.owner } : {}) })
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

  const assign = (home: Home, cell: Cell): Cell => {
    home.cell = cell
    home.emptySinceMs = performance.now()
    homeOfCell.set(cell, home)
    priorities.assigned(home.owner, cell.pid, home.emptySinceMs)
    deps.onEvent({ kind: 'assigned', pid: cell.pid, owner: home.owner })
    return cell
  }

  const homeOf = (tenant: string): Home => {
    const owner = owners.get(tenant) ?? `tenant:${tenant}`
    let home = homes.get(owner)
    if (home === undefined) {
      home = { owner, cell: undefined, starting: undefined, emptySinceMs: 0, cpuMicros: 0 }
      homes.set(owner, home)
    }
    return home
  }

  const makeRoom = (): void => {
    let count = homeOfCell.size
    for (const home of homes.values()) if (home.starting !== undefined) count++
    if (count < options.maxCells) return
    for (const [cell] of homeOfCell) {
      if (cell.residentCount === 0) return cell.kill('stopped', 'Room for another tenant')
    }
    throw new VelaError(
      'VELA_CELL_START_FAILED',
      `This host runs at most ${options.maxCells} cells (cells.maxCells)`,
    )
  }

  return {
    acquire(tenant) {
      if (closed) throw new VelaError('VELA_GATEWAY_DRAINING', 'The host stops')
      const home = homeOf(tenant)
      if (home.cell?.alive === true) return home.cell
      if (home.starting !== undefined) return home.starting
      makeRoom()
      const spare = spares.shift()
      if (spare !== undefined) {
        const cell = assign(home, spare)
        // Starting a process takes a core for long: the call that waits for this one goes first.
        setTimeout(refill, REFILL_DELAY_MS).unref()
        return cell
      }
      home.starting = startCell(home.owner)
        .then((cell) => assign(home, cell))
        .finally(() => {
          home.starting = undefined
          refill()
        })
      return home.starting
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
      for (const home of homes.values()) {
        const { cell } = home
        if (cell === undefined || cell.residentCount > 0 || cell.outstanding !== 0) home.emptySinceMs = nowMs
        else if (nowMs - home.emptySinceMs > options.idleMs) cell.kill('stopped', 'Idle')
      }
      priorities.tick(
        [...homeOfCell].map(([{ pid }, { owner }]) => ({ owner, pid })),
        nowMs,
      )
      if (failures > 0 && startingSpares === 0) failures--
      refill()
    },
    count: () => ({ assigned: homeOfCell.size, spare: spares.length }),
    pids: () => [...processes].map((process) => process.pid),
    takeCpuMicros() {
      const used = new Map<string, number>()
      for (const home of homes.values()) {
        if (home.cpuMicros > 0) used.set(home.owner, home.cpuMicros)
        home.cpuMicros = 0
      }
      return used
    },
    async close() {
      closed = true
      watchdog.close()
      for (const cell of [...homeOfCell.keys(), ...spares, ...starting])
        cell.kill('stopped', 'The host stops')
      for (const process of processes) process.kill()
      await Promise.all([...processes].map((process) => process.exited))
    },
  }
}
