/**
 * Which node owns which actor. The truth is a key of a bucket for each, written by compare-and-set; its revision is the epoch of
 * the ownership, which NATS never gives twice. What is known here is a copy that may be old: whoever is asked and does not own the actor says so,
 * and whoever writes and does not own it is refused by the log.
 * Invariants: callers of one actor go on in the order they came; `self` is only what this node has claimed under a lease that it has held
 * ever since; copies of what others own are bounded.
 */
import type { KV, KvEntry } from '@nats-io/kv'
import { toVelaError, VelaError } from '../../core/errors.ts'
import { keyOf, MAX_WAITING, type ActorAddress } from '../../concurrency/actors/types.ts'
import { isWrongSequence } from '../../nats/api-errors.ts'
import type { Nats } from '../../nats/types.ts'
import { purgeKeys } from '../buckets.ts'
import type { Membership } from '../types.ts'
import { placeOf } from './address.ts'

export interface Owner {
  readonly address: ActorAddress
  readonly key: string
  /** placeOf() of the address. */
  readonly place: string
  /** 'asking': the bucket is being asked; 'leaving': this node gives it up. In both whoever comes waits. */
  state: 'asking' | 'self' | 'leaving' | 'other'
  /** Of state 'other'. */
  node: string
  /** Of states 'self' and 'leaving'. */
  epoch: number
  waiting: Waiting[]
}

interface Waiting {
  found(owner: Owner): void
  refused(error: VelaError): void
}

interface Asked {
  readonly node: string
  readonly epoch: number
  /** Who may take it, as the bucket's owner may not just now. */
  readonly isGuess?: boolean
}

export interface OwnersDeps {
  readonly nats: Pick<Nats, 'prefix' | 'replicas' | 'kv' | 'manager' | 'state'>
  readonly membership: Pick<Membership, 'self' | 'holdsLease' | 'isAlive' | 'assignedTo'>
  /** This node takes nothing new. */
  readonly isDraining: () => boolean
  /** Copies of what others own; 100,000 if left out. */
  readonly mostCopies?: number
}

/** Errors: VELA_CLUSTER_UNAVAILABLE. */
export interface Owners {
  /** Calls back once, at once if it is known: with whoever owns it, which is this node if nobody did. */
  find(address: ActorAddress, waiting: Waiting): void
  /** This node owns it; undefined: not, or it is being given up. */
  mine(address: ActorAddress): Owner | undefined
  /** What it writes is this node's to write: also while it is being given up. */
  holds(owner: Owner): boolean
  /** All that this node owns, and does not give up. */
  allMine(): readonly Owner[]
  /** It turned out that it is not so. */
  forget(owner: Owner): void
  /** Nothing is owned any more: the lease is lost. */
  forgetMine(): void
  /**
   * Gives all up that this node owns, after `leave`, which lets them leave memory; meanwhile who wants them waits, and then finds
   * another node.
   */
  release(leave: () => Promise<void>): Promise<void>
  /** Gives one up that has nothing that lasts and is not in memory; after `clean` nobody can tell that it ever was. */
  discard(owner: Owner, clean?: () => Promise<void>): Promise<void>
  /** All of a deleted service, or tenant. */
  erase(places: string): Promise<void>
  mineCount(): number
  /** Forgets what a node that is gone owned. */
  nodesChanged(): void
}

const MOST_COPIES = 100_000
const MOST_TRIES = 8
const RELEASED_AT_ONCE = 128

