/** Calls between nodes: carries this host's to others, and serves those of others here. */
import type { CapabilityCall, CapabilityResult } from '../../capabilities/capability.ts'
import type { Call } from '../../cells/call.ts'
import type { ActorAddress } from '../../concurrency/actors/types.ts'
import type { Nats } from '../../nats/types.ts'
import { readAddress } from '../actors/address.ts'
import type { Peers } from '../peers/types.ts'
import type { Membership } from '../types.ts'
import { serveFetch } from './actor-fetch.ts'
import { CarriedCall, type CarriedHead } from './carried-call.ts'
import { carryCall, type CallTarget, type CarryOptions } from './remote-call.ts'
import { createStreams, type Frame, type Stream, type StreamHandler } from './streams.ts'

export interface NodeCallsDeps {
  readonly peers: Peers
  readonly nats: Pick<Nats, 'state' | 'onState'>
  readonly membership: Pick<Membership, 'isAlive' | 'onChange'>
  /** Hands a call to a service of this host, and never to another host. False: there is none. */
  readonly dispatchHere: (tenant: string, service: string, call: Call) => boolean
  /** To an actor that this node owns; rejects with `details.moved` for any other. */
  readonly fetchHere: (
    address: ActorAddress,
    from: CapabilityCall,
    request: unknown,
  ) => Promise<CapabilityResult>
}

export interface NodeCalls {
  carry(node: string, target: CallTarget, call: Call, options?: CarryOptions): void
  /** Exchanges under way, both ways. */
  readonly open: number
  /** Calls since the start: carried to other nodes, and served for them. */
  readonly traffic: { readonly out: number; readonly in: number }
  close(): void
}

export function createNodeCalls(deps: NodeCallsDeps): NodeCalls {
  const traffic = { out: 0, in: 0 }
  const accept = (stream: Stream, first: Frame): StreamHandler => {
    traffic.in += 1
    const head = readHead(first)
    const [target] = first.args
    const call = new CarriedCall(stream, head ?? NO_HEAD)
    const handler: StreamHandler = { heard: (frame) => call.heard(frame), lost: () => call.lost() }
    const names = Array.isArray(target) ? (target as unknown[]) : []
    const address = readAddress(names.slice(1))
    if (head !== undefined && names[0] === 'actor' && address !== undefined)
      return serveFetch(stream, call, head, (from, request) => deps.fetchHere(address, from, request))
    const [kind, tenant, service] = names
    if (head === undefined || kind !== 'service' || typeof tenant !== 'string' || typeof service !== 'string')
      call.failed('VELA_NODE_LOST', 'The call cannot be read; do the hosts differ?')
    else if (!deps.dispatchHere(tenant, service, call))
      call.failed('VELA_SERVICE_NOT_FOUND', `There is no service ${service}`)
    return handler
  }
  const streams = createStreams({ ...deps, accept })
  return {
    carry(node, target, call, options) {
      traffic.out += 1
      carryCall(streams, node, target, call, options)
    },
    traffic,
    get open() {
      return streams.size
    },
    close: () => streams.close(),
  }
}

/** Events of one delivery, at most. */
const MOST_WEIGHT = 1_000

const NO_HEAD: CarriedHead = {
  invoke: '',
  requestId: '',
  depth: 0,
  affinity: undefined,
  weight: 1,
  waitedMs: 0,
  body: '',
}

function readHead({ verb, args, body }: Frame): CarriedHead | undefined {
  const [, invoke, requestId, depth, affinity, waitedMs, weight] = args
  if (
    verb !== 'open' ||
    typeof invoke !== 'string' ||
    !CarriedCall.reads(invoke) ||
    typeof requestId !== 'string' ||
    typeof depth !== 'number' ||
    typeof waitedMs !== 'number'
  )
    return undefined
  return {
    invoke,
    requestId,
    depth,
    affinity: typeof affinity === 'string' ? affinity : undefined,
    weight: typeof weight === 'number' && weight >= 1 && weight <= MOST_WEIGHT ? weight : 1,
    waitedMs,
    body: body.toString('latin1'),
  }
}
