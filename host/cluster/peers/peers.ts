/**
 * Requests and messages between nodes. Messages, of which exchanges are made, go through NATS; a request and its answer take a link where there
 * is one, and NATS else. All of it ends with the connection to NATS: who has none owns nothing, and has nothing to ask of others.
 */
import { VelaError } from '../../core/errors.ts'
import type { Log } from '../../core/log.ts'
import type { Nats } from '../../nats/types.ts'
import type { LinkTimes } from '../links/link.ts'
import type { LinkAddress } from '../links/types.ts'
import type { Membership } from '../types.ts'
import { createAsking } from './asking.ts'
import { createOverLinks } from './over-links.ts'
import { createOverNats } from './over-nats.ts'
import { createServing } from './serving.ts'
import type { PeerHandler, Peers } from './types.ts'

export type { Peers } from './types.ts'

export interface PeersDeps {
  readonly nats: Pick<Nats, 'prefix' | 'connection' | 'maxPayload' | 'state' | 'onState' | 'subscribe'>
  readonly membership: Pick<Membership, 'self' | 'isAlive' | 'onChange'>
  readonly log: Pick<Log, 'warn' | 'info'>
  /** Requests of others that may be served at once; 10,000 if left out. */
  readonly mostServed?: number
  readonly links?: LinksAt
  readonly linkTimes?: LinkTimes
}

/**
 * Where links of others are taken: `auto` is the address that this host's connection to NATS comes from, at any free port; `off`: there are
 * no links, of this host or to it.
 */
export type LinksAt = 'auto' | 'off' | { readonly host: string; readonly port: number }

const MOST_SERVED = 10_000
/** Every address of a machine: nothing that others could dial. */
const ANY: ReadonlySet<string> = new Set(['0.0.0.0', '::'])
const FINISH_MS = 2000
/** For one request about links. */
const LINK_MS = 5000

export function createPeers(deps: PeersDeps): Peers {
  const { nats, membership, log, mostServed = MOST_SERVED, links: linksAt = 'auto', linkTimes } = deps
  const handlers = new Map<string, PeerHandler>()
  const undelivered = new Set<(tag: string) => void>()
  const asking = createAsking()
  const serving = createServing(mostServed)
  const overNats = createOverNats({
    nats,
    self: membership.self,
    asking,
    serving,
    undelivered(tag) {
      for (const listener of undelivered) listener(tag)
    },
  })
  let isClosed = false

  /** What NATS sees this host come from is what others see, on most networks. */
  const addressOfLinks = (): LinkAddress | null => {
    const seen = nats.connection.info?.client_ip
    if (typeof linksAt === 'object')
      return { listen: linksAt, host: ANY.has(linksAt.host) ? (seen ?? linksAt.host) : linksAt.host }
    return seen === undefined ? null : { listen: { host: seen, port: 0 }, host: seen }
  }

  const overLinks =
    linksAt === 'off'
      ? undefined
      : createOverLinks({
          asking,
          serving,
          handlerOf: (op) => handlers.get(op),
          async ask(node, op, header) {
            const options = { deadlineMs: performance.now() + LINK_MS }
            return (await asking.request(node, overNats.to(node), op, { header }, options)).header
          },
          serve: (op, handler) => overNats.serve(op, handler),
          address: addressOfLinks,
          isAlive: (node) => membership.isAlive(node),
          log,
          ...(linkTimes === undefined ? {} : { times: linkTimes }),
        })

  const stops = [
    nats.onState((state) => {
      if (state === 'connected') return
      asking.lose(
        'The connection to NATS was lost while a node was asked; it may have done it or not',
        () => true,
      )
      overLinks?.drop(() => true)
    }),
    membership.onChange(() => {
      const isGone = (node: string): boolean => !membership.isAlive(node)
      asking.lose('The node is gone; it may have done what it was asked or not', isGone)
      overLinks?.drop(isGone)
    }),
  ]

  return {
    serve(op, handler) {
      handlers.set(op, handler)
      const stop = overNats.serve(op, (received, context) => {
        overLinks?.superseded(context.from)
        return handler(received, context)
      })
      return () => {
        if (handlers.get(op) === handler) handlers.delete(op)
        stop()
      }
    },
    request(node, op, message, options) {
      if (nats.state !== 'connected' || isClosed)
        return Promise.reject(new VelaError('VELA_CLUSTER_UNAVAILABLE', 'NATS is lost; nothing was sent'))
      try {
        return asking.request(node, overLinks?.to(node) ?? overNats.to(node), op, message, options)
      } catch (thrown) {
        return Promise.reject(thrown)
      }
    },
    send(node, channel, message, tag = '') {
      if (nats.state !== 'connected' || isClosed) return false
      overNats.send(node, channel, message, tag)
      return true
    },
    onUndelivered(listener) {
      undelivered.add(listener)
      return () => undelivered.delete(listener)
    },
    listen: (channel, receive) =>
      overNats.listen(channel, (received, from) => {
        try {
          receive(received, from)
        } catch (error) {
          log.warn('message of a node', { message: 'not understood', from, error })
        }
      }),
    get waiting() {
      return asking.waiting
    },
    get links() {
      return overLinks?.size ?? 0
    },
    // NATS is flushed when it is closed.
    finish: async () => overLinks?.finish(FINISH_MS),
    close() {
      isClosed = true
      for (const stop of stops) stop()
      overNats.close()
      overLinks?.close()
      serving.leftAll('')
      asking.close()
    },
  }
}
