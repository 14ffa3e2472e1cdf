/** The ways in for links that this host has open: one for its own machine, and one for others at the address that it has just now. */
import type { Log } from '../../core/log.ts'
import type { Visitors } from './doorway.ts'
import { openLocalDoor, type LocalDoor } from './local.ts'
import { openTlsDoor, type TlsDoor } from './tls.ts'
import type { LinkAddress, LinkOffer } from './types.ts'

export interface Doors {
  /** What of an offer says where they are; opens what is not open yet. */
  where(address: LinkAddress | null): Promise<Pick<LinkOffer, 'tls' | 'path'>>
  close(): void
}

const ADVICE = 'requests go through NATS, which is slower; node.links says where this host may listen'

export function createDoors(visitors: Visitors, log: Pick<Log, 'warn' | 'info'>): Doors {
  let local: Promise<LocalDoor | null> | undefined
  let tls: { readonly place: string; readonly door: Promise<TlsDoor | null> } | undefined
  let isClosed = false
  /** Said already. */
  let problem: string | undefined

  const failed = (thrown: unknown): null => {
    const why = thrown instanceof Error ? thrown.message : String(thrown)
    if (problem !== why) log.warn('no links from other hosts', { problem: why, advice: ADVICE })
    problem = why
    return null
  }

  const openTls = async ({ listen }: LinkAddress): Promise<TlsDoor | null> => {
    try {
      const door = await openTlsDoor(listen, visitors, failed)
      log.info('links from other hosts', { host: listen.host, port: door.port })
      problem = undefined
      return door
    } catch (thrown) {
      return failed(thrown)
    }
  }

  /** Anew where the address has changed, or could not be had before. */
  const tlsAt = async (address: LinkAddress): Promise<TlsDoor | null> => {
    const place = `${address.listen.host} ${address.listen.port}`
    if (tls?.place !== place) {
      closeTls()
      tls = { place, door: openTls(address) }
    }
    const current = tls
    const door = await current.door
    if (door === null && tls === current) tls = undefined
    return door
  }

  const closeTls = (): void => {
    void tls?.door.then((door) => door?.close())
    tls = undefined
  }

  const close = (): void => {
    isClosed = true
    closeTls()
    void local?.then((door) => door?.close())
  }

  return {
    async where(address) {
      local ??= openLocalDoor(visitors).catch(failed)
      const path = (await local)?.path ?? null
      const door = address === null ? null : await tlsAt(address)
      if (isClosed) {
        close()
        return { tls: null, path: null }
      }
      return { tls: door === null || address === null ? null : { host: address.host, port: door.port }, path }
    },
    close,
  }
}
