/** Two nodes' links in one process: real sockets, and NATS as a call from one to the other, which a test may hold up. */
import { onTestFinished } from 'vitest'
import type { LinkOffer } from '../../host/cluster/links/types.ts'
import type { LinkTimes } from '../../host/cluster/links/link.ts'
import { createAsking } from '../../host/cluster/peers/asking.ts'
import { createOverLinks, type OverLinks } from '../../host/cluster/peers/over-links.ts'
import { createServing } from '../../host/cluster/peers/serving.ts'
import type { PeerHandler, PeerReceived } from '../../host/cluster/peers/types.ts'
import { createTestLog } from '../nats/open.ts'

/** Quick, and patient enough for a loaded machine. */
const TIMES: LinkTimes = { pingMs: 100, silenceMs: 1500 }

export interface LinkNode {
  readonly links: OverLinks
  /** What it serves over links. */
  readonly handlers: Map<string, PeerHandler>
  /** Rejects `no way` while there is no link. */
  ask(op: string, header: string, body?: string | Uint8Array, deadlineMs?: number): Promise<PeerReceived>
  /** Requests that have come to its handlers. */
  serving(): number
  readonly log: ReturnType<typeof createTestLog>
}

export interface LinkPair {
  readonly near: LinkNode
  readonly far: LinkNode
  /** Offers that `far` has made. */
  readonly offers: LinkOffer[]
  /** Resolves when requests of `near` may take a link. */
  linked(): Promise<void>
}

export interface LinkPairOptions {
  /** What NATS carries from `near` to `far`, by operation, waits for it. */
  readonly hold?: (op: string) => Promise<void> | undefined
  /** Changes an offer on its way. */
  readonly bend?: (offer: LinkOffer) => unknown
  readonly listenAt?: { readonly host: string; readonly port: number }
  readonly offerMs?: number
  /** By TLS, as between two machines. */
  readonly overTls?: boolean
}

export function startLinks(options: LinkPairOptions = {}): LinkPair {
  const { hold, bend, listenAt, offerMs, overTls = true } = options
  const offers: LinkOffer[] = []
  const served = { near: new Map<string, PeerHandler>(), far: new Map<string, PeerHandler>() }

  const node = (name: 'near' | 'far', other: 'near' | 'far'): LinkNode => {
    const asking = createAsking()
    const handlers = new Map<string, PeerHandler>()
    const log = createTestLog()
    let came = 0
    const links = createOverLinks({
      asking,
      serving: createServing(1000),
      handlerOf(op) {
        came += 1
        return handlers.get(op)
      },
      async ask(_node, op, header) {
        const wait = hold?.(op)
        if (wait !== undefined) await wait
        const context = { from: name, signal: new AbortController().signal }
        const answer = await served[other].get(op)?.({ header, body: Buffer.alloc(0) }, context)
        if (op !== 'link') return answer?.header
        const made = answer?.header as LinkOffer | null
        if (made === null) return null
        offers.push(made)
        const offer = overTls ? { ...made, path: null } : made
        return bend === undefined ? offer : bend(offer)
      },
      serve(op, handler) {
        served[name].set(op, handler)
        return () => void served[name].delete(op)
      },
      address: () => ({ listen: listenAt ?? { host: '127.0.0.1', port: 0 }, host: '127.0.0.1' }),
      isAlive: () => true,
      log,
      times: TIMES,
      ...(offerMs === undefined ? {} : { offerMs }),
    })
    onTestFinished(() => {
      links.close()
      asking.close()
    })
    return {
      links,
      handlers,
      log,
      serving: () => came,
      async ask(op, header, body, deadlineMs = 20_000) {
        const way = links.to(other)
        if (way === undefined) throw new Error('no way')
        const message = body === undefined ? { header } : { header, body }
        return await asking.request(other, way, op, message, { deadlineMs: performance.now() + deadlineMs })
      },
    }
  }

  const near = node('near', 'far')
  const far = node('far', 'near')
  return {
    near,
    far,
    offers,
    async linked() {
      while (near.links.to('far') === undefined) await new Promise((resolve) => setTimeout(resolve, 5))
    },
  }
}
