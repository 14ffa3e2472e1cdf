/**
 * Requests between nodes over links: through no server, so for about half the time. They are what NATS would have carried, in the same
 * order, and say the same when they fail; a link lives only while both of its hosts have NATS.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { VelaError } from '../../core/errors.ts'
import type { Log } from '../../core/log.ts'
import { createLinkDialer } from '../links/dialer.ts'
import type { Link, LinkTimes } from '../links/link.ts'
import { createLinkListener } from '../links/listener.ts'
import type { LinkAddress } from '../links/types.ts'
import type { Asking, Way } from './asking.ts'
import type { Serving } from './serving.ts'
import type { PeerHandler, PeerMessage } from './types.ts'
import { decodeMessage, encodeWhole, KIND } from './wire.ts'

export interface OverLinksDeps {
  readonly asking: Asking
  readonly serving: Serving
  readonly handlerOf: (op: string) => PeerHandler | undefined
  /** A request through NATS, whatever else there is; it is published before this returns. */
  readonly ask: (node: string, op: string, header: string | null) => Promise<unknown>
  readonly serve: (op: string, handler: PeerHandler) => () => void
  readonly address: () => LinkAddress | null
  readonly isAlive: (node: string) => boolean
  readonly log: Pick<Log, 'warn' | 'info'>
  /** For tests. */
  readonly times?: LinkTimes
  readonly offerMs?: number
}

export interface OverLinks {
  /** Undefined: there is none (yet). Throws VELA_CELL_OVERLOADED if too much waits to be sent there. */
  to(node: string): Way | undefined
  /** The node has asked through NATS, which who has a link does not: the one it had is over. */
  superseded(from: string): void
  /** Ends the links of these nodes, both ways. */
  drop(isMeant: (node: string) => boolean): void
  /** Ends the links of others when they have what was answered. Resolves when they have, or after the time. */
  finish(withinMs: number): Promise<void>
  /** Open ones, to others and of others. */
  readonly size: number
  close(): void
}

const OFFER = 'link'
const SWITCHED = 'linked'
/** Stands where an operation would: nobody waits for the answer any more. */
const LEFT = '-'
const NOTHING = new Uint8Array()
const LOOK_MS = 5
const MOST_BACKLOG = 64 * 1024 * 1024

export function createOverLinks(deps: OverLinksDeps): OverLinks {
  const { asking, serving, handlerOf, ask, serve, address, isAlive, log, times, offerMs } = deps
  const common = { log, ...(times === undefined ? {} : { times }) }
  const ways = new WeakMap<Link, Way>()
  let taken = 0

  const wayOf = (link: Link): Way => ({
    send: (id, op, message) => link.send(`${id} ${op}`, encodeWhole(KIND.request, message)),
    leave: (id) => link.send(`${id} ${LEFT}`, NOTHING),
  })

  const dialer = createLinkDialer({
    ...common,
    ask: (node) => ask(node, OFFER, null),
    switched: async (node, id) => void (await ask(node, SWITCHED, id)),
    hear(_node, link) {
      const way = wayOf(link)
      ways.set(link, way)
      return {
        message(id, payload) {
          if (payload.length === 0) return asking.unserved(id)
          const decoded = decodeMessage(payload)
          if (decoded !== undefined) asking.answered(id, decoded)
        },
        over: () =>
          asking.lose(
            'The link to the node was lost while it was asked; it may have done it or not',
            (_to, other) => other === way,
          ),
      }
    },
  })

  const listener = createLinkListener({
    ...common,
    ...(offerMs === undefined ? {} : { offerMs }),
    address,
    accept(from, link) {
      const name = `${++taken} `
      return {
        message(head, payload) {
          const space = head.indexOf(' ')
          const id = head.slice(0, space)
          const op = head.slice(space + 1)
          const to = name + id
          if (op === LEFT) return serving.left(to)
          const decoded = decodeMessage(payload)
          if (decoded?.kind !== KIND.request) return
          const handler = handlerOf(op)
          if (handler === undefined) return link.send(id, NOTHING)
          const asked = {
            from,
            to,
            answer(kind: 'A' | 'E', given: PeerMessage) {
              if (kind === 'A' && link.backlog > MOST_BACKLOG) throw tooSlow()
              link.send(id, encodeWhole(kind, given))
            },
          }
          serving.take(asked, decoded, handler)
        },
        over: () => serving.leftAll(name),
      }
    },
  })

  const stops = [
    serve(OFFER, async (_received, { from }) => {
      const offer = isAlive(from) ? await listener.offer(from) : null
      return { header: offer === null ? null : { ...offer } }
    }),
    serve(SWITCHED, ({ header }, { from }) => {
      listener.begin(from, String(header))
      return { header: null }
    }),
  ]

  return {
    to(node) {
      const link = dialer.to(node)
      if (link === undefined) return undefined
      if (link.backlog > MOST_BACKLOG)
        throw new VelaError(
          'VELA_CELL_OVERLOADED',
          'The other host takes what it is sent too slowly; retry later',
        )
      return ways.get(link)
    },
    superseded: (from) => listener.superseded(from),
    drop(isMeant) {
      dialer.drop(isMeant)
      listener.drop(isMeant)
    },
    async finish(withinMs) {
      const untilMs = performance.now() + withinMs
      listener.finish()
      while (listener.size > 0 && performance.now() < untilMs) await sleep(LOOK_MS)
    },
    get size() {
      return dialer.size + listener.size
    },
    close() {
      for (const stop of stops) stop()
      dialer.close()
      listener.close()
    },
  }
}

const tooSlow = (): VelaError =>
  new VelaError('VELA_NODE_LOST', 'It was done, and the answer could not be sent: it is taken too slowly')
