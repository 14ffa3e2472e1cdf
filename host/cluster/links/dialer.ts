/**
 * This node's links to others, one for each: opened when something is first asked of a node, and used once it stands. What is asked meanwhile, and
 * where none can be had, goes through NATS. Invariant: a link is given out only after `switched` has published the word that the other side waits
 * for, so nothing that is sent by the link is read before what was sent through NATS.
 */
import type { Socket } from 'node:net'
import type { Log } from '../../core/log.ts'
import { createLink, type Link, type LinkEvents, type LinkTimes } from './link.ts'
import { dialLocal, isLocal } from './local.ts'
import { dialTls } from './tls.ts'
import type { LinkDialer, LinkOffer } from './types.ts'

export interface LinkDialerDeps {
  /** Asks a node over NATS how to reach it; what it says is parsed here. */
  readonly ask: (node: string) => Promise<unknown>
  /** Publishes, before it returns, that the link is used from here on. Rejects if the node does not want it any more. */
  readonly switched: (node: string, id: string) => Promise<void>
  readonly hear: (node: string, link: Link) => LinkEvents
  readonly log: Pick<Log, 'info'>
  readonly times?: LinkTimes
}

interface Dialed {
  link: Link | undefined
  /** performance.now() milliseconds; until then nothing is tried again. */
  restsUntilMs: number
  failures: number
  /** Said already. */
  problem: string | undefined
  /** Aborts when no link is wanted any more. */
  readonly ending: AbortController
}

const ID = /^[0-9a-f-]{36}$/
const KEY = /^[0-9a-f]{64}$/
const DIAL_MS = 3000
const LEAST_REST_MS = 500
const LONGEST_REST_MS = 60_000

export function createLinkDialer(deps: LinkDialerDeps): LinkDialer {
  const { ask, switched, hear, log, times } = deps
  const nodes = new Map<string, Dialed>()
  let isClosed = false

  const rest = (dialed: Dialed): void => {
    dialed.restsUntilMs =
      performance.now() + Math.min(LEAST_REST_MS * 2 ** dialed.failures++, LONGEST_REST_MS)
  }

  const begin = (node: string, dialed: Dialed, socket: Socket, id: string): void => {
    const link = createLink(socket, times)
    const events = hear(node, link)
    const openedMs = performance.now()
    dialed.link = link
    link.start({
      ...events,
      over() {
        if (dialed.link === link) dialed.link = undefined
        if (performance.now() - openedMs > LONGEST_REST_MS) dialed.failures = 0
        rest(dialed)
        events.over()
      },
    })
    dialed.problem = undefined
    switched(node, id).catch(() => link.close())
  }

  const open = async (node: string, dialed: Dialed): Promise<void> => {
    // Until it stands, or has failed.
    dialed.restsUntilMs = Infinity
    try {
      const offer = readOffer(await ask(node))
      if (offer === undefined) {
        rest(dialed)
        return
      }
      const socket = await dial(offer, dialed.ending.signal)
      // The node may have gone meanwhile.
      if (nodes.get(node) === dialed) begin(node, dialed, socket, offer.id)
      else socket.destroy()
    } catch (thrown) {
      rest(dialed)
      const problem = thrown instanceof Error ? thrown.message : String(thrown)
      const isWanted = !dialed.ending.signal.aborted
      if (dialed.problem !== problem && isWanted) log.info('no link to a host', { node, problem })
      dialed.problem = problem
    }
  }

  const drop = (isMeant: (node: string) => boolean): void => {
    for (const [node, dialed] of nodes) {
      if (!isMeant(node)) continue
      nodes.delete(node)
      dialed.ending.abort()
      dialed.link?.close()
    }
  }

  return {
    to(node) {
      let dialed = nodes.get(node)
      if (dialed?.link !== undefined) return dialed.link
      if (isClosed) return undefined
      if (dialed === undefined) {
        const ending = new AbortController()
        dialed = { link: undefined, restsUntilMs: 0, failures: 0, problem: undefined, ending }
        nodes.set(node, dialed)
      }
      if (performance.now() >= dialed.restsUntilMs) void open(node, dialed)
      return undefined
    },
    drop,
    get size() {
      let count = 0
      for (const { link } of nodes.values()) if (link !== undefined) count += 1
      return count
    },
    close() {
      isClosed = true
      drop(() => true)
    },
  }
}

/** By the socket file where it is of this machine, by TLS else. Rejects for what does not open in time. */
async function dial(offer: LinkOffer, wanted: AbortSignal): Promise<Socket> {
  const { tls, path } = offer
  if (path !== null && (await isLocal(path))) {
    try {
      return await opened((resolve) => dialLocal(offer, path, resolve), wanted)
    } catch (thrown) {
      // As where machines share a file system.
      if (tls === null) throw thrown
    }
  }
  if (tls === null) throw new Error('the host takes links of its own machine only')
  return await opened((resolve) => dialTls(offer, tls, resolve), wanted)
}

async function opened(begin: (resolve: () => void) => Socket, wanted: AbortSignal): Promise<Socket> {
  wanted.throwIfAborted()
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const socket = begin(resolve)
  const giveUp = (): void => void socket.destroy(new Error('does not answer in time'))
  const timer = setTimeout(giveUp, DIAL_MS)
  wanted.addEventListener('abort', giveUp)
  socket.on('error', reject)
  socket.once('close', () => reject(new Error('refused the link')))
  try {
    await promise
    return socket
  } finally {
    clearTimeout(timer)
    wanted.removeEventListener('abort', giveUp)
  }
}

/** Of another host, maybe of another version. */
function readOffer(value: unknown): LinkOffer | undefined {
  const { id, key, tls, path } = fieldsOf(value)
  if (typeof id !== 'string' || !ID.test(id) || typeof key !== 'string' || !KEY.test(key)) return undefined
  const { host, port } = fieldsOf(tls)
  return {
    id,
    key,
    tls: typeof host === 'string' && typeof port === 'number' ? { host, port } : null,
    path: typeof path === 'string' ? path : null,
  }
}

const fieldsOf = (value: unknown): Readonly<Record<string, unknown>> =>
  (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>
