/**
 * Puts a value together that came whole or in parts. It is copied in any case: the bytes of a guest stand in a larger
 * buffer that is used again, and sending a part of a buffer to another thread would send all of it.
 * Threat: a guest that sends without end, or many bodies at once; what is held is counted from the first byte on.
 */
import { refuse } from './check.ts'
import type { MemoryBudget } from './types.ts'

export interface Collected {
  readonly bytes: Uint8Array
  /** The bytes are not held any more. To be called once. */
  readonly release: () => void
}

export interface CollectOptions {
  readonly tenant: string
  readonly memory: MemoryBudget
  readonly maxBytes: number
}

/** Throws VELA_KV_BAD_REQUEST beyond `maxBytes`. The bytes count as held until they are released. */
export function collect(
  hostileValue: Uint8Array | AsyncIterable<Uint8Array>,
  options: CollectOptions,
): Collected | Promise<Collected> {
  if (!(hostileValue instanceof Uint8Array)) return collectParts(hostileValue, options)
  const { tenant, memory, maxBytes } = options
  const { length } = hostileValue
  if (length > maxBytes) tooLarge(maxBytes)
  memory.take(tenant, length)
  return { bytes: new Uint8Array(hostileValue), release: () => memory.give(tenant, length) }
}

async function collectParts(
  hostileParts: AsyncIterable<Uint8Array>,
  { tenant, memory, maxBytes }: CollectOptions,
): Promise<Collected> {
  const parts: Uint8Array[] = []
  let length = 0
  const release = (): void => memory.give(tenant, length)
  try {
    for await (const part of hostileParts) {
      if (length + part.length > maxBytes) tooLarge(maxBytes)
      memory.take(tenant, part.length)
      length += part.length
      // The sender may use its buffer again.
      parts.push(new Uint8Array(part))
    }
    const bytes = new Uint8Array(length)
    let offset = 0
    for (const part of parts) {
      bytes.set(part, offset)
      offset += part.length
    }
    return { bytes, release }
  } catch (thrown) {
    release()
    throw thrown
  }
}

function tooLarge(maxBytes: number): never {
  return refuse(`A value has at most ${maxBytes} bytes.`)
}
