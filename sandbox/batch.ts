/**
 * What a cell does with one batch: frame by frame it loads, enters and drops guests, and writes what they said.
 * An entry is a transaction: if it is killed, what it said is taken back (its log lines stay), so that the host may
 * hand the same calls to another isolate without any effect happening twice.
 */
import { FROM_CELL, MAX_PAYLOAD_BYTES, TO_CELL, type Fault, type Frame } from './protocol/frame.ts'
import type { FrameWriter } from './protocol/frame-writer.ts'
import { ProtocolViolation } from './protocol/frame-reader.ts'
import type { EngineName, Engines, EnterResult, Guest } from './engine/contract.ts'
import { createGuestHost, type CellGuestHost } from './guest-host.ts'
import type { SeedStream } from './seed-stream.ts'

export interface LoadFrameConfig {
  /** Handed to the kernel as it is. */
  readonly guest: unknown
  readonly engine: EngineName
  readonly memoryMb: number
  readonly startupMs: number
}

export interface BatchRunner {
  /** Handles one frame of the current batch. */
  take(frame: Frame): void
  /** Ends the batch: everything it said is in the writer. */
  finish(): void
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
  let sequence = 0
  let nowMs = 0
  /** CPU time at the last look: asking the system costs a microsecond, so each look ends one span and begins the next. */
  let lookedMicros = 0
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

  const load = (frame: Frame): void => {
    const { payload, guest: number } = frame
    if (frame.a + frame.b > payload.length)
      throw new ProtocolViolation('A load frame is shorter than its parts')
    residents.get(number)?.guest.dispose()
    const config = JSON.parse(payload.toString('utf8', 0, frame.a)) as LoadFrameConfig
    const cache = payload.subarray(frame.a + frame.b)
    const host = createGuestHost(number, writer, seeds)
    lastEngine = config.engine === 'quickjs' ? 'quickjs' : 'v8'
    const result = engines[lastEngine].load({
      config: JSON.stringify(config.guest),
      source: payload.toString('utf8', frame.a, frame.a + frame.b),
      codeCache: cache.length === 0 ? undefined : cache,
      memoryMb: config.memoryMb,
      startupMs: config.startupMs,
      host,
    })
    host.writeLogs()
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

  const enter = (frame: Frame): void => enterGuest(frame.guest, frame.payload.toString('latin1'), frame.a)

  const enterGuest = (number: number, text: string, budgetMs: number): void => {
    const resident = residents.get(number)
    if (resident === undefined)
      return fault(number, { reason: 'not-loaded', message: 'The guest is not loaded' })
    const { guest, host } = resident
    const mark = writer.mark()
    host.open()
    const result = guest.enter(nowMs, text, budgetMs)
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
      writer.text(FROM_CELL.output, number, look(), 0, result.output)
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

  const compile = (frame: Frame): void => {
    const source = frame.payload.toString('utf8')
    const engine = frame.a === COMPILE_QUICKJS ? engines.quickjs : engines.v8
    const cache = engine.compile(source, frame.a === 0 ? 'service' : 'kernel')
    writer.bytes(FROM_CELL.cache, 0, 0, 0, cache ?? new Uint8Array(0))
  }

  return {
    take(frame) {
      switch (frame.kind) {
        case TO_CELL.batch:
          sequence = frame.a
          nowMs = frame.payload.readDoubleLE(0)
          seeds.reseed(frame.payload.subarray(8, 24))
          batchMicros = 0
          break
        case TO_CELL.load:
          load(frame)
          break
        case TO_CELL.enter:
          enter(frame)
          break
        case TO_CELL.drop:
          residents.get(frame.guest)?.guest.dispose()
          residents.delete(frame.guest)
          break
        case TO_CELL.warm:
          engines[lastEngine].warm()
          break
        default:
          compile(frame)
      }
    },
    finish() {
      if (batchMicros === 0) look()
      writer.bytes(FROM_CELL.done, 0, sequence, batchMicros, EMPTY)
    },
  }
}

const EMPTY = new Uint8Array(0)
/** `a` of a COMPILE frame; 0 is a service for V8, 1 its kernel. */
const COMPILE_QUICKJS = 2

/** A frame must hold it; a character is at most three bytes, so most texts need not be measured. */
const isTooLong = (text: string | undefined): boolean =>
  text !== undefined && text.length * 3 > MAX_PAYLOAD_BYTES && Buffer.byteLength(text) > MAX_PAYLOAD_BYTES