export function createOwners(deps: OwnersDeps): Owners {
  const { nats, membership, isDraining, mostCopies = MOST_COPIES } = deps
  const owners = new Map<string, Owner>()
  const mine = new Set<Owner>()
  /** What others own, the oldest first. */
  const copies = new Set<Owner>()
  /** Of the lease: what was claimed under an earlier one is void. */
  let term = 0

  const name = `${nats.prefix}-owners`
  const bucket = (): Promise<KV> => nats.kv(name, { history: 1, replicas: nats.replicas })

  const become = (owner: Owner, state: Owner['state']): void => {
    mine.delete(owner)
    copies.delete(owner)
    owner.state = state
    if (state === 'self') mine.add(owner)
    else if (state === 'other') copies.add(owner)
  }

  const remove = (owner: Owner): void => {
    if (owners.get(owner.key) !== owner) return
    owners.delete(owner.key)
    mine.delete(owner)
    copies.delete(owner)
  }

  /** The oldest copies make room. */
  const trim = (): void => {
    for (const owner of copies) {
      if (copies.size <= mostCopies) return
      remove(owner)
    }
  }

  const claim = async (kv: KV, place: string, revision: number): Promise<number | undefined> => {
    try {
      return await kv.put(place, JSON.stringify({ node: membership.self }), { previousSeq: revision })
    } catch (thrown) {
      if (isWrongSequence(thrown)) return undefined
      throw thrown
    }
  }

  /** Whoever has it, or this node by now. */
  const ask = async (place: string): Promise<Asked> => {
    const kv = await bucket()
    const mayClaim = (): boolean => membership.holdsLease && !isDraining()
    // Most that are asked for the first time belong to nobody.
    let known: KvEntry | null = null
    for (let tries = 0; tries < MOST_TRIES; tries++) {
      const node = known === null ? undefined : nodeOf(known)
      if (node !== undefined && node !== membership.self && membership.isAlive(node))
        return { node, epoch: 0 }
      if (mayClaim()) {
        const epoch = await claim(kv, place, known?.revision ?? 0)
        if (epoch !== undefined) return { node: membership.self, epoch }
      } else if (tries > 0) {
        const other = membership.assignedTo(place)
        if (other !== membership.self && membership.isAlive(other))
          return { node: other, epoch: 0, isGuess: true }
        throw unavailable('This host may not own actors just now, and no other host is ready')
      }
      known = await kv.get(place)
    }
    throw unavailable('Hosts compete for the actor; ask again')
  }

  const settle = (owner: Owner, tell: (waiting: Waiting) => void): void => {
    const { waiting } = owner
    owner.waiting = []
    for (const one of waiting) tell(one)
  }

  const begin = (owner: Owner): void => {
    const began = term
    become(owner, 'asking')
    ask(owner.place).then(
      ({ node, epoch, isGuess }) => {
        const isSelf = node === membership.self
        // The lease may have been lost, and found again, meanwhile; or the service was deleted.
        const isVoid = owners.get(owner.key) !== owner
        if (isVoid || (isSelf && (began !== term || !membership.holdsLease))) {
          remove(owner)
          const why = isVoid ? 'The service was deleted meanwhile' : 'This host has lost its lease'
          const error = unavailable(`${why}; ask again`)
          return settle(owner, (one) => one.refused(error))
        }
        owner.node = node
        owner.epoch = epoch
        become(owner, isSelf ? 'self' : 'other')
        settle(owner, (one) => one.found(owner))
        // Kept, it would hide from this node that the actor is its own by the bucket.
        if (isGuess === true) remove(owner)
        trim()
      },
      (thrown: unknown) => {
        remove(owner)
        const error = toVelaError(thrown, 'VELA_CLUSTER_UNAVAILABLE')
        const told =
          error.code === 'VELA_CLUSTER_UNAVAILABLE' ? error : unavailable('NATS does not answer', thrown)
        settle(owner, (one) => one.refused(told))
      },
    )
  }

  /** What is known without asking: owned here, or by a node that is alive. */
  const peek = (address: ActorAddress): Owner | undefined => {
    const owner = owners.get(keyOf(address))
    if (owner === undefined || owner.state === 'asking' || owner.state === 'leaving') return undefined
    if (owner.state === 'self' || membership.isAlive(owner.node)) return owner
    remove(owner)
    return undefined
  }

  /** Only as it was claimed: somebody may have taken it over since. */
  const give = (owner: Owner): Promise<void> => purgeKeys(nats, name, owner.place, owner.epoch + 1)

  const allMine = (): readonly Owner[] => [...mine]

  return {
    find(address, waiting) {
      const known = peek(address)
      if (known !== undefined) return waiting.found(known)
      const key = keyOf(address)
      const asked = owners.get(key)
      if (asked !== undefined) {
        if (asked.waiting.length < MAX_WAITING) return void asked.waiting.push(waiting)
        const words = `${MAX_WAITING} messages wait to hear where this actor is; retry later`
        return waiting.refused(new VelaError('VELA_ACTOR_MAILBOX_FULL', words))
      }
      if (nats.state !== 'connected') return waiting.refused(unavailable('NATS is lost'))
      const owner: Owner = {
        address,
        key,
        place: placeOf(address),
        state: 'asking',
        node: '',
        epoch: 0,
        waiting: [waiting],
      }
      owners.set(key, owner)
      begin(owner)
    },
    mine(address) {
      const owner = owners.get(keyOf(address))
      return owner?.state === 'self' ? owner : undefined
    },
    holds: (owner) =>
      owners.get(owner.key) === owner && (owner.state === 'self' || owner.state === 'leaving'),
    allMine,
    forget: remove,
    forgetMine() {
      term += 1
      for (const owner of owners.values()) {
        if (owner.state === 'self') remove(owner)
        // Who waits for it looks again.
        else if (owner.state === 'leaving') begin(owner)
      }
    },
    async release(leave) {
      const all = allMine()
      for (const owner of all) become(owner, 'leaving')
      await leave()
      const left = all.filter((owner) => owner.state === 'leaving')
      for (let index = 0; index < left.length; index += RELEASED_AT_ONCE)
        await Promise.allSettled(left.slice(index, index + RELEASED_AT_ONCE).map(give))
      for (const owner of left) {
        if (owner.state !== 'leaving') continue
        if (owner.waiting.length > 0) begin(owner)
        else remove(owner)
      }
    },
    async discard(owner, clean) {
      remove(owner)
      await clean?.()
      await give(owner)
    },
    async erase(places) {
      for (const owner of owners.values()) if (isAmong(owner.place, places)) remove(owner)
      await bucket()
      await purgeKeys(nats, name, places)
    },
    mineCount: () => mine.size,
    nodesChanged() {
      for (const owner of copies) if (!membership.isAlive(owner.node)) remove(owner)
    },
  }
}

/** As allOf() makes them. */
const isAmong = (place: string, places: string): boolean => place.startsWith(places.slice(0, -1))

function nodeOf(entry: KvEntry): string | undefined {
  if (entry.operation !== 'PUT') return undefined
  try {
    const { node } = entry.json<{ readonly node?: unknown }>()
    return typeof node === 'string' ? node : undefined
  } catch {
    return undefined
  }
}

const unavailable = (why: string, cause?: unknown): VelaError =>
  new VelaError('VELA_CLUSTER_UNAVAILABLE', why, { cause })
