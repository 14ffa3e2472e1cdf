/** Frames: however the stream is cut the same come out, and hostile bytes only ever end in ProtocolViolation. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createFrameReader, ProtocolViolation } from '../../sandbox/protocol/frame-reader.ts'
import { createFrameWriter, textOf } from '../../sandbox/protocol/frame-writer.ts'
import {
  FLAG_ASCII,
  FROM_CELL,
  HEADER_BYTES,
  MAX_PAYLOAD_BYTES,
  type Frame,
} from '../../sandbox/protocol/frame.ts'

const KINDS = Object.values(FROM_CELL)
const u32 = fc.integer({ min: 0, max: 0xffff_ffff })
const aFrame = fc.record({
  kind: fc.constantFrom(...KINDS),
  guest: fc.integer({ min: 0, max: 0xffff }),
  a: u32,
  b: u32,
  text: fc.string({ unit: 'binary', maxLength: 300 }),
  way: fc.constantFrom('text', 'latin1', 'bytes'),
})
type Spec = typeof aFrame extends fc.Arbitrary<infer One> ? One : never

/** Lone surrogates have no UTF-8; latin1 has one byte a character. */
const sendable = ({ way, text }: Spec): string =>
  way === 'latin1' ? text.replaceAll(/[^\u0000-\u00ff]/g, '?') : text.toWellFormed() // oxlint-disable-line no-control-regex

function write(writer: ReturnType<typeof createFrameWriter>, spec: Spec): void {
  const { kind, guest, a, b, way } = spec
  if (way === 'bytes') writer.bytes(kind, guest, a, b, Buffer.from(sendable(spec)))
  else writer[way](kind, guest, a, b, sendable(spec))
}

function encode(specs: readonly Spec[]): Buffer {
  const writer = createFrameWriter()
  for (const spec of specs) write(writer, spec)
  return Buffer.from(writer.take())
}

/** Reads chunks out of one buffer that is overwritten each time, as the cell's link does. */
function readAll(chunks: readonly Uint8Array[], reader = createFrameReader(FROM_CELL)): Frame[] {
  const frames: Frame[] = []
  for (const chunk of chunks) {
    const shared = Buffer.from(chunk)
    reader.push(shared, (frame) => frames.push({ ...frame, payload: Buffer.from(frame.payload) }))
    shared.fill(0xee)
  }
  return frames
}

function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const sorted = [
    0,
    ...places.map((place) => place % (bytes.length + 1)).toSorted((one, other) => one - other),
    bytes.length,
  ]
  return sorted.slice(1).map((place, index) => bytes.subarray(sorted[index], place))
}

