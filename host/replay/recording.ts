/**
 * Reads a recording (host/cells/recorder.ts writes it) step by step: what the host sent in one batch and what the
 * cell answered. The file may be damaged or hostile: every length is checked before it is believed, no more than
 * one step is in memory, and whatever does not fit is VELA_REPLAY_INVALID with its place in the file.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import {
  MAX_RECORD_BYTES,
  RECORD,
  RECORD_HEADER_BYTES,
  type RecordedEnd,
  type RecordingHeader,
} from '../cells/recorder.ts'
import { VelaError } from '../core/errors.ts'
import { BATCH_FRAME_BYTES, BATCH_PAYLOAD_BYTES } from '../../sandbox/protocol/batch-frame.ts'
import { FROM_CELL, HEADER_BYTES, TO_CELL, type Frame } from '../../sandbox/protocol/frame.ts'
import { createFrameReader, ProtocolViolation } from '../../sandbox/protocol/frame-reader.ts'
import { readEnd, readHeader } from './records.ts'

export interface Step {
  /** Sequence number of the batch; 0 is the cell's greeting, before any batch. */
  readonly sequence: number
  /** Host to cell, the frame that opens the batch first; none in step 0. */
  readonly sent: readonly Frame[]
  /** Cell to host, in order. */
  readonly answer: readonly Frame[]
  /** The cell said that it was done. */
  readonly answered: boolean
}

export interface RecordingEnd {
  /** Why the cell ended; undefined when the recording breaks off before it says so. */
  readonly end: RecordedEnd | undefined
  /** Bytes of the file that are whole records. */
  readonly wholeBytes: number
  readonly fileBytes: number
}

export interface Recording {
  readonly header: RecordingHeader
  steps(): Generator<Step, RecordingEnd>
  close(): void
}

/** One batch, both ways; a cell that said more in one turn was at odds with its bounds. */
const MAX_STEP_BYTES = 512 * 1024 * 1024
const MAX_STEP_FRAMES = 1_000_000

interface OpenStep {
  sequence: number
  sent: Frame[]
  answer: Frame[]
  owedBytes: number
  bytes: number
  answered: boolean
}

export function openRecording(file: string): Recording {
  const descriptor = openFile(file)
  const fileBytes = fstatSync(descriptor).size
  let at = 0

  /** The next whole record; undefined at the end of what is whole. */
  const readRecord = (): { kind: number; payload: Buffer; offset: number } | undefined => {
    const offset = at
    if (fileBytes - offset < RECORD_HEADER_BYTES) return undefined
    const head = readAt(descriptor, offset, RECORD_HEADER_BYTES)
    const length = head.readUInt32LE(1)
    if (length > MAX_RECORD_BYTES) throw invalid(offset, `a record claims ${length} bytes`)
    if (fileBytes - offset - RECORD_HEADER_BYTES < length) return undefined
    at = offset + RECORD_HEADER_BYTES + length
    return {
      kind: head[0] as number,
      payload: readAt(descriptor, offset + RECORD_HEADER_BYTES, length),
      offset,
    }
  }

  const readFirst = (): RecordingHeader => {
    const first = readRecord()
    if (first?.kind !== RECORD.header) throw invalid(0, 'it does not begin with the header of a recording')
    return readHeader(first.payload) ?? fail(0, 'its header is not one that this version reads')
  }

  function* steps(): Generator<Step, RecordingEnd> {
    const toCell = createFrameReader(TO_CELL)
    const fromCell = createFrameReader(FROM_CELL)
    let step = openStep(0)
    let end: RecordedEnd | undefined
    let violation: number | undefined
    const finish = (): RecordingEnd => ({ end, wholeBytes: at, fileBytes })

    for (let record = readRecord(); record !== undefined; record = readRecord()) {
      const { kind, payload, offset } = record
      if (end !== undefined) throw invalid(offset, 'something follows the record of the end')
      step.bytes += payload.length
      if (step.bytes > MAX_STEP_BYTES) throw invalid(offset, 'a batch is larger than any host writes')
      if (kind === RECORD.toCell) {
        if (step.owedBytes === 0) {
          if (!step.answered)
            throw invalid(offset, `a batch begins before batch ${step.sequence} is answered`)
          yield step
          step = openStep(step.sequence)
        }
        guard(offset, () => toCell.push(payload, (frame) => takeSent(step, frame, offset)))
      } else if (kind === RECORD.fromCell) {
        if (step.owedBytes !== 0) throw invalid(offset, 'the cell answers a batch that is not whole')
        if (violation !== undefined) continue
        try {
          fromCell.push(payload, (frame) => takeAnswer(step, frame, offset))
        } catch (thrown) {
          if (!(thrown instanceof ProtocolViolation)) throw thrown
          violation = offset
        }
      } else if (kind === RECORD.killed) {
        end = readEnd(payload) ?? fail(offset, 'the record of the end is malformed')
      } else throw invalid(offset, `there is no record of kind ${kind}`)
    }
    // A host ends a cell at the first bad frame, so bytes after it, or none of it, are not a host's recording.
    if (violation !== undefined && end?.reason !== 'protocol')
      throw invalid(violation, 'the cell’s bytes are no frames')
    if (end !== undefined && step.owedBytes !== 0) throw invalid(at, 'the last batch is not whole')
    if (step.sent.length > 0 || step.answer.length > 0)
      yield { ...step, answered: step.answered && step.owedBytes === 0 }
    return finish()
  }

  try {
    return { header: readFirst(), steps, close: () => closeSync(descriptor) }
  } catch (thrown) {
    closeSync(descriptor)
    throw thrown
  }
}

