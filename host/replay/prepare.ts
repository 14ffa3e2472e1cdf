/**
 * What of a recorded batch is sent again. Three things are changed that no guest can see: the engine's timer is loosened
 * where it did not strike, since a slower machine is no difference; an entry that a busy machine starved is left out,
 * its guest with it, since it had no effect and its end came from outside; and code caches are left out, because V8
 * trusts them like native code and a recording may come from anywhere.
 */
import { TO_CELL, type Frame } from '../../sandbox/protocol/frame.ts'
import { createFrameWriter } from '../../sandbox/protocol/frame-writer.ts'
import { BATCH_FRAME_BYTES } from '../../sandbox/protocol/batch-frame.ts'
import { faultOf, isByTimer, isStarved } from './compare.ts'
import type { Step } from './recording.ts'

/** Longer than the watchdog of the replay waits. */
const LOOSE_MS = 120_000

/** The bytes to send. An answer that never came says nothing about the timer, so then it stays as it was. */
export function encodeStep({ sent, answer, answered }: Step): Buffer {
  const timed = new Set<number>()
  const starved = new Set<number>()
  for (const frame of answer) {
    const fault = faultOf(frame)
    if (isByTimer(fault)) timed.add(frame.guest)
    if (isStarved(fault)) starved.add(frame.guest)
  }
  const writer = createFrameWriter()
  for (const frame of sent) {
    const loose = answered && !timed.has(frame.guest)
    const enters = frame.kind === TO_CELL.load || frame.kind === TO_CELL.enter
    if (enters && starved.has(frame.guest)) writer.bytes(TO_CELL.drop, frame.guest, 0, 0, NOTHING)
    else if (frame.kind === TO_CELL.load) writeLoad(frame, loose)
    else {
      const a = frame.kind === TO_CELL.enter && loose && frame.a > 0 ? Math.max(frame.a, LOOSE_MS) : frame.a
      writer.bytes(frame.kind, frame.guest, a, frame.b, frame.payload)
    }
  }
  writer.patchB(0, writer.length - BATCH_FRAME_BYTES)
  return writer.take()

  function writeLoad({ guest, a, b, payload }: Frame, loose: boolean): void {
    const config = payload.subarray(0, a)
    const head = loose ? loosen(config) : config
    writer.bytes(TO_CELL.load, guest, head.length, b, Buffer.concat([head, payload.subarray(a, a + b)]))
  }
}

const NOTHING = new Uint8Array(0)

function loosen(config: Buffer): Buffer {
  try {
    const parsed: unknown = JSON.parse(config.toString('utf8'))
    if (typeof parsed !== 'object' || parsed === null) return config
    return Buffer.from(JSON.stringify({ ...parsed, startupMs: LOOSE_MS }))
  } catch {
    return config
  }
}
