/** What a recording may be: any bytes at all are either read or refused with a place; nothing else happens. */
import { execFileSync } from 'node:child_process'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import { createRecorder, RECORD, type RecordingHeader } from '../../host/cells/recorder.ts'
import { VelaError } from '../../host/core/errors.ts'
import { encodeStep } from '../../host/replay/prepare.ts'
import { openRecording, type RecordingEnd, type Step } from '../../host/replay/recording.ts'
import { BATCH_FRAME_BYTES, BATCH_PAYLOAD_BYTES } from '../../sandbox/protocol/batch-frame.ts'
import { createFrameReader } from '../../sandbox/protocol/frame-reader.ts'
import { createFrameWriter } from '../../sandbox/protocol/frame-writer.ts'
import { FROM_CELL, TO_CELL, type Frame } from '../../sandbox/protocol/frame.ts'
import { recordOf } from './records.ts'
import { tempFolder } from './session.ts'

const folder = tempFolder()
afterAll(() => folder[Symbol.dispose]())

const HEADER: RecordingHeader = {
  format: 'vela-recording',
  version: 1,
  image: 'abc',
  node: process.version,
  memoryMb: 64,
  residentMb: 512,
}
const NOTHING = new Uint8Array(0)

function frames(write: (writer: ReturnType<typeof createFrameWriter>) => void): Buffer {
  const writer = createFrameWriter()
  write(writer)
  return Buffer.from(writer.take())
}

function batch(sequence: number, write: (writer: ReturnType<typeof createFrameWriter>) => void): Buffer {
  return frames((writer) => {
    writer.bytes(TO_CELL.batch, 0, sequence, 0, Buffer.alloc(BATCH_PAYLOAD_BYTES, sequence))
    write(writer)
    writer.patchB(0, writer.length - BATCH_FRAME_BYTES)
  })
}

/** A small recording as a host writes it. */
function sample(): Buffer {
  const file = join(folder.path, 'sample')
  const recorder = createRecorder(file, HEADER, (failure) => expect.fail(failure.message))
  recorder.fromCell(frames((writer) => writer.bytes(FROM_CELL.hello, 0, 1, 0, NOTHING)))
  for (let sequence = 1; sequence <= 3; sequence++) {
    recorder.toCell(batch(sequence, (writer) => writer.latin1(TO_CELL.enter, 1, 50, 0, '[]\n')))
    const answer = frames((writer) => {
      writer.text(FROM_CELL.output, 1, 9, 0, '[[7,0]]\n')
      writer.bytes(FROM_CELL.done, 0, sequence, 77, NOTHING)
    })
    // The socket cuts where it likes.
    recorder.fromCell(answer.subarray(0, 5))
    recorder.fromCell(answer.subarray(5))
  }
  recorder.ended({ reason: 'stopped', duringBatch: 0, budgetMs: 0 })
  recorder.close()
  const bytes = readFileSync(file)
  rmSync(file)
  return bytes
}

function readAll(bytes: Uint8Array): { steps: Step[]; end: RecordingEnd } {
  const file = join(folder.path, 'read')
  writeFileSync(file, bytes)
  const recording = openRecording(file)
  try {
    const steps: Step[] = []
    const generator = recording.steps()
    for (;;) {
      const next = generator.next()
      if (next.done) return { steps, end: next.value }
      steps.push(next.value)
    }
  } finally {
    recording.close()
  }
}

const refusal = (bytes: Uint8Array): VelaError | undefined => {
  try {
    readAll(bytes)
    return undefined
  } catch (thrown) {
    if (thrown instanceof VelaError && thrown.code === 'VELA_REPLAY_INVALID') return thrown
    throw thrown
  }
}

describe('a recording', () => {
  const whole = sample()

  test('gives back the batches and their answers', () => {
    const { steps, end } = readAll(whole)
    expect(
      steps.map(({ sequence, sent, answer, answered }) => [sequence, sent.length, answer.length, answered]),
    ).toEqual([
      [0, 0, 1, true],
      [1, 2, 2, true],
      [2, 2, 2, true],
      [3, 2, 2, true],
    ])
    expect(end).toEqual({
      end: { reason: 'stopped', duringBatch: 0, budgetMs: 0 },
      wholeBytes: whole.length,
      fileBytes: whole.length,
    })
  })

  test('that was cut off anywhere keeps every batch that was answered before', () => {
    const first = whole.indexOf('\u0001') // never inside the header: it is text
    for (let length = first; length < whole.length; length++) {
      const { steps, end } = readAll(whole.subarray(0, length))
      expect(end.end).toBe(undefined)
      const answered = steps.filter((step) => step.answered).map(({ sequence }) => sequence)
      expect(answered).toEqual([0, 1, 2, 3].slice(0, answered.length))
      expect(steps.length - answered.length).toBeLessThanOrEqual(1)
    }
  })

  test('that was damaged is read or refused with a place in the file', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(whole.length - 1), fc.integer({ min: 0, max: 255 })), {
          minLength: 1,
          maxLength: 4,
        }),
        (changes) => {
          const bytes = Buffer.from(whole)
          for (const [at, value] of changes) bytes[at] = value
          const error = refusal(bytes)
          if (error === undefined) return
          const { offset } = error.details
          expect(offset).toBeGreaterThanOrEqual(0)
          expect(offset).toBeLessThanOrEqual(bytes.length)
          expect(error.message).toContain(`at byte ${String(offset)}`)
        },
      ),
      { numRuns: 300 },
    )
  })

  test('made of any records is read or refused', () => {
    const record = fc
      .tuple(fc.integer({ min: 0, max: 5 }), fc.uint8Array({ maxLength: 60 }))
      .map(([kind, payload]) => recordOf(kind, payload))
    fc.assert(
      fc.property(fc.array(record, { maxLength: 6 }), (records) => {
        refusal(Buffer.concat([recordOf(RECORD.header, Buffer.from(JSON.stringify(HEADER))), ...records]))
      }),
      { numRuns: 300 },
    )
  })

  test('that claims a huge record is refused before anything is allocated', () => {
    const huge = Buffer.from([RECORD.toCell, 0xff, 0xff, 0xff, 0xff])
    const at = recordOf(RECORD.header, Buffer.from(JSON.stringify(HEADER))).length
    const error = refusal(Buffer.concat([whole.subarray(0, at), huge]))
    expect(error?.details).toEqual({ offset: at })
    expect(error?.message).toContain('4294967295')
  })

  test.each([
    ['of another version', { ...HEADER, version: 2 }],
    ['without memory', { ...HEADER, memoryMb: 0 }],
    ['with an image that is no name', { ...HEADER, image: '\u001b[31m' }],
  ])('%s is refused', (_, header) => {
    expect(refusal(recordOf(RECORD.header, Buffer.from(JSON.stringify(header))))?.details).toEqual({
      offset: 0,
    })
  })

  test('that is a folder, or nothing, is refused', () => {
    for (const path of [folder.path, join(folder.path, 'missing')]) {
      expect(() => openRecording(path)).toThrow(expect.objectContaining({ code: 'VELA_REPLAY_INVALID' }))
    }
  })
})

