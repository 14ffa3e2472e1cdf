/** Bulk payloads are handed on as they come: the parts of a frame are its payload, whatever the stream was cut into. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createFrameReader } from '../../sandbox/protocol/frame-reader.ts'
import { createFrameWriter } from '../../sandbox/protocol/frame-writer.ts'
import { FROM_CELL } from '../../sandbox/protocol/frame.ts'

interface Seen {
  readonly kind: number
  readonly a: number
  payload: string
}

function encode(specs: readonly { bulk: boolean; text: string }[]): Buffer {
  const writer = createFrameWriter()
  for (const [at, { bulk, text }] of specs.entries()) {
    writer.bytes(bulk ? FROM_CELL.bytes : FROM_CELL.log, 1, at, 0, Buffer.from(text))
  }
  return Buffer.from(writer.take())
}

/** Joins the parts of one frame again; every other kind must come whole. */
function readAll(bytes: Buffer, size: number): Seen[] {
  const reader = createFrameReader(FROM_CELL, { inParts: FROM_CELL.bytes, ownedChunks: true })
  const seen: Seen[] = []
  for (let at = 0; at < bytes.length; at += size) {
    reader.push(Buffer.from(bytes.subarray(at, at + size)), ({ kind, a, payload }) => {
      const last = seen.at(-1)
      if (last?.a === a && kind === FROM_CELL.bytes) last.payload += payload.toString()
      else seen.push({ kind, a, payload: payload.toString() })
    })
  }
  expect(reader.pendingBytes).toBe(0)
  return seen
}

test('any cutting gives the same bytes of the same frames in the same order', () => {
  const spec = fc.record({ bulk: fc.boolean(), text: fc.string({ unit: 'grapheme-ascii', maxLength: 200 }) })
  fc.assert(
    fc.property(fc.array(spec, { maxLength: 12 }), fc.integer({ min: 1, max: 400 }), (specs, size) => {
      const expected = specs.map(({ bulk, text }, a) => ({
        kind: bulk ? FROM_CELL.bytes : FROM_CELL.log,
        a,
        payload: text,
      }))
      // A bulk frame without bytes may pass unseen when its header ends a chunk.
      const told = (list: readonly Seen[]): Seen[] =>
        list.filter(({ kind, payload }) => kind !== FROM_CELL.bytes || payload !== '')
      expect(told(readAll(encode(specs), size))).toEqual(told(expected))
    }),
  )
})
