/**
 * The host's side of one cell: gathers what its residents have to say into batches and hands out the answers.
 * The cell pulls: a batch goes only when the one before is done, so that load makes batches larger. What a cell sends
 * is hostile: a frame that breaks the protocol kills it.
 */
import type { Socket } from 'node:net'
import { BATCH_FRAME_BYTES, BATCH_PAYLOAD_BYTES } from '../../sandbox/protocol/batch-frame.ts'
import { FLAG_ASCII, FROM_CELL, PROTOCOL_VERSION, TO_CELL, type Frame } from '../../sandbox/protocol/frame.ts'
import { createFrameReader, ProtocolViolation } from '../../sandbox/protocol/frame-reader.ts'
import { createFrameWriter, textOf } from '../../sandbox/protocol/frame-writer.ts'
import { parseFault, parseJson } from './hostile-json.ts'
import type { CellOptions } from './cell-options.ts'
import { nowMs } from './clock.ts'
import { takeMembers } from './batch-members.ts'
import { createGathering } from './gathering.ts'
import { writeLoad } from './load-frame.ts'
import { endOf } from './process-end.ts'
import type { CellEnd, Resident } from './resident.ts'
import { createResidentTable } from './resident-table.ts'
import { createSeedPool } from './seed-pool.ts'

export type { CellProcess } from './cell-process.ts'
export type { CellEnd, LoadPayload, Resident } from './resident.ts'

const MAX_BATCH_BYTES = 8 * 1024 * 1024

export class Cell {
  readonly pid: number
  /** Resolves with the first frame; rejects if the process ends before. */
  readonly ready: Promise<void>
  readonly #options: CellOptions
  readonly #socket: Socket
  readonly #writer = createFrameWriter()
  readonly #residents = createResidentTable()
  readonly #dirty = new Set<number>()
  readonly #toLoad = new Set<number>()
  readonly #batch = Buffer.alloc(BATCH_PAYLOAD_BYTES)
  readonly #seeds = createSeedPool()
  #toDrop: number[] = []
  #loads = 0
  #wantsWarm = false
  #warmTimer: NodeJS.Timeout | undefined
  #compile: { source: Buffer; what: number; done: (cache: Buffer) => void } | undefined
  #sequence = 0
  #outstanding = 0
  #outstandingBudgetMs = 0
  #end: CellEnd | undefined
  readonly #gathering = createGathering(() => {
    if (this.#outstanding !== 0 || this.#end !== undefined) return
    if (this.#options.mayGo?.() !== false) this.#send()
  })
  #greet: () => void = () => undefined

