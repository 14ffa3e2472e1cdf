/**
 * What a cell does with one batch: frame by frame it loads, enters and drops guests, and writes what they said.
 * An entry is a transaction: if it is killed, what it said is taken back (its log lines stay), so that the host may
 * hand the same calls to another isolate without any effect happening twice.
 */
import { eachFrame, type Batch } from './batch-reader.ts'
import { COMPILE_KINDS, FROM_CELL, HEADER_BYTES, TO_CELL, type Fault } from './protocol/frame.ts'
import type { FrameWriter } from './protocol/frame-writer.ts'
import { ProtocolViolation } from './protocol/frame-reader.ts'
import type { EngineName } from './protocol/engine-files.ts'
import type { Engines, EnterResult, Guest } from './engine/contract.ts'
import { createGuestHost, isTooLong, type CellGuestHost } from './guest-host.ts'
import type { SeedStream } from './seed-stream.ts'

export interface LoadFrameConfig {
  /** Handed to the kernel as it is. */
  readonly guest: unknown
  readonly engine: EngineName
  readonly memoryMb: number
  readonly startupMs: number
}

export interface BatchRunner {
  /** Does what the batch says; everything said in answer is in the writer. */
  run(batch: Batch): void
}

interface Resident {
  readonly guest: Guest
  readonly host: CellGuestHost
  described: boolean
}

export interface BatchDeps {
  readonly engines: Engines
  readonly writer: FrameWriter
  readonly seeds: SeedStream
  readonly cpuMicros: () => number
}

export function createBatchRunner({ engines, writer, seeds, cpuMicros }: BatchDeps): BatchRunner {
  const residents = new Map<number, Resident>()
  /** Who loads again is likely to load the same kind. */
  let lastEngine: EngineName = 'v8'
  let nowMs = 0
  /** CPU time at the last look: asking the system costs a microsecond, so each look ends one span and begins the next. */
  let lookedMicros = cpuMicros()
  let batchMicros = 0

  const fault = (number: number, reason: Fault): void => {
    residents.delete(number)
    writer.text(FROM_CELL.fault, number, 0, 0, JSON.stringify(reason))
  }

  /** CPU time since the last look. */
  const look = (): number => {
    const nowMicros = cpuMicros()
    const used = nowMicros - lookedMicros
    lookedMicros = nowMicros
    batchMicros += used
    return used
  }

  const load = (number: number, configBytes: number, sourceBytes: number, payload: Buffer): void => {
    const sourceEnd = configBytes + sourceBytes
    if (sourceEnd > payload.length) throw new ProtocolViolation('A load frame is shorter than its parts')
    residents.get(number)?.guest.dispose()
    const config = JSON.parse(payload.toString('utf8', 0, configBytes)) as LoadFrameConfig
    const cache = payload.subarray(sourceEnd)
    const host = createGuestHost(number, writer, seeds)
    lastEngine = config.engine === 'quickjs' ? 'quickjs' : 'v8'
    const result = engines[lastEngine].load({
      config: JSON.stringify(config.guest),
      source: payload.toString('utf8', configBytes, sourceEnd),
      codeCache: cache.length === 0 ? undefined : cache,
      memoryMb: config.memoryMb,
      startupMs: config.startupMs,
      host,
    })
    host.writeLogs()
    // Loading is nobody's entry.
    look()
    if ('fault' in result) return fault(number, result.fault)
    const resident = { guest: result.guest, host, described: false }
    residents.set(number, resident)
    announce(number, resident, true)
    // Its top-level await goes on: an empty entry tells the host which timers it waits for.
    if (!resident.described) enterGuest(number, '[]\n', 0)
  }

  /** LOADED goes out once top-level await is done; before that the guest cannot be called. */
  const announce = (number: number, resident: Resident, atOnce: boolean): void => {
    const description = resident.guest.describe()
    if (description === undefined) return
    resident.described = true
    writer.text(FROM_CELL.loaded, number, atOnce ? 1 : 0, 0, description)
  }

  const enterGuest = (number: number, text: string, budgetMs: number): void => {
    const resident = residents.get(number)
    if (resident === undefined)
      return fault(number, { reason: 'not-loaded', message: 'The guest is not loaded' })
    const { guest, host } = resident
    const mark = writer.mark()
    host.open()
    const result = guest.enter(nowMs, text, budgetMs)
    const usedMicros = look()
    const overflow = host.close() || isTooLong(result.output)
    if (result.fault !== undefined || overflow) {
      writer.rewind(mark)
      host.writeLogs()
      if (result.fault === undefined) guest.dispose()
      return fault(
        number,
        result.fault ?? { reason: 'exceeded-output', message: 'One entry produced too much output' },
      )
    }
    if (result.output !== undefined) {
      writer.text(FROM_CELL.output, number, usedMicros, 0, result.output)
    }
    host.writeLogs()
    settleUnhandled(number, resident, result.unhandled)
  }

  const settleUnhandled = (number: number, resident: Resident, unhandled: EnterResult['unhandled']): void => {
    if (!resident.described && unhandled !== undefined) {
      resident.guest.dispose()
      return fault(number, { reason: 'start-threw', ...unhandled })
    }
    if (!resident.described) announce(number, resident, false)
    if (unhandled !== undefined)
      writer.text(FROM_CELL.log, number, 3, 0, '\n\u0000' + JSON.stringify(unhandled))
  }

  const compile = (what: number, source: string): void => {
    const engine = what === COMPILE_KINDS.quickjs ? engines.quickjs : engines.v8
    const cache = engine.compile(source, what === COMPILE_KINDS.service ? 'service' : 'kernel')
    writer.bytes(FROM_CELL.cache, 0, 0, 0, cache ?? new Uint8Array(0))
  }

  return {
    run(batch) {
      const { buffer, view } = batch
      const sequence = view.getUint32(8, true)
      nowMs = view.getFloat64(HEADER_BYTES, true)
      seeds.reseed(buffer, HEADER_BYTES + 8)
      batchMicros = 0
      eachFrame(batch, (kind, guest, a, b, from, to) => {
        switch (kind) {
          case TO_CELL.enter:
            return enterGuest(guest, buffer.toString('latin1', from, to), a)
          case TO_CELL.load:
            return load(guest, a, b, buffer.subarray(from, to))
          case TO_CELL.drop:
            residents.get(guest)?.guest.dispose()
            residents.delete(guest)
            return
          case TO_CELL.warm:
            return engines[lastEngine].warm()
          case TO_CELL.compile:
            return compile(a, buffer.toString('utf8', from, to))
          default:
            throw new ProtocolViolation(`A frame has the unknown kind ${kind}`)
        }
      })
      if (batchMicros === 0) look()
      writer.bytes(FROM_CELL.done, 0, sequence, batchMicros, EMPTY)
    },
  }
}

const EMPTY = new Uint8Array(0)
