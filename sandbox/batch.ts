/**
 * What a cell does with one batch: frame by frame it loads, enters and drops guests, and writes what they said.
 * An entry is a transaction: if it is killed, what it said is taken back (its log lines stay), so that the host may
 * hand the same calls to another isolate without any effect happening twice.
 */
import { FROM_CELL, MAX_PAYLOAD_BYTES, TO_CELL, type Fault, type Frame } from './protocol/frame.ts'
import type { FrameWriter } from './protocol/frame-writer.ts'
import { ProtocolViolation } from './protocol/frame-reader.ts'
import type { EnterResult, Engine, Guest } from './engine/contract.ts'
import { createGuestHost, type CellGuestHost } from './guest-host.ts'
import type { SeedStream } from './seed-stream.ts'

export interface LoadFrameConfig {
  /** Handed to the kernel as it is. */
  readonly guest: unknown
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
  readonly engine: Engine
  readonly writer: FrameWriter
  readonly seeds: SeedStream
  readonly cpuMicros: () => number
}

export function createBatchRunner({ engine, writer, seeds, cpuMicros }: BatchDeps): BatchRunner {
  const residents = new Map<number, Resident>()
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
    const result = engine.load({
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
    announce(number, resident)
    // Its top-level await goes on: an empty entry tells the host which timers it waits for.
    if (!resident.described) enterGuest(number, '[]\n', 0)
  }

  /** LOADED goes out once top-level await is done; nothing may enter the guest before the host has seen it. */
  const announce = (number: number, resident: Resident): void => {
    const description = resident.guest.describe()
    if (description === undefined) return
    resident.described = true
    writer.text(FROM_CELL.loaded, number, 0, 0, description)
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
    if (!resident.described) announce(number, resident)
    if (unhandled !== undefined)
      writer.text(FROM_CELL.log, number, 3, 0, '\n\u0000' + JSON.stringify(unhandled))
  }

  const compile = (frame: Frame): void => {
    const source = frame.payload.toString('utf8')
    const cache = engine.compile(source, frame.a === 1 ? 'kernel' : 'service')
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
          engine.warm()
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

/** A frame must hold it; a character is at most three bytes, so most texts need not be measured. */
const isTooLong = (text: string | undefined): boolean =>
  text !== undefined && text.length * 3 > MAX_PAYLOAD_BYTES && Buffer.byteLength(text) > MAX_PAYLOAD_BYTES
