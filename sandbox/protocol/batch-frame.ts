/** Layout of the frame that opens a batch: f64 now (epoch milliseconds), 16 bytes of seed. */
import { HEADER_BYTES } from './frame.ts'

export const BATCH_PAYLOAD_BYTES = 24
export const BATCH_FRAME_BYTES: number = HEADER_BYTES + BATCH_PAYLOAD_BYTES
