/** A machine of the test's own for shares: cells that use the CPU they are given, and a clock that is turned. */
import { createShares, type Seat, type Shares } from '../../host/cells/shares.ts'

/** One cell with endless batches of `sliceMs` each, or as many as it is given. */
export interface FakeCell {
  readonly owner: string
  readonly seat: Seat
  sliceMs: number
  /** CPU time left in the batch under way (milliseconds); 0 if there is none. */
  leftMs: number
  batchMs: number
  /** Batches still to send. */
  todo: number
  /** It was told to go. */
  told: boolean
  ran: number
}

export interface Machine {
  readonly shares: Shares
  cell(owner: string, sliceMs: number, todo?: number): FakeCell
  /** Runs for so long: every millisecond each core goes round robin among the cells that have a batch. */
  run(ms: number, eachMs?: (nowMs: number) => void): void
  usedMs(owner: string): number
  readonly nowMs: number
}

export function machineOf(cores: number, weights: Record<string, number> = {}, lies = false): Machine {
  let nowMs = 0
  let turn = 0
  const used = new Map<string, number>()
  const cells: FakeCell[] = []
  const shares = createShares({ cores, weightOf: (owner) => weights[owner] ?? 1, nowMs: () => nowMs })
  const tryToSend = (cell: FakeCell): void => {
    if (cell.leftMs > 0 || cell.todo === 0 || !cell.seat.enter()) return
    cell.todo--
    cell.batchMs = cell.sliceMs
    cell.leftMs = cell.sliceMs
  }
  const step = (cell: FakeCell): void => {
    cell.leftMs--
    cell.ran++
    used.set(cell.owner, (used.get(cell.owner) ?? 0) + 1)
    if (cell.leftMs > 0) return
    cell.seat.done(lies ? 0 : cell.batchMs * 1000, cell.todo > 0)
  }
  return {
    shares,
    cell(owner, sliceMs, todo = Infinity) {
      const cell: FakeCell = {
        owner,
        sliceMs,
        todo,
        leftMs: 0,
        batchMs: 0,
        told: false,
        ran: 0,
        seat: shares.join(owner, () => (cell.told = true)),
      }
      cells.push(cell)
      return cell
    },
    run(ms, eachMs) {
      for (let at = 0; at < ms; at++) {
        nowMs++
        eachMs?.(nowMs)
        for (const cell of cells) tryToSend(cell)
        const busy = cells.filter(({ leftMs }) => leftMs > 0)
        for (const cell of busy.map((_, index) => busy[(index + turn) % busy.length]).slice(0, cores))
          if (cell !== undefined) step(cell)
        turn++
        if (nowMs % 20 === 0 && lies) for (const cell of cells) cell.seat.audit(cell.ran * 1000)
      }
    },
    usedMs: (owner) => used.get(owner) ?? 0,
    get nowMs() {
      return nowMs
    },
  }
}
