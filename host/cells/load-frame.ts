/** The LOAD frame of a guest: its configuration, its source and, if there is one, V8's cache of it, one behind the other. */
import { TO_CELL } from '../../sandbox/protocol/frame.ts'
import type { FrameWriter } from '../../sandbox/protocol/frame-writer.ts'
import type { Resident } from './resident.ts'

/** CPU time that the load may use (milliseconds). */
export function writeLoad(writer: FrameWriter, number: number, resident: Resident | undefined): number {
  if (resident === undefined) return 0
  const { config, source, codeCache } = resident.payload
  const head = Buffer.from(config)
  const payload = Buffer.concat(codeCache === undefined ? [head, source] : [head, source, codeCache])
  writer.bytes(TO_CELL.load, number, head.length, source.length, payload)
  return resident.loadBudgetMs
}
