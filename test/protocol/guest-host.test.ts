/** What a guest hands over during an entry reaches the link whole, or ends the entry: nothing is lost in between. */
import { expect, test } from 'vitest'
import { createGuestHost } from '../../sandbox/guest-host.ts'
import { FROM_CELL, MAX_PAYLOAD_BYTES } from '../../sandbox/protocol/frame.ts'
import { createFrameReader } from '../../sandbox/protocol/frame-reader.ts'
import { createFrameWriter } from '../../sandbox/protocol/frame-writer.ts'
import { createSeedStream } from '../../sandbox/seed-stream.ts'

test('a chunk larger than a frame goes in several; what no frame can hold, or is beyond the bound, is an overflow', () => {
  const writer = createFrameWriter()
  const host = createGuestHost(1, writer, createSeedStream())
  host.open()
  host.emit(7, new Uint8Array(MAX_PAYLOAD_BYTES + 5))
  expect(host.close()).toBe(false)
  const sizes: number[] = []
  createFrameReader(FROM_CELL).push(writer.take(), ({ a, payload }) => sizes.push(a, payload.length))
  expect(sizes).toEqual([7, MAX_PAYLOAD_BYTES, 7, 5])

  host.open()
  host.flush('x'.repeat(MAX_PAYLOAD_BYTES + 1))
  expect([host.close(), writer.length]).toEqual([true, 0])
})