describe('what is sent again', () => {
  const sent = (write: (writer: ReturnType<typeof createFrameWriter>) => void): Frame[] => {
    const list: Frame[] = []
    createFrameReader(TO_CELL).push(batch(1, write), (frame) => list.push(frame))
    return list
  }
  const resent = (step: Step): Frame[] => {
    const list: Frame[] = []
    createFrameReader(TO_CELL).push(Buffer.from(encodeStep(step)), (frame) => list.push(frame))
    return list
  }
  const fault = (reason: string): Frame[] => {
    const list: Frame[] = []
    const text = JSON.stringify({ reason, message: '' })
    createFrameReader(FROM_CELL).push(
      frames((writer) => writer.text(FROM_CELL.fault, 1, 0, 0, text)),
      (frame) => list.push(frame),
    )
    return list
  }

  test('has no code cache, which V8 would run as it stands', () => {
    const config = '{"guest":{"env":{"__proto__":1}},"memoryMb":64,"startupMs":5}'
    const load = sent((writer) =>
      writer.bytes(TO_CELL.load, 1, config.length, 3, Buffer.from(`${config}codMACHINE CODE`)),
    )
    const [, frame] = resent({ sequence: 1, sent: load, answer: [], answered: true })
    const text = frame?.payload.toString('latin1') ?? ''
    expect(text).not.toContain('MACHINE CODE')
    expect(text.slice(frame?.a)).toBe('cod')
    expect(text).toContain('"guest":{"env":{"__proto__":1}}')
  })

  test('keeps the engine’s timer where it struck and loosens it elsewhere', () => {
    const enter = sent((writer) => writer.latin1(TO_CELL.enter, 1, 50, 0, '[]\n'))
    const budgetOf = (answer: Frame[], answered = true): number | undefined =>
      resent({ sequence: 1, sent: enter, answer, answered })[1]?.a
    expect(budgetOf([])).toBeGreaterThan(50)
    expect(budgetOf(fault('exceeded-memory'))).toBeGreaterThan(50)
    expect(budgetOf(fault('exceeded-cpu'))).toBe(50)
    expect(budgetOf([], false)).toBe(50)
  })

  test('leaves out an entry that a busy machine starved, and its guest with it', () => {
    const enter = sent((writer) => writer.latin1(TO_CELL.enter, 1, 50, 0, '[]\n'))
    const again = resent({ sequence: 1, sent: enter, answer: fault('starved'), answered: true })
    expect(again.map(({ kind, guest }) => [kind, guest])).toEqual([
      [TO_CELL.batch, 0],
      [TO_CELL.drop, 1],
    ])
    expect(again[0]?.b).toBe(16)
  })
})

test('a recorder stops at a full disk, says so once, and leaves what can be read', () => {
  const file = join(folder.path, 'full')
  const program = `
    import { createRecorder } from ${JSON.stringify(new URL('../../host/cells/recorder.ts', import.meta.url).href)}
    const recorder = createRecorder(${JSON.stringify(file)}, ${JSON.stringify(HEADER)}, (failure) => console.log('failed', failure.code))
    for (let part = 0; part < 100; part++) recorder.fromCell(Buffer.alloc(50_000))
    recorder.ended({ reason: 'stopped', duringBatch: 0, budgetMs: 0 })
    recorder.close()
    console.log('goes on')`
  // No file may be larger than 64 blocks: a disk that is full after them.
  const shell = ['-c', 'ulimit -f 64 && exec "$0" --input-type=module -e "$1"', process.execPath, program]
  expect(execFileSync('sh', shell, { encoding: 'utf8' })).toBe('failed EFBIG\ngoes on\n')
  expect(openRecording(file).header).toEqual(HEADER)
})
