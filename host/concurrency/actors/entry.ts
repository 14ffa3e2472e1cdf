/** What the directory of actors knows of one actor that is active or on its way. */
import type { Home } from '../../cells/home.ts'
import type { VelaError } from '../../core/errors.ts'
import type { Visit } from './directory-contract.ts'
import { keyOf, type ActorAddress } from './types.ts'

export interface Entry {
  readonly key: string
  readonly address: ActorAddress
  /** 'placing': its state is being read, or a home is being found; 'leaving': its home is asked to let it go. */
  state: 'placing' | 'active' | 'leaving'
  home: Home | undefined
  epoch: number
  row: number | null
  /** The home may not know of it yet. */
  unproven: boolean
  /** How often the home has been told of it, or is to be. */
  offers: number
  /** Of looking for a home: a later one makes those before it void. */
  round: number
  inFlight: number
  /** Of a deleted service. */
  dropped: boolean
  waiting: Waiting[]
}

export interface Waiting {
  readonly caller: Home | undefined
  readonly visit: Visit
}

export const createEntry = (key: string, address: ActorAddress, first: Waiting): Entry => ({
  key,
  address,
  state: 'placing',
  home: undefined,
  epoch: 0,
  row: null,
  unproven: true,
  offers: 0,
  round: 0,
  inFlight: 0,
  dropped: false,
  waiting: [first],
})

/** Nobody waits for it behind this. */
export function refuseWaiting(entry: Entry, error: VelaError): void {
  const { waiting } = entry
  entry.waiting = []
  for (const { visit } of waiting) visit.refused(error)
}

/** Those of a service that have a home. */
export function countByClass(
  entries: Iterable<Entry>,
  tenant: string,
  service: string,
): Readonly<Record<string, number>> {
  const counts = new Map<string, number>()
  for (const { address, home } of entries) {
    if (home === undefined || address.tenant !== tenant || address.service !== service) continue
    counts.set(address.class, (counts.get(address.class) ?? 0) + 1)
  }
  return Object.fromEntries(counts)
}

export function addTo<Key, Item>(lists: Map<Key, Item[]>, key: Key, item: Item): void {
  const list = lists.get(key)
  if (list === undefined) lists.set(key, [item])
  else list.push(item)
}

/** By their address, or by what is true of it. */
export function chosen(
  entries: ReadonlyMap<string, Entry>,
  which: ActorAddress | ((address: ActorAddress) => boolean),
): readonly Entry[] {
  if (typeof which === 'function') return [...entries.values()].filter(({ address }) => which(address))
  const entry = entries.get(keyOf(which))
  return entry === undefined ? [] : [entry]
}
