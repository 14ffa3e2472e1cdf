/**
 * What stands in a channel between its ends, in one of two forms: a queue, of which each value goes to one receiver, or a
 * log, of which each receiver has everything from when it came. Neither knows of senders, nor who waits.
 */
import type { Chunk } from './chunk.ts'

/** Whose place it is. */
export type Reader = object

export interface Backlog {
  /** Values that count against the capacity: those that stand here, and those handed out and not consumed. */
  readonly used: number
  /** Nothing stands here and nothing is handed out. */
  readonly isEmpty: boolean
  /** Makes room for so many bytes by dropping what may be dropped. False: it cannot. */
  relieve(bytes: number): boolean
  /** The bytes are paid for. */
  push(chunk: Chunk): void
  join(reader: Reader): void
  /** What it was handed and has not consumed goes back. */
  leave(reader: Reader): void
  /** How many values one of so many readers that wait may be handed. */
  share(waiting: number): number
  hasFor(reader: Reader): boolean
  /** Hands out at most `most` values, at least one; undefined: there is none. Only when nothing is handed out to the reader. */
  hand(reader: Reader, most: number): Chunk | undefined
  /** Of what was handed out the first `count` were taken; the rest goes back. */
  consume(reader: Reader, count: number): void
  /** Everything is forgotten. */
  clear(): void
}
