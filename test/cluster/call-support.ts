/** One side of calls between nodes: services and actors are the test's. */
import { onTestFinished } from 'vitest'
import type { CapabilityCall, CapabilityResult } from '../../host/capabilities/capability.ts'
import type { Call, TurnLink } from '../../host/cells/call.ts'
import { moved } from '../../host/cluster/actors/kept.ts'
import { createNodeCalls, type NodeCalls } from '../../host/cluster/calls/calls.ts'
import type { ActorAddress } from '../../host/concurrency/actors/types.ts'
import { eventually } from '../actors/host-support.ts'
import type { Node } from './actor-support.ts'

export interface Side {
  readonly calls: NodeCalls
  /** Calls that came here. */
  readonly taken: Call[]
  fetch: (from: CapabilityCall, request: unknown) => Promise<CapabilityResult>
}

export async function sideOf(node: Node): Promise<Side> {
  const side: Side = {
    taken: [],
    fetch: () => Promise.reject(moved()),
    calls: createNodeCalls({
      peers: node.peers,
      nats: node.nats,
      membership: node.member,
      dispatchHere(tenant, service, call) {
        if (tenant !== 'acme' || service !== 'shop') return false
        side.taken.push(call)
        return true
      },
      fetchHere: (_address, from, request) => side.fetch(from, request),
    }),
  }
  onTestFinished(() => side.calls.close())
  // The server knows what is listened to.
  await node.nats.connection.flush()
  return side
}

/** What a turn was asked for, as `[verb, …]`. */
export function linkOf(log: unknown[][], more: Partial<TurnLink> = {}): TurnLink {
  return {
    sendBody: (part, last) => void log.push(['body', part, last]),
    grant: (bytes) => void log.push(['grant', bytes]),
    cancel: (code) => void log.push(['cancel', code]),
    endure: () => true,
    openSocket: () => undefined,
    ...more,
  }
}

export const takenAt = async (side: Side): Promise<Call> => {
  await eventually(() => side.taken.length).toBeGreaterThan(0)
  const call = side.taken.shift()
  if (call === undefined) throw new Error('no call')
  return call
}

export const request: { readonly method: string; readonly url: string; readonly headers: string[] } = {
  method: 'POST',
  url: 'http://shop/a?b=1',
  headers: ['x-a', '1'],
}
export const SERVICE = ['service', 'acme', 'shop'] as const
export const ACTOR: ActorAddress = { tenant: 'acme', service: 'shop', class: 'Cart', name: 'ann/…' }
