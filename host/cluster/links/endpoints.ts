/** The ways in for links that this host has open: one for its own machine, and one for others at the address that it has just now. */
import type { Log } from '../../core/log.ts'
import type { LinkAcceptor } from './acceptor.ts'
import { listenLocally, type LocalEndpoint } from './local.ts'
import { listenByTls, type TlsEndpoint } from './tls.ts'
import type { LinkAddress, LinkOffer } from './types.ts'

export interface Endpoints {
  /** What of an offer says where they are; opens what is not open yet. */
  where(address: LinkAddress | null): Promise<Pick<LinkOffer, 'tls' | 'path'>>
  close(): void
}

const ADVICE = 'requests go through NATS, which is slower; node.links says where this host may listen'

export function createEndpoints(acceptor: LinkAcceptor, log: Pick<Log, 'warn' | 'info'>): Endpoints {
  let local: Promise<LocalEndpoint | null> | undefined
  let tls: { readonly place: string; readonly endpoint: Promise<TlsEndpoint | null> } | undefined
  let isClosed = false
  /** Said already. */
  let problem: string | undefined

  const failed = (thrown: unknown): null => {
    const why = thrown instanceof Error ? thrown.message : String(thrown)
    if (problem !== why) log.warn('no links from other hosts', { problem: why, advice: ADVICE })
    problem = why
    return null
  }

  const openTls = async ({ listen }: LinkAddress): Promise<TlsEndpoint | null> => {
    try {
      const endpoint = await listenByTls(listen, acceptor, failed)
      log.info('links from other hosts', { host: listen.host, port: endpoint.port })
      problem = undefined
      return endpoint
    } catch (thrown) {
      return failed(thrown)
    }
  }

  /** Anew where the address has changed, or could not be had before. */
  const tlsAt = async (address: LinkAddress): Promise<TlsEndpoint | null> => {
    const place = `${address.listen.host} ${address.listen.port}`
    if (tls?.place !== place) {
      closeTls()
      tls = { place, endpoint: openTls(address) }
    }
    const current = tls
    const endpoint = await current.endpoint
    if (endpoint === null && tls === current) tls = undefined
    return endpoint
  }

  const closeTls = (): void => {
    void tls?.endpoint.then((endpoint) => endpoint?.close())
    tls = undefined
  }

  const close = (): void => {
    isClosed = true
    closeTls()
    void local?.then((endpoint) => endpoint?.close())
  }

  return {
    async where(address) {
      local ??= listenLocally(acceptor).catch(failed)
      const path = (await local)?.path ?? null
      const endpoint = address === null ? null : await tlsAt(address)
      if (isClosed) {
        close()
        return { tls: null, path: null }
      }
      return {
        tls: endpoint === null || address === null ? null : { host: address.host, port: endpoint.port },
        path,
      }
    },
    close,
  }
}
