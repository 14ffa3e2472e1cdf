/**
 * Takes links of other nodes. A node is offered one over NATS, with a key that is good for one connection. A link is read when NATS has brought what
 * its node sent there before, so requests keep their order. Threat: offers that nobody takes, or takes half: they end in time, and a node
 * has one at a time.
 */
import { randomBytes, randomUUID } from 'node:crypto'
import type { Socket } from 'node:net'
import { VelaError } from '../../core/errors.ts'
import type { Log } from '../../core/log.ts'
import { createEndpoints } from './endpoints.ts'
import { KEY_BYTES } from './acceptor.ts'
import { createLink, type Link, type LinkEvents, type LinkTimes } from './link.ts'
import type { LinkAddress, LinkListener } from './types.ts'

export interface LinkListenerDeps {
  /** Asked when a node wants a link. Null: there is none for other machines just now. */
  readonly address: () => LinkAddress | null
  /** A link is read from here on; returns what hears it. */
  readonly accept: (node: string, link: Link) => LinkEvents
  readonly log: Pick<Log, 'warn' | 'info'>
  readonly times?: LinkTimes
  /** How long an offer is good. */
  readonly offerMs?: number
}

interface Offered {
  readonly id: string
  readonly node: string
  readonly key: Buffer
  /** Ends the offer, if its link has not begun by then. */
  readonly timer: NodeJS.Timeout
  socket: Socket | undefined
  /** NATS has brought the word that the link is in use. */
  isCalledFor: boolean
  link: Link | undefined
}

const OFFER_MS = 10_000

export function createLinkListener(deps: LinkListenerDeps): LinkListener {
  const { address, accept, log, times, offerMs = OFFER_MS } = deps
  const offers = new Map<string, Offered>()
  let isClosed = false

  const forget = (offered: Offered): void => {
    if (!offers.delete(offered.id)) return
    clearTimeout(offered.timer)
    offered.link?.close()
    offered.socket?.destroy()
  }

  const begin = (offered: Offered): void => {
    const { socket } = offered
    if (socket === undefined || !offered.isCalledFor || offered.link !== undefined) return
    clearTimeout(offered.timer)
    const link = createLink(socket, times)
    offered.link = link
    const events = accept(offered.node, link)
    link.start({
      ...events,
      over() {
        forget(offered)
        events.over()
      },
    })
  }

  /** A key opens one connection. */
  const untaken = (id: string): Offered | undefined => {
    const offered = offers.get(id)
    return offered?.socket === undefined ? offered : undefined
  }

  const endpoints = createEndpoints(
    {
      keyOf: (id) => untaken(id)?.key ?? null,
      accepted(id, socket) {
        const offered = untaken(id)
        if (offered === undefined) {
          socket.destroy()
          return
        }
        offered.socket = socket
        socket.once('close', () => forget(offered))
        begin(offered)
      },
    },
    log,
  )

  const dropAll = (isMeant: (offered: Offered) => boolean): void => {
    for (const offered of offers.values()) if (isMeant(offered)) forget(offered)
  }

  return {
    async offer(node) {
      const { tls, path } = await endpoints.where(address())
      if ((tls === null && path === null) || isClosed) return null
      // A node asks again when it has lost the one before.
      dropAll((offered) => offered.node === node && offered.link === undefined)
      const id = randomUUID()
      const key = randomBytes(KEY_BYTES)
      const timer = setTimeout(() => forget(offered), offerMs).unref()
      const offered: Offered = {
        id,
        node,
        key,
        timer,
        socket: undefined,
        isCalledFor: false,
        link: undefined,
      }
      offers.set(id, offered)
      return { id, key: key.toString('hex'), tls, path }
    },
    begin(node, id) {
      const offered = offers.get(id)
      if (offered?.node !== node)
        throw new VelaError('VELA_NODE_LOST', 'The link that is begun is not offered (any more)')
      this.superseded(node)
      offered.isCalledFor = true
      begin(offered)
    },
    superseded: (from) => dropAll(({ node, link }) => node === from && link !== undefined),
    drop: (isMeant) => dropAll(({ node }) => isMeant(node)),
    finish() {
      isClosed = true
      dropAll(({ link }) => link === undefined)
      for (const { link } of offers.values()) link?.finish()
    },
    get size() {
      let count = 0
      for (const { link } of offers.values()) if (link !== undefined) count += 1
      return count
    },
    close() {
      isClosed = true
      dropAll(() => true)
      endpoints.close()
    },
  }
}
