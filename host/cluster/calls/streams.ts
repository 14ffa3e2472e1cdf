/**
 * Exchanges of many messages between two nodes: one opens, the other accepts, and both say things in order until one says the last. NATS delivers
 * at most once, so messages are numbered: a gap, the loss of the connection on either side, or of the node, ends the exchange on both. A
 * node that was cut off says so to those it spoke with when it is back, for they may have noticed nothing.
 */
import type { JsonValue } from '../../registry/types.ts'
import type { Nats } from '../../nats/types.ts'
import type { Peers } from '../peers/types.ts'
import type { Membership } from '../types.ts'

export interface Frame {
  readonly verb: string
  /** Of another host, maybe of another version: read with care. */
  readonly args: readonly unknown[]
  readonly body: Buffer
}

export interface Stream {
  readonly node: string
  /** False: it is over. */
  say(verb: string, args?: readonly JsonValue[], body?: string | Uint8Array): boolean
  /** Nothing is said or heard any more. Does not tell the other side. */
  close(): void
}

export interface StreamHandler {
  heard(frame: Frame): void
  /** The other side cannot be reached any more. Never after `close`. */
  lost(): void
}

export interface Streams {
  /** Throws nothing: where NATS is lost the handler hears so before this returns. */
  open(node: string, handler: StreamHandler): Stream
  readonly size: number
  close(): void
}

export interface StreamsDeps {
  readonly peers: Peers
  readonly nats: Pick<Nats, 'state' | 'onState'>
  readonly membership: Pick<Membership, 'isAlive' | 'onChange'>
  /** Another node opens one. Undefined: there are too many. */
  readonly accept: (stream: Stream, first: Frame) => StreamHandler | undefined
  /** Exchanges that may be open at once; 10,000 if left out. */
  readonly most?: number
}

const CHANNEL = 'x'
const MOST = 10_000
/** Of the side that speaks. */
const OPENER = 0
const ACCEPTOR = 1
const RESET = 'reset'

/** A token of a subject; only the node's id has hyphens. */
const keyOf = (node: string, side: 0 | 1, id: string): string => `${side}-${id}-${node}`

interface Open {
  readonly stream: Stream
  readonly key: string
  handler: StreamHandler | undefined
  heard: number
}

export function createStreams(deps: StreamsDeps): Streams {
  const { peers, nats, membership, accept, most = MOST } = deps
  const all = new Map<string, Open>()
  /** Spoken with when the connection was lost. */
  const cutOff = new Set<string>()
  let count = 0

  const create = (node: string, side: 0 | 1, id: string): Open => {
    const key = keyOf(node, side, id)
    let said = 0
    const stream: Stream = {
      node,
      say(verb, args = [], body) {
        if (all.get(key) !== one) return false
        const header = [side, id, said++, verb, ...args]
        return peers.send(node, CHANNEL, body === undefined ? { header } : { header, body }, key)
      },
      close() {
        if (all.get(key) === one) all.delete(key)
      },
    }
    const one: Open = { stream, key, handler: undefined, heard: 0 }
    all.set(key, one)
    return one
  }

  const lose = (one: Open): void => {
    if (all.get(one.key) !== one) return
    all.delete(one.key)
    one.handler?.lost()
  }

  const loseAll = (isMeant: (node: string) => boolean): void => {
    for (const one of all.values()) if (isMeant(one.stream.node)) lose(one)
  }

  const accepted = (node: string, id: string, first: Frame): void => {
    const one = create(node, ACCEPTOR, id)
    one.heard = 1
    one.handler = all.size > most ? undefined : accept(one.stream, first)
    if (one.handler !== undefined) return
    one.stream.say('failed', ['VELA_CELL_OVERLOADED', 'The node serves too many calls of others'])
    one.stream.close()
  }

  const stops = [
    peers.listen(CHANNEL, ({ header, body }, from) => {
      const [side, id, index, verb, ...args] = Array.isArray(header) ? (header as unknown[]) : []
      if (side === RESET) return loseAll((node) => node === from)
      if ((side !== OPENER && side !== ACCEPTOR) || typeof id !== 'string' || typeof verb !== 'string') return
      // What the opener says is for the one that accepted.
      const one = all.get(keyOf(from, side === OPENER ? ACCEPTOR : OPENER, id))
      const frame: Frame = { verb, args, body }
      if (one === undefined) {
        if (side === OPENER && index === 0) accepted(from, id, frame)
        return
      }
      if (index !== one.heard) return lose(one)
      one.heard += 1
      one.handler?.heard(frame)
    }),
    nats.onState((state) => {
      if (state !== 'connected') {
        for (const { stream } of all.values()) cutOff.add(stream.node)
        return loseAll(() => true)
      }
      for (const node of cutOff) peers.send(node, CHANNEL, { header: [RESET] })
      cutOff.clear()
    }),
    membership.onChange(() => loseAll((node) => !membership.isAlive(node))),
    peers.onUndelivered((key) => {
      const one = all.get(key)
      if (one !== undefined) lose(one)
    }),
  ]

  return {
    open(node, handler) {
      const one = create(node, OPENER, (++count).toString(36))
      one.handler = handler
      if (nats.state !== 'connected' || all.size > most) lose(one)
      return one.stream
    },
    get size() {
      return all.size
    },
    close() {
      for (const stop of stops) stop()
      loseAll(() => true)
    },
  }
}
