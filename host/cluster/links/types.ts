/** Links: connections from node to node that requests and their answers take, rather than through NATS. */
import type { Link } from './link.ts'

export type { Link } from './link.ts'

/** How a node may open its link to the one that offers it. It goes over NATS, and is as secret as NATS is. */
export interface LinkOffer {
  /** Names the offer, and with it the node that it was made to. */
  readonly id: string
  /** For this one link: hexadecimal, 32 bytes. */
  readonly key: string
  /** Null: it cannot be reached from other machines. */
  readonly tls: { readonly host: string; readonly port: number } | null
  /** A socket file, for hosts of the same machine. */
  readonly path: string | null
}

/** Where links of other machines arrive. */
export interface LinkAddress {
  /** Port 0: any that is free. */
  readonly listen: { readonly host: string; readonly port: number }
  /** What others dial. */
  readonly host: string
}

/** What this node accepts links with. */
export interface LinkListener {
  /** Null: this host takes none just now, and its log says why. */
  offer(from: string): Promise<LinkOffer | null>
  /**
   * All that the node sent through NATS before its link has arrived: what came by the link meanwhile is read. Throws VELA_NODE_LOST for a link that is
   * not offered (any more).
   */
  begin(from: string, id: string): void
  /** The node sends another way by now: what is unread of the link it had was sent before, and is not read after. */
  superseded(from: string): void
  /** Ends all links that `isMeant`, and their offers. */
  drop(isMeant: (node: string) => boolean): void
  /** Takes no more, and ends the links there are when what was sent by them has arrived. */
  finish(): void
  /** Open links. */
  readonly size: number
  close(): void
}

/** This node's own links to others. */
export interface LinkDialer {
  /** Undefined: there is none (yet), and one is begun where that makes sense. */
  to(node: string): Link | undefined
  drop(isMeant: (node: string) => boolean): void
  /** Open links. */
  readonly size: number
  close(): void
}
