/** A queue: each value is handed to one receiver, and comes back to the front if that one does not take it. */
import { CALL_CHARACTERS } from '../../../guest-sdk/concurrency/remote-line.ts'
import type { Backlog, Reader } from './backlog.ts'
import type { Budget } from './budget.ts'
import { costOf, countWithin, cut, join, type Chunk } from './chunk.ts'

export function createQueueBacklog(budget: Budget): Backlog {
  const handed = new Map<Reader, Chunk>()
  let handedCount = 0
  let chunks: Chunk[] = []
  let first = 0
  let standing = 0

  const shift = (): Chunk | undefined => {
    const chunk = chunks[first]
    if (chunk === undefined) return undefined
    if (++first >= 64 && first * 2 > chunks.length) {
      chunks = chunks.slice(first)
      first = 0
    }
    standing -= chunk.count
    return chunk
  }

  const unshift = (chunk: Chunk): void => {
    if (first > 0) chunks[--first] = chunk
    else chunks.unshift(chunk)
    standing += chunk.count
  }

  const consume = (reader: Reader, count: number): void => {
    const chunk = handed.get(reader)
    if (chunk === undefined) return
    handed.delete(reader)
    handedCount -= chunk.count
    const [, rest] = cut(chunk, count)
    budget.give(costOf(chunk) - (rest === undefined ? 0 : costOf(rest)))
    if (rest !== undefined) unshift(rest)
  }

  return {
    get used() {
      return standing + handedCount
    },
    get isEmpty() {
      return standing === 0 && handedCount === 0
    },
    relieve: () => false,
    push(chunk) {
      chunks.push(chunk)
      standing += chunk.count
    },
    join: () => undefined,
    leave: (reader) => consume(reader, 0),
    share: (waiting) => Math.max(Math.ceil(standing / waiting), 1),
    hasFor: () => standing > 0,
    hand(reader, most) {
      const parts: Chunk[] = []
      let count = 0
      let bytes = 0
      while (count < most) {
        const chunk = shift()
        if (chunk === undefined) break
        const fits = countWithin(chunk, CALL_CHARACTERS - bytes)
        const [part, rest] = cut(chunk, Math.min(most - count, count === 0 ? Math.max(fits, 1) : fits))
        if (part !== undefined) {
          parts.push(part)
          count += part.count
          bytes += part.bytes.length + 1
        }
        if (rest === undefined) continue
        unshift(rest)
        break
      }
      const batch = join(parts)
      if (batch === undefined) return undefined
      handed.set(reader, batch)
      handedCount += batch.count
      return batch
    },
    consume,
    clear() {
      for (const reader of handed.keys()) consume(reader, Infinity)
      for (let chunk = shift(); chunk !== undefined; chunk = shift()) budget.give(costOf(chunk))
    },
  }
}
