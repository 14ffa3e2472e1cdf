/** What the directory of actors knows of one actor that is active or on its way. */
import type { Home } from '../../cells/home.ts'
import type { Visit } from './directory-contract.ts'
import type { ActorAddress } from './types.ts'

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
