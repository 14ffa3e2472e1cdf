/** Who takes the connections that links are made of, and what both endpoints keep to: the socket file of a machine, and TLS for all others. */
import type { Socket } from 'node:net'

export const KEY_BYTES = 32

export interface LinkAcceptor {
  /** Of an offer that is not taken yet. Null: there is none of this name. */
  keyOf(id: string): Buffer | null
  /** Has proved that it knows the key of this offer. Nothing of its link has been read. */
  accepted(id: string, socket: Socket): void
}

/** For who connects to prove itself. */
export const HANDSHAKE_MS = 5000
/** Connections at once; a cluster has far fewer hosts. */
export const MOST_CONNECTIONS = 2000
