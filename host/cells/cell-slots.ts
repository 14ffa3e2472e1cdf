/**
 * Whose cell is whose: the slots of each owner, a cell in each at most. An owner is a tenant, or a cordon of tenants that the
 * operator put together. Slot 0 is where its services start; the others come with replicas of busy services, and never
 * take the last room that tenants without a cell need.
 */
import { VelaError } from '../core/errors.ts'
import type { Cell } from './cell.ts'

export interface Slot {
  readonly owner: string
  readonly index: number
  cell: Cell | undefined
  starting: Promise<Cell> | undefined
  emptySinceMs: number
}

export interface CellSlots {
  /** The slot of that number of the tenant's owner. */
  of(tenant: string, index: number): Slot
  all(): Iterable<Slot>
  /** The slot that the cell has; undefined for a spare. */
  slotOf(cell: Cell): Slot | undefined
  /** Cells that have a slot. */
  readonly size: number
  cells(): Iterable<Cell>
  put(slot: Slot, cell: Cell, nowMs: number): void
  /** The cell has ended. Returns the slot it had. */
  remove(cell: Cell): Slot | undefined
  /** Ends an empty cell if there is no room for another. Throws VELA_CELL_START_FAILED if there is none to be had. */
  makeRoom(index: number): void
}

/** Of `maxCells`, kept free of replicas: for tenants that have no cell. */
const RESERVED = 0.25

const keyOf = (owner: string, index: number): string => `${owner} ${index}`

export function createCellSlots(
  cordons: Readonly<Record<string, readonly string[]>>,
  maxCells: number,
): CellSlots {
  const owners = new Map<string, string>()
  for (const [cordon, tenants] of Object.entries(cordons)) {
    for (const tenant of tenants) owners.set(tenant, `cordon:${cordon}`)
  }
  const slots = new Map<string, Slot>()
  const slotOfCell = new Map<Cell, Slot>()

  const full = (most: number): VelaError =>
    new VelaError('VELA_CELL_START_FAILED', `This host runs at most ${most} cells (cells.maxCells)`)

  return {
    of(tenant, index) {
      const owner = owners.get(tenant) ?? `tenant:${tenant}`
      const key = keyOf(owner, index)
      let slot = slots.get(key)
      if (slot === undefined) {
        slot = { owner, index, cell: undefined, starting: undefined, emptySinceMs: 0 }
        slots.set(key, slot)
      }
      return slot
    },
    all: () => slots.values(),
    slotOf: (cell) => slotOfCell.get(cell),
    get size() {
      return slotOfCell.size
    },
    cells: () => slotOfCell.keys(),
    put(slot, cell, nowMs) {
      slots.set(keyOf(slot.owner, slot.index), slot)
      slot.cell = cell
      slot.emptySinceMs = nowMs
      slotOfCell.set(cell, slot)
    },
    remove(cell) {
      const slot = slotOfCell.get(cell)
      slotOfCell.delete(cell)
      if (slot?.cell === cell) {
        slot.cell = undefined
        if (slot.starting === undefined) slots.delete(keyOf(slot.owner, slot.index))
      }
      return slot
    },
    makeRoom(index) {
      let count = slotOfCell.size
      for (const { starting } of slots.values()) if (starting !== undefined) count++
      if (index > 0) {
        // What is a help to one tenant must not take the only place of another.
        if (count >= Math.min(maxCells - 1, Math.floor(maxCells * (1 - RESERVED)))) throw full(maxCells)
        return
      }
      if (count < maxCells) return
      for (const cell of slotOfCell.keys()) {
        if (cell.residentCount === 0) return cell.kill('stopped', 'Room for another tenant')
      }
      throw full(maxCells)
    },
  }
}
