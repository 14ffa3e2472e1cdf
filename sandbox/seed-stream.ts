/**
 * Random bytes for guests, expanded from the 16-byte seed that came with the batch: AES-CTR keyed by the seed,
 * with the guest's number in the counter block, so that guests of a cell draw different streams and a replay
 * draws the same ones. The cipher is made only when somebody asks.
 */
import { createCipheriv, type Cipheriv } from 'node:crypto'

const SEED_BYTES = 16

export interface SeedStream {
  /** By the 16 bytes at `at`. */
  reseed(from: Buffer, at: number): void
  bytes(guest: number, length: number): Buffer
}

export function createSeedStream(): SeedStream {
  const seed = Buffer.alloc(SEED_BYTES)
  let streams = new Map<number, Cipheriv>()
  return {
    reseed(from, at) {
      for (let index = 0; index < SEED_BYTES; index++) seed[index] = from[at + index] as number
      if (streams.size > 0) streams = new Map()
    },
    bytes(guest, length) {
      let stream = streams.get(guest)
      if (stream === undefined) {
        const block = Buffer.alloc(16)
        block.writeUInt32BE(guest, 0)
        stream = createCipheriv('aes-128-ctr', seed, block)
        streams.set(guest, stream)
      }
      return stream.update(Buffer.alloc(length))
    },
  }
}