  constructor(options: CellOptions) {
    this.#options = options
    this.#socket = options.process.socket
    this.pid = options.process.pid
    this.ready = new Promise((resolve, reject) => {
      this.#greet = resolve
      void options.process.exited.then(({ code, signal }) =>
        reject(new Error(`The cell ended at its start (${signal ?? `exit code ${code}`})`)),
      )
    })
    this.ready.catch(() => undefined)
    const reader = createFrameReader(FROM_CELL, { inParts: FROM_CELL.bytes, ownedChunks: true })
    this.#socket.on('data', (chunk: Buffer) => {
      if (this.#end !== undefined) return
      options.onBuffers?.(chunk.length)
      options.recorder?.fromCell(chunk)
      try {
        reader.push(chunk, (frame) => this.#receive(frame))
      } catch (thrown) {
        this.kill('protocol', thrown instanceof Error ? thrown.message : 'unknown violation')
      }
    })
    this.#socket.on('error', () => undefined)
    void options.process.exited.then(({ code, signal }) => {
      const words = options.process.lastWords?.() ?? ''
      this.#finish(
        endOf(words, signal),
        `The cell's process ended (${signal ?? `exit code ${code}`})${words === '' ? '' : `: ${words}`}`,
      )
    })
  }

  get residentCount(): number {
    return this.#residents.size
  }
  get alive(): boolean {
    return this.#end === undefined
  }
  /** The batch that the cell works on, 0 when it waits. */
  get outstanding(): number {
    return this.#outstanding
  }
  /** CPU time that the outstanding batch may use before the host ends it (milliseconds). */
  get outstandingBudgetMs(): number {
    return this.#outstandingBudgetMs
  }

  load(resident: Resident): void {
    this.#toLoad.add(this.#residents.add(resident))
    // Who loads a second guest is likely to load more; the first spare came with the cell.
    if (++this.#loads > 1) this.#warmWhenIdle()
    this.#schedule()
  }

  drop(resident: Resident): void {
    const number = this.#residents.numberOf(resident)
    if (number === undefined) return
    this.#forget(number)
    this.#toDrop.push(number)
    this.#schedule()
  }

  /** The resident has something to say. */
  wake(resident: Resident): void {
    const number = this.#residents.numberOf(resident)
    if (number === undefined) return
    this.#dirty.add(number)
    this.#gathering.note()
    this.#schedule()
  }

  /** The batch that had to wait may go. */
  proceed(): void {
    if (this.#outstanding === 0 && this.#end === undefined) this.#gathering.schedule()
  }

  /** V8's code cache of a source; only for a cell that never had a resident. Empty if there is none. */
  async compile(source: string, what: number): Promise<Buffer> {
    const cache = new Promise<Buffer>((done) => {
      this.#compile = { source: Buffer.from(source), what, done }
    })
    this.#schedule()
    const lost = this.#options.process.exited.then(() => Buffer.alloc(0))
    return await Promise.race([cache, lost])
  }

  kill(reason: CellEnd, message: string): void {
    if (this.#end !== undefined) return
    this.#options.process.kill()
    this.#finish(reason, message)
  }

  /** A spare isolate takes milliseconds to make, so it must not stand in the way of calls. */
  #warmWhenIdle(): void {
    clearTimeout(this.#warmTimer)
    this.#warmTimer = setTimeout(() => {
      if (this.#end !== undefined) return
      if (this.#outstanding !== 0 || this.#hasWork()) return this.#warmWhenIdle()
      this.#wantsWarm = true
      this.#schedule()
    }, WARM_IDLE_MS).unref()
  }

  #schedule(): void {
    if (this.#outstanding === 0 && this.#end === undefined && this.#hasWork()) this.#gathering.schedule()
  }

  #hasWork(): boolean {
    return (
      this.#dirty.size > 0 ||
      this.#toLoad.size > 0 ||
      this.#toDrop.length > 0 ||
      this.#wantsWarm ||
      this.#compile !== undefined
    )
  }

  #send(): void {
    const writer = this.#writer
    const sequence = ++this.#sequence
    this.#batch.writeDoubleLE(nowMs(), 0)
    this.#seeds.copyInto(this.#batch, 8)
    writer.bytes(TO_CELL.batch, 0, sequence, 0, this.#batch)
    let budgetMs = 0
    for (const number of this.#toDrop) writer.bytes(TO_CELL.drop, number, 0, 0, EMPTY)
    this.#toDrop = []
    for (const number of this.#toLoad) budgetMs += writeLoad(writer, number, this.#residents.get(number))
    this.#toLoad.clear()
    for (const number of takeMembers(this.#dirty, (number) => this.#residents.get(number))) {
      if (writer.length > MAX_BATCH_BYTES) {
        this.#dirty.add(number)
        continue
      }
      const resident = this.#residents.get(number)
      const entry = resident?.takeEntry(sequence)
      if (resident === undefined || entry === undefined) continue
      writer.latin1(TO_CELL.enter, number, entry.budgetMs, 0, entry.text)
      budgetMs += resident.entryBudgetMs()
    }
    if (this.#wantsWarm) {
      this.#wantsWarm = false
      writer.bytes(TO_CELL.warm, 0, 0, 0, EMPTY)
      budgetMs += WARM_BUDGET_MS
    }
    if (this.#compile !== undefined) {
      writer.bytes(TO_CELL.compile, 0, this.#compile.what, 0, this.#compile.source)
      budgetMs += COMPILE_BUDGET_MS
    }
    if (writer.length === BATCH_FRAME_BYTES) {
      writer.rewind(0)
      this.#sequence--
      this.#options.onNothing?.()
      // One that was to go alone had nothing to say after all; the others must not wait for it.
      return this.#schedule()
    }
    writer.patchB(0, writer.length - BATCH_FRAME_BYTES)
    this.#outstanding = sequence
    this.#outstandingBudgetMs = budgetMs
    const bytes = Buffer.from(writer.take())
    this.#options.onBuffers?.(bytes.length)
    this.#options.recorder?.toCell(bytes)
    this.#socket.write(bytes)
    this.#options.onBatchSent()
  }

  #receive(frame: Frame): void {
    // A guest that was dropped may still be heard of; one that never was may not.
    if (frame.guest > this.#loads) throw new ProtocolViolation(`The cell speaks of guest ${frame.guest}`)
    const resident = this.#residents.get(frame.guest)
    switch (frame.kind) {
      case FROM_CELL.hello:
        if (frame.a !== PROTOCOL_VERSION) throw new ProtocolViolation(`The cell speaks version ${frame.a}`)
        this.#greet()
        break
      case FROM_CELL.done:
        if (frame.a !== this.#outstanding || frame.a === 0)
          throw new ProtocolViolation(`The cell answers batch ${frame.a}`)
        this.#outstanding = 0
        this.#options.onBatchDone(frame.b, this.#hasWork())
        this.#schedule()
        break
      case FROM_CELL.output:
        resident?.output(textOf(frame.flags, frame.payload), (frame.flags & FLAG_ASCII) !== 0, frame.a)
        break
      case FROM_CELL.bytes:
        resident?.bytes(frame.a, frame.payload)
        break
      case FROM_CELL.log:
        resident?.log(frame.a, textOf(frame.flags, frame.payload))
        break
      case FROM_CELL.loaded:
        resident?.loaded(parseJson(frame), frame.a === 1)
        break
      case FROM_CELL.fault: {
        // Before the resident is forgotten: a violation must still find it among those who lose their cell.
        const fault = parseFault(frame)
        if (resident === undefined) break
        this.#forget(frame.guest)
        resident.faulted(fault)
        break
      }
      default:
        this.#compile?.done(Buffer.from(frame.payload))
        this.#compile = undefined
    }
  }

  #forget(number: number): void {
    this.#residents.remove(number)
    this.#dirty.delete(number)
    this.#toLoad.delete(number)
  }

  #finish(end: CellEnd, message: string): void {
    if (this.#end !== undefined) return
    this.#end = end
    this.#options.recorder?.ended({
      reason: end,
      duringBatch: this.#outstanding,
      budgetMs: this.#outstandingBudgetMs,
    })
    this.#socket.destroy()
    const residents = this.#residents.takeAll()
    this.#options.onEnd(end, message)
    for (const resident of residents) resident.cellLost(end, this.#outstanding)
    this.#options.recorder?.close()
  }
}

const EMPTY = new Uint8Array(0)
const WARM_BUDGET_MS = 1000
const WARM_IDLE_MS = 3
const COMPILE_BUDGET_MS = 10_000
