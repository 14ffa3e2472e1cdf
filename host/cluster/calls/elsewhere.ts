/**
 * Whether a call is better served by another node: this one drains, or has as many calls of the service waiting as may. Local first: nobody
 * else is asked as long as there is room here, and a call goes over the network once at most.
 */
import type { Call } from '../../cells/call.ts'
import type { Membership } from '../types.ts'
import type { NodeCalls } from './calls.ts'

export interface ElsewhereDeps {
  readonly calls: Pick<NodeCalls, 'carry'>
  readonly membership: Pick<Membership, 'self' | 'nodes' | 'onChange'>
}

/** True: the call is on its way to another node. `isFull`: no more calls of the service may wait here. */
export type Elsewhere = (tenant: string, service: string, call: Call, isFull: boolean) => boolean

export function createElsewhere({ calls, membership }: ElsewhereDeps): Elsewhere {
  let draining = false
  /** Given to each since its load was last thought new: a node tells its load with its heartbeats only. */
  let given = new Map<string, number>()
  let givenMs = 0
  membership.onChange(() => {
    draining = membership.nodes().some(({ id, state }) => id === membership.self && state === 'draining')
  })

  /** That has the least to do. */
  const another = (): string | undefined => {
    const nowMs = performance.now()
    if (nowMs - givenMs > FRESH_MS) [given, givenMs] = [new Map(), nowMs]
    let best: string | undefined
    let least = Infinity
    for (const { id, state, load } of membership.nodes()) {
      if (id === membership.self || state !== 'ready') continue
      const weight = load.queue * QUEUED + load.turns + (given.get(id) ?? 0)
      if (weight < least) [best, least] = [id, weight]
    }
    return best
  }

  return (tenant, service, call, isFull) => {
    if (!isFull && !draining) return false
    const node = another()
    if (node === undefined) return false
    given.set(node, (given.get(node) ?? 0) + 1)
    calls.carry(node, ['service', tenant, service], call)
    return true
  }
}

/** One that waits weighs as much as so many under way. */
const QUEUED = 4
const FRESH_MS = 2000
