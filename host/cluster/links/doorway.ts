/** What the two ways in for links have in common: the shared file, for hosts of one machine, and TLS, for all others. */
import type { Socket } from 'node:net'

export const KEY_BYTES = 32

export interface Visitors {
  /** Of an offer that is not taken yet. Null: there is none of this name. */
  keyOf(id: string): Buffer | null
  /** Has proved that it knows the key of this offer. Nothing of its link has been read. */
  arrived(id: string, socket: Socket): void
}

/** For who connects to prove itself. */
export const INTRODUCTION_MS = 5000
/** Connections at once; a cluster has far fewer hosts. */
export const MOST_VISITORS = 2000
