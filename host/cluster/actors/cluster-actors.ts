/**
 * Actors of a cluster, with the face of those of one host: what is for an actor goes to the node that owns it, which is this one or is reached
 * by one request. Invariants: messages of one sender keep their order; nothing is sent a second time that may have been handled; a node
 * without its lease delivers nothing and lets no answer out, and what lived on it ends.
 */
import type { CapabilityCall, CapabilityResult } from '../../capabilities/capability.ts'
import type { Actors, Letter, Sender, Sent } from '../../concurrency/actors/contract.ts'
import { HOST } from '../../concurrency/actors/host/host-actors.ts'
import type { ActorAddress } from '../../concurrency/actors/types.ts'
import { VelaError } from '../../core/errors.ts'
import type { PeerReceived, Peers } from '../peers/types.ts'
import type { Membership } from '../types.ts'
import { leftOf, readMessage, writeMessage } from './actor-wire.ts'
import { readAddress, writeAddress } from './address.ts'
import type { AlarmIndex } from './alarm-index.ts'
import { moved } from './kept.ts'
import type { LogStore } from './log-store.ts'
import type { Owner, Owners } from './owners.ts'

export interface ClusterActorsDeps {
  readonly local: Actors
  readonly owners: Owners
  readonly store: Pick<LogStore, 'rouse' | 'dropAll' | 'tidy'>
  readonly index: Pick<AlarmIndex, 'start' | 'close'>
  readonly peers: Peers
  readonly membership: Pick<Membership, 'self' | 'holdsLease' | 'onChange'>
  /** Carries a request to an actor of another node. Rejects with `details.moved` if it is not there and nothing was done. */
  readonly fetchAt: (
    node: string,
    address: ActorAddress,
    from: CapabilityCall,
    request: unknown,
  ) => Promise<CapabilityResult>
  readonly onFailure: (what: string, thrown: unknown) => void
  /** This node takes nothing new from here on, if another can. */
  readonly startDraining: () => void
  readonly isDraining: () => boolean
  readonly tidyEveryMs?: number
}

export interface ClusterActors extends Actors {
  /** A request of another node. Rejects with `details.moved` if this one does not own the actor; nothing was done then. */
  fetchHere(address: ActorAddress, from: CapabilityCall, request: unknown): Promise<CapabilityResult>
  /** Has the alarm of an actor at hand on the node that owns it, which is this one if nobody does. */
  rouse(address: ActorAddress): Promise<void>
  /** Actors that this host owns. */
  readonly owned: number
  /** Messages and requests, since the start: to actors of other nodes, and of other nodes to those of this one. */
  readonly traffic: { readonly out: number; readonly in: number }
}

const OP = 'actor'
const ROUSE = 'rouse'
const MOST_MOVES = 5
const TIDY_MS = 5000
const ROUSE_MS = 5000