describe('the reader', () => {
  test('gives the same frames however the stream is cut', () => {
    fc.assert(
      fc.property(
        fc.array(aFrame, { maxLength: 8 }),
        fc.array(fc.nat(), { maxLength: 12 }),
        (specs, places) => {
          const bytes = encode(specs)
          const reader = createFrameReader(FROM_CELL)
          const frames = readAll(cut(bytes, places), reader)
          expect(reader.pendingBytes).toBe(0)
          expect(frames).toEqual(readAll([bytes]))
          expect(frames.map(({ kind, guest, a, b }) => ({ kind, guest, a, b }))).toEqual(
            specs.map(({ kind, guest, a, b }) => ({ kind, guest, a, b })),
          )
          frames.forEach(({ flags, payload }, index) => {
            const spec = specs[index] as Spec
            expect(spec.way === 'latin1' ? payload.toString('latin1') : textOf(flags, payload)).toBe(
              sendable(spec),
            )
          })
        },
      ),
    )
  })

  test('gives the same frames byte by byte', () => {
    fc.assert(
      fc.property(fc.array(aFrame, { maxLength: 3 }), (specs) => {
        const bytes = encode(specs)
        expect(readAll([...bytes].map((byte) => Uint8Array.of(byte)))).toEqual(readAll([bytes]))
      }),
      { numRuns: 30 },
    )
  })

  test('meets hostile bytes with frames or ProtocolViolation, and keeps no more than it was given', () => {
    const header = fc.tuple(u32, fc.constantFrom(...KINDS, 0, 1, 255), u32).map(([length, kind, rest]) => {
      const bytes = Buffer.alloc(HEADER_BYTES, rest & 0xff)
      bytes.writeUInt32LE(length, 0)
      bytes[4] = kind
      return bytes
    })
    const chunks = fc.array(fc.oneof(fc.uint8Array({ maxLength: 64 }), header), { maxLength: 10 })
    fc.assert(
      fc.property(chunks, (list) => {
        const reader = createFrameReader(FROM_CELL)
        const given = list.reduce((sum, { length }) => sum + length, 0)
        try {
          for (const frame of readAll(list, reader)) expect(KINDS).toContain(frame.kind)
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(ProtocolViolation)
        }
        expect(reader.pendingBytes).toBeLessThanOrEqual(given)
      }),
      { numRuns: 500 },
    )
  })

  test('allocates nothing for a length that is only claimed', () => {
    const before = process.memoryUsage().arrayBuffers
    const readers = Array.from({ length: 64 }, () => {
      const head = Buffer.alloc(HEADER_BYTES)
      head.writeUInt32LE(MAX_PAYLOAD_BYTES, 0)
      head[4] = FROM_CELL.output
      const reader = createFrameReader(FROM_CELL)
      readAll([head], reader)
      return reader
    })
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(MAX_PAYLOAD_BYTES)
    expect(readers.every(({ pendingBytes }) => pendingBytes === HEADER_BYTES)).toBe(true)
  })

  test.each([
    ['a length over the bound', MAX_PAYLOAD_BYTES + 1, FROM_CELL.output],
    ['a kind of the other direction', 0, 3],
  ])('refuses %s as soon as the header is there', (_, length, kind) => {
    const head = Buffer.alloc(HEADER_BYTES)
    head.writeUInt32LE(length, 0)
    head[4] = kind
    expect(() => readAll([head.subarray(0, 10), head.subarray(10)])).toThrow(ProtocolViolation)
  })
})

describe('the writer', () => {
  test('takes back what was written after a mark', () => {
    fc.assert(
      fc.property(fc.array(aFrame), fc.array(aFrame), fc.array(aFrame), (kept, taken, after) => {
        const writer = createFrameWriter()
        for (const spec of kept) write(writer, spec)
        const mark = writer.mark()
        for (const spec of taken) write(writer, spec)
        writer.rewind(mark)
        for (const spec of after) write(writer, spec)
        expect(Buffer.from(writer.take())).toEqual(encode([...kept, ...after]))
        expect(writer.length).toBe(0)
      }),
      { numRuns: 50 },
    )
  })

  test('says of a text whether it is ASCII, and lets go of a burst', () => {
    const writer = createFrameWriter()
    writer.text(FROM_CELL.log, 1, 0, 0, 'plain')
    writer.text(FROM_CELL.log, 1, 0, 0, 'ünplain')
    writer.text(FROM_CELL.log, 1, 0, 0, 'x'.repeat(8 * 1024 * 1024))
    const frames = readAll([writer.take()])
    expect(frames.map(({ flags }) => flags)).toEqual([FLAG_ASCII, 0, FLAG_ASCII])
    writer.text(FROM_CELL.log, 1, 0, 0, 'small again')
    expect(writer.take().buffer.byteLength).toBeLessThan(1024 * 1024)
  })

  test('refuses a payload over the bound', () => {
    const writer = createFrameWriter()
    expect(() => writer.bytes(FROM_CELL.bytes, 1, 0, 0, new Uint8Array(MAX_PAYLOAD_BYTES + 1))).toThrow(
      RangeError,
    )
  })
})
