/**
 * Encoded values as they travel: several in one buffer, a newline between them. The host counts and cuts them, and never looks into
 * one. Threat: a guest says anything, so what is counted is what is there.
 */
export interface Chunk {
  readonly bytes: Buffer
  /** Values in it; at least 1. */
  readonly count: number
}

const NEWLINE = 10
/** Beside its bytes, what a value costs the host. */
const VALUE_COST_BYTES = 16

export function chunkOf(bytes: Buffer): Chunk | undefined {
  if (bytes.length === 0) return undefined
  let count = 1
  for (let at = bytes.indexOf(NEWLINE); at !== -1; at = bytes.indexOf(NEWLINE, at + 1)) count++
  return { bytes, count }
}

/** Bytes it counts with against a tenant's bound. Cutting and joining keep the sum. */
export const costOf = ({ bytes, count }: Chunk): number => bytes.length + 1 + count * VALUE_COST_BYTES

/** The first `count` values and the rest; either may be undefined. */
export function cut(chunk: Chunk, count: number): readonly [Chunk | undefined, Chunk | undefined] {
  if (count <= 0) return [undefined, chunk]
  if (count >= chunk.count) return [chunk, undefined]
  const { bytes } = chunk
  let end = -1
  for (let left = count; left > 0; left--) end = bytes.indexOf(NEWLINE, end + 1)
  return [
    { bytes: bytes.subarray(0, end), count },
    { bytes: own(bytes.subarray(end + 1)), count: chunk.count - count },
  ]
}

/** The first `count` values (at least 1), to be kept: what else was sent with them is not. */
export function firstOf(chunk: Chunk, count: number): Chunk {
  const [first = chunk] = cut(chunk, count)
  return { bytes: own(first.bytes), count: first.count }
}

/** How many of the first values have at most so many bytes together. */
export function countWithin(chunk: Chunk, mostBytes: number): number {
  const { bytes } = chunk
  if (bytes.length <= mostBytes) return chunk.count
  let count = 0
  for (let at = bytes.indexOf(NEWLINE); at !== -1 && at <= mostBytes; at = bytes.indexOf(NEWLINE, at + 1))
    count++
  return count
}

const SEPARATOR = Buffer.from('\n')

export function join(chunks: readonly Chunk[]): Chunk | undefined {
  const [first] = chunks
  if (first === undefined || chunks.length === 1) return first
  const parts: Buffer[] = []
  let count = 0
  for (const chunk of chunks) {
    if (parts.length > 0) parts.push(SEPARATOR)
    parts.push(chunk.bytes)
    count += chunk.count
  }
  return { bytes: Buffer.concat(parts), count }
}

/** What is kept must not keep much more alive: neither the rest of what it came with, nor one of Node's slabs. */
function own(bytes: Buffer): Buffer {
  if (bytes.length * 2 >= bytes.buffer.byteLength) return bytes
  const copy = Buffer.allocUnsafeSlow(bytes.length)
  bytes.copy(copy)
  return copy
}