export function createClusterActors(deps: ClusterActorsDeps): ClusterActors {
  const { local, owners, store, index, peers, membership, onFailure } = deps
  let tidier: NodeJS.Timeout | undefined
  let tidying = false
  let hadLease = membership.holdsLease
  /** How often the lease was lost: what was asked under one lease is not answered under the next. */
  let losses = 0
  const traffic = { out: 0, in: 0 }
  const noLease = (): VelaError =>
    new VelaError('VELA_CLUSTER_UNAVAILABLE', 'This host has lost its lease; it owns no actors just now')

  /** What lived here belongs to whoever takes it. */
  const fence = (): void => {
    losses += 1
    owners.forgetMine()
    store.dropAll()
    local
      .evict(({ tenant }) => tenant !== HOST, noLease())
      .catch((thrown: unknown) => onFailure('actors could not be told that they are fenced', thrown))
  }

  const unwatch = membership.onChange(() => {
    owners.nodesChanged()
    if (hadLease && !membership.holdsLease) fence()
    hadLease = membership.holdsLease
  })

  /** The owner, or this node if nobody was; `work` begins at once if it is known. Tried again where the actor has moved meanwhile. */
  const at = <Value>(
    address: ActorAddress,
    here: () => Promise<Value>,
    there: (node: string) => Promise<Value>,
  ): Promise<Value> => {
    const { promise, resolve, reject } = Promise.withResolvers<Value>()
    let tries = 0
    const attempt = (): void => owners.find(address, { found, refused: reject })
    const found = (owner: Owner): void => {
      const again = (thrown: unknown): void => {
        if (!hasMoved(thrown) || ++tries === MOST_MOVES) return reject(thrown)
        owners.forget(owner)
        attempt()
      }
      if (owner.state === 'self') guarded(here, resolve, again)
      else {
        traffic.out += 1
        there(owner.node).then(resolve, again)
      }
    }
    attempt()
    return promise
  }

  /**
   * An answer is let out if the lease was held from when the actor was asked until now: one of a host that was frozen meanwhile may say
   * what is not so any more.
   */
  const guarded = <Value>(
    work: () => Promise<Value>,
    resolve: (value: Value) => void,
    reject: (thrown: unknown) => void,
  ): void => {
    if (!membership.holdsLease) return reject(noLease())
    const began = losses
    work().then((value) => {
      if (began === losses && membership.holdsLease) return resolve(value)
      const words = 'The host of the actor lost its lease meanwhile; it may have done it or not'
      reject(new VelaError('VELA_NODE_LOST', words))
    }, reject)
  }

  /** For another node: what is not here is not looked for elsewhere. */
  const hereOnly = <Value>(address: ActorAddress, work: () => Promise<Value>): Promise<Value> => {
    const { promise, resolve, reject } = Promise.withResolvers<Value>()
    owners.find(address, {
      refused: reject,
      found(owner) {
        if (owner.state !== 'self') {
          // The other node thinks otherwise: one of the two is wrong, and both look again.
          owners.forget(owner)
          return reject(moved())
        }
        traffic.in += 1
        guarded(work, resolve, reject)
      },
    })
    return promise
  }

  const ask = async (node: string, address: ActorAddress, letter: Letter, sender: Sender): Promise<Sent> => {
    const leftMs = leftOf(letter, sender)
    const message = { header: writeMessage(address, letter, sender, leftMs), body: letter.argsText }
    const options = { deadlineMs: performance.now() + leftMs, signal: sender.signal }
    try {
      const { body } = await peers.request(node, OP, message, options)
      return { value: body.toString() }
    } catch (thrown) {
      if (!(thrown instanceof VelaError) || thrown.code !== 'VELA_TASK_TIMEOUT') throw thrown
      throw new VelaError(
        'VELA_ACTOR_DEADLINE',
        `The actor did not answer ${letter.kind} ${letter.method} in time`,
      )
    }
  }

  /** Of another node. It is never sent further from here. */
  const serve = async (
    received: PeerReceived,
    signalOf: { readonly signal: AbortSignal },
  ): Promise<{ header: null; body: string }> => {
    const { address, letter, requestId, depth } = readMessage(received)
    const sender: Sender = {
      caller: undefined,
      requestId,
      depth,
      deadlineMs: Infinity,
      // A tell holds nobody up, and goes on without its sender.
      signal: letter.kind === 'tell' ? undefined : signalOf.signal,
    }
    if (letter.kind === 'depth') {
      const waiting = await hereOnly(address, () => local.depth(address, sender))
      return { header: null, body: String(waiting) }
    }
    const sent = await hereOnly(address, () => local.send(address, letter, sender))
    return { header: null, body: 'value' in sent ? sent.value : '' }
  }

  const rouse = (address: ActorAddress): Promise<void> =>
    at(
      address,
      () => store.rouse(address),
      async (node) => {
        const options = { deadlineMs: performance.now() + ROUSE_MS }
        await peers.request(node, ROUSE, { header: writeAddress(address) }, options)
      },
    )

  const stops = [
    peers.serve(OP, serve),
    peers.serve(ROUSE, async ({ header }) => {
      const address = readAddress(header)
      if (address !== undefined) await hereOnly(address, () => store.rouse(address))
      return { header: null }
    }),
  ]

  const tidy = async (): Promise<void> => {
    if (tidying || !membership.holdsLease) return
    tidying = true
    try {
      await store.tidy()
    } catch (thrown) {
      onFailure('actors that are not in use could not be given up', thrown)
    } finally {
      tidying = false
    }
  }

  return {
    ...local,
    send: (address, letter, sender) =>
      at(
        address,
        () => local.send(address, letter, sender),
        (node) => ask(node, address, letter, sender),
      ),
    locate: async (address, sender) => {
      if (sender.caller === undefined) return { remote: true }
      return await at<Awaited<ReturnType<Actors['locate']>>>(
        address,
        () => local.locate(address, sender),
        () => Promise.resolve({ remote: true }),
      )
    },
    fetch: (address, from, request) =>
      at(
        address,
        () => local.fetch(address, from, request),
        (node) => deps.fetchAt(node, address, from, request),
      ),
    depth: (address, sender) =>
      at(
        address,
        () => local.depth(address, sender),
        async (node) => {
          const letter: Letter = { kind: 'depth', method: '', argsText: '[]' }
          const sent = await ask(node, address, letter, sender)
          const depth = 'value' in sent ? Number(sent.value) : 0
          return Number.isSafeInteger(depth) && depth >= 0 ? depth : 0
        },
      ),
    rouse,
    traffic,
    fetchHere: (address, from, request) => hereOnly(address, () => local.fetch(address, from, request)),
    get owned() {
      return owners.mineCount()
    },
    start() {
      local.start()
      index.start()
      tidier ??= setInterval(() => void tidy(), deps.tidyEveryMs ?? TIDY_MS).unref()
    },
    async stop(withinMs) {
      deps.startDraining()
      await local.stop(withinMs)
      if (withinMs > 0 && deps.isDraining()) await owners.release(() => local.restAll())
    },
    async close() {
      clearInterval(tidier)
      unwatch()
      for (const stop of stops) stop()
      index.close()
      await local.close()
    },
  }
}

const hasMoved = (thrown: unknown): boolean => thrown instanceof VelaError && thrown.details['moved'] === true
