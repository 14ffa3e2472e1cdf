/** Requests of this host's guests to actors that live on other nodes. */
import type { CapabilityCall, CapabilityResult } from '../../capabilities/capability.ts'
import type { Call } from '../../cells/call.ts'
import type { ActorAddress } from '../../concurrency/actors/types.ts'
import { writeAddress } from '../actors/address.ts'
import { moved } from '../actors/kept.ts'
import type { NodeCalls } from './calls.ts'

export interface FetchAtDeps {
  readonly calls: Pick<NodeCalls, 'carry'>
  /** A request, as a call of a service. `request` is a guest's, and hostile. */
  readonly createFetch: (
    from: CapabilityCall,
    request: unknown,
  ) => { readonly call: Call; readonly result: Promise<CapabilityResult> }
}

export type FetchAt = (
  node: string,
  address: ActorAddress,
  from: CapabilityCall,
  request: unknown,
) => Promise<CapabilityResult>

/** Rejects with `details.moved` if the actor is not there; nothing was done then. */
export function createFetchAt({ calls, createFetch }: FetchAtDeps): FetchAt {
  return async (node, address, from, request) => {
    const { call, result } = createFetch(from, request)
    const elsewhere = Promise.withResolvers<never>()
    elsewhere.promise.catch(() => undefined)
    calls.carry(node, ['actor', ...writeAddress(address)], call, {
      onMoved: () => elsewhere.reject(moved()),
    })
    return await Promise.race([result, elsewhere.promise])
  }
}
