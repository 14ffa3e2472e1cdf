/**
 * Brings into the cluster what a host stored of guests' actors while it was alone: for each actor one snapshot, where the cluster has
 * nothing of it. Where both have the actor the cluster is right. What is brought in leaves the host's own store, service by service, so a host
 * that ends in the midst goes on where it was; an actor that is wanted before its turn is brought in at once.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { HOST } from '../../concurrency/actors/host/host-actors.ts'
import type { ActorStore, StoredActor } from '../../concurrency/actors/store/store.ts'
import { keyOf, MAX_DEAD_LETTERS, type ActorAddress } from '../../concurrency/actors/types.ts'
import { VelaError } from '../../core/errors.ts'
import type { Log } from '../../core/log.ts'
import type { Nats } from '../../nats/types.ts'
import { placeOf } from './address.ts'
import type { AlarmIndex } from './alarm-index.ts'
import type { DeadLetters } from './dead-letters.ts'
import { sizeOf } from './kept.ts'
import type { ActorLog } from './log.ts'
import { encodeRecord, snapshotBody, type ActorState } from './records.ts'
import { entriesOf } from './state-pages.ts'

export interface BringInDeps {
  readonly nats: Pick<Nats, 'whenConnected'>
  readonly own: Pick<ActorStore, 'load' | 'list' | 'page' | 'services' | 'deadLetters' | 'drop'>
  readonly actorLog: ActorLog
  readonly index: Pick<AlarmIndex, 'set'>
  readonly dead: Pick<DeadLetters, 'add'>
  readonly log: Pick<Log, 'info' | 'warn'>
}

export interface BringIn {
  /** Resolves when all is in; tries until then, or until it is closed. */
  readonly done: Promise<void>
  /** This actor is in when it resolves; undefined: there is nothing to wait for. */
  before(address: ActorAddress): Promise<void> | undefined
  close(): void
}

const RETRY_MS = 1000
/** Of no owner: every host that takes the actor over comes later. */
const EPOCH = 0

export function startBringIn({ nats, own, actorLog, index, dead, log }: BringInDeps): BringIn {
  const closing = new AbortController()
  let isDone = false
  /** A second time would bring back what has been deleted since. */
  const brought = new Set<string>()

  /** False: the cluster has the actor. */
  const append = async (address: ActorAddress, state: ActorState): Promise<boolean> => {
    const place = placeOf(address)
    const parts = encodeRecord('snapshot', EPOCH, snapshotBody(state), actorLog.maxPayload)
    if (state.alarmMs !== null) await index.set(address, place, state.alarmMs)
    const bytes = sizeOf(address, state)
    try {
      await actorLog.append(place, parts, { after: 0, bytes })
      return true
    } catch (thrown) {
      if (!(thrown instanceof VelaError) || thrown.code !== 'VELA_ACTOR_FENCED') throw thrown
    }
    const there = await actorLog.read(place)
    const isHalf = there.epoch === EPOCH && there.entries.size === 0 && there.alarmMs === null
    if (!isHalf) return false
    // A host ended while it brought the actor in.
    await actorLog.append(place, parts, { after: there.sequence, bytes })
    return true
  }

  const bring = async ({ row, address, version, alarmMs }: StoredActor): Promise<boolean> => {
    if (brought.has(keyOf(address))) return false
    const entries = await entriesOf(own, address.tenant, row)
    const added = await append(address, { version, entries, alarmMs })
    brought.add(keyOf(address))
    return added
  }

  const bringAll = async (): Promise<void> => {
    const services = (await own.services()).filter(({ tenant }) => tenant !== HOST)
    for (const { tenant, service } of services) {
      let added = 0
      let after = 0
      for (;;) {
        const page = await own.page(tenant, service, after)
        for (const actor of page) if (await bring(actor)) added += 1
        const last = page.at(-1)
        if (last === undefined) break
        after = last.row
        closing.signal.throwIfAborted()
      }
      const letters = await own.deadLetters(tenant, service, MAX_DEAD_LETTERS)
      for (const letter of letters.toReversed()) await dead.add(tenant, service, letter)
      await own.drop(tenant, service)
      log.info('actors', { message: 'actors of this host joined the cluster', tenant, service, added })
    }
  }

  const run = async (): Promise<void> => {
    let said = false
    while (!closing.signal.aborted) {
      try {
        await nats.whenConnected()
        await bringAll()
        isDone = true
        return brought.clear()
      } catch (error) {
        if (!said && !closing.signal.aborted)
          log.warn('actors', { message: 'actors of this host have not joined the cluster yet', error })
        said = true
      }
      await sleep(RETRY_MS, undefined, { signal: closing.signal, ref: false }).catch(() => undefined)
    }
  }

  const beforeOne = async (address: ActorAddress): Promise<void> => {
    const { row, version, alarmMs } = await own.load(address)
    if (row !== null) await bring({ row, address, version, alarmMs })
  }

  return {
    done: run(),
    before: (address) => (isDone ? undefined : beforeOne(address)),
    close: () => closing.abort(),
  }
}