/** Until its first frame has come, a step owes the frame that opens a batch; step 0 has none. */
function openStep(after: number): OpenStep {
  return { sequence: after, sent: [], answer: [], owedBytes: 0, bytes: 0, answered: false }
}

function takeSent(step: OpenStep, frame: Frame, offset: number): void {
  if (frame.kind === TO_CELL.batch) {
    if (step.owedBytes !== 0 || step.sent.length > 0) throw invalid(offset, 'a batch begins inside another')
    if (frame.payload.length !== BATCH_PAYLOAD_BYTES) throw invalid(offset, 'a batch has no time and seed')
    if (frame.a <= step.sequence) throw invalid(offset, `batch ${frame.a} follows batch ${step.sequence}`)
    step.sequence = frame.a
    step.owedBytes = BATCH_FRAME_BYTES + frame.b
  } else if (step.owedBytes === 0) throw invalid(offset, 'a frame stands outside a batch')
  addTo(step.sent, frame, offset)
  step.owedBytes -= HEADER_BYTES + frame.payload.length
  if (step.owedBytes < 0) throw invalid(offset, `batch ${step.sequence} is longer than it says`)
}

function takeAnswer(step: OpenStep, frame: Frame, offset: number): void {
  if (step.answered) throw invalid(offset, 'the cell speaks without being asked')
  if (frame.kind === FROM_CELL.hello) {
    if (step.sent.length > 0) throw invalid(offset, 'the cell greets twice')
    step.answered = true
  } else if (frame.kind === FROM_CELL.done) step.answered = true
  addTo(step.answer, frame, offset)
}

function addTo(frames: Frame[], frame: Frame, offset: number): void {
  if (frames.length === MAX_STEP_FRAMES) throw invalid(offset, 'a batch has more frames than any host writes')
  frames.push(frame)
}

function guard(offset: number, read: () => void): void {
  try {
    read()
  } catch (thrown) {
    if (thrown instanceof ProtocolViolation) throw invalid(offset, thrown.message)
    throw thrown
  }
}

function openFile(file: string): number {
  try {
    const descriptor = openSync(file, 'r')
    if (fstatSync(descriptor).isFile()) return descriptor
    closeSync(descriptor)
  } catch (thrown) {
    throw new VelaError('VELA_REPLAY_INVALID', `${file} cannot be read: ${(thrown as Error).message}`)
  }
  throw new VelaError('VELA_REPLAY_INVALID', `${file} is no file`)
}

function readAt(descriptor: number, offset: number, length: number): Buffer {
  const buffer = Buffer.allocUnsafeSlow(length)
  for (let at = 0; at < length;) {
    const count = readSync(descriptor, buffer, at, length - at, offset + at)
    if (count === 0) throw invalid(offset, 'the file became shorter while it was read')
    at += count
  }
  return buffer
}

function invalid(offset: number, what: string): VelaError {
  return new VelaError('VELA_REPLAY_INVALID', `Not a recording, at byte ${offset}: ${what}`, {
    details: { offset },
  })
}

function fail(offset: number, what: string): never {
  throw invalid(offset, what)
}
