/**
 * The actors' store in a cluster, with the face of the local one: what the host's half of actors reads comes from memory, and what it writes
 * is in the actor's log before it resolves. Only actors that this node owns are in it. The host's own actors, which live and die with their
 * host, stay in the host's own store.
 * Invariant: after a write whose outcome is not known, or that was refused, the actor is folded anew before it is served again, under
 * a record that voids whatever was still on its way.
 */
import type { ActorStore, Claimed, DueAlarm, Loaded } from '../../concurrency/actors/store/store.ts'
import { HOST } from '../../concurrency/actors/host/host-actors.ts'
import type { ActorAddress, StateChange } from '../../concurrency/actors/types.ts'
import { VelaError } from '../../core/errors.ts'
import type { Membership } from '../types.ts'
import { allOf } from './address.ts'
import type { AlarmIndex } from './alarm-index.ts'
import type { DeadLetters } from './dead-letters.ts'
import type { Kept, KeptActors } from './kept.ts'
import { moved } from './kept.ts'
import type { ActorLog } from './log.ts'
import type { Owners } from './owners.ts'
import { createQuotas } from './quotas.ts'
import { changeBody, encodeRecord } from './records.ts'
import { createTidying } from './tidying.ts'

export interface LogStoreDeps {
  readonly log: ActorLog
  /** In memory. */
  readonly cache: ActorStore
  /** For the host's own actors. */
  readonly own: ActorStore
  readonly kept: KeptActors
  readonly owners: Pick<Owners, 'mine' | 'holds' | 'allMine' | 'forget' | 'erase' | 'discard'>
  readonly membership: Pick<Membership, 'holdsLease'>
  readonly index: Pick<AlarmIndex, 'set' | 'clear' | 'erase'>
  readonly dead: DeadLetters
  /** What this host stored of the actor while it was alone is in the log when it resolves. */
  readonly broughtIn: (address: ActorAddress) => Promise<void> | undefined
  readonly isActive: (address: ActorAddress) => boolean
  /** It belongs to another host: its activation here is to end. */
  readonly onFenced: (address: ActorAddress) => void
  /** An alarm has come into the store. */
  readonly onAlarm: (atMs: number) => void
  readonly onFailure: (what: string, thrown: unknown) => void
  /** At hand without being in use; 64 MiB if left out. */
  readonly spareBytes?: number
}

export interface LogStore extends ActorStore {
  /** Has an actor's alarm in the store, so that it rings here. Rejects as `load` does. */
  rouse(address: ActorAddress): Promise<void>
  /** Nothing is owned any more. */
  dropAll(): void
  /** Drops what has long not been in use, and gives up what has nothing. Called every few seconds. */
  tidy(): Promise<void>
}

/** A log is shortened when it has more messages than this and is not small beside the state, or has very many. */
const LONG_MESSAGES = 64
const LONG_SHARE = 0.25
const MOST_MESSAGES = 1024
const NOTHING: Loaded = { row: null, version: null, entries: [], complete: true, alarmMs: null }
const NO_CHANGE: StateChange = { version: null, puts: [], deletes: [], deleteAll: false, alarmMs: undefined }

export function createLogStore(deps: LogStoreDeps): LogStore {
  const { log, cache, own, kept, owners, membership, index, dead, onFailure } = deps
  const tidy = createTidying(deps)
  const quotas = createQuotas((tenant) => log.usage(tenant))

  /** At hand, and still this node's. */
  const keptOf = (address: ActorAddress): Kept => {
    const one = kept.get(address)
    if (one === undefined || !owners.holds(one.owner)) throw fenced()
    if (!membership.holdsLease)
      throw new VelaError('VELA_CLUSTER_UNAVAILABLE', 'This host has lost its lease; it owns no actors')
    return one
  }

  /** Of a store that is another host's matter: what it throws in a write means that the activation is over. */
  const lost = (one: Kept, thrown: unknown): never => {
    kept.drop(one)
    const isFenced = thrown instanceof VelaError && thrown.code === 'VELA_ACTOR_FENCED'
    if (isFenced) owners.forget(one.owner)
    deps.onFenced(one.address)
    throw thrown
  }

  const append = async (one: Kept, change: StateChange, bytes: number): Promise<void> => {
    const { place, epoch } = one.owner
    const parts = encodeRecord('change', epoch, changeBody(change), log.maxPayload)
    // The index is asked when the alarm is due and this host is gone; it may say too much, never too little.
    if (typeof change.alarmMs === 'number') await index.set(one.address, place, change.alarmMs)
    const { last } = await log.append(place, parts, { after: one.sequence, bytes })
    one.sequence = last
    one.messages += parts.length
    for (const part of parts) one.logBytes += part.length
    quotas.add(one.address.tenant, bytes - one.bytes)
    if (change.alarmMs === undefined) return
    one.alarmMs = change.alarmMs
    if (change.alarmMs === null)
      index.clear(place).catch((thrown: unknown) => onFailure('an alarm could not be taken back', thrown))
  }

  const shorten = (one: Kept): void => {
    const isLong = one.messages > LONG_MESSAGES && one.logBytes > one.bytes * LONG_SHARE
    if (!isLong && one.messages <= MOST_MESSAGES) return
    kept
      .run(one.address, async () => {
        if (kept.get(one.address) !== one || one.messages <= LONG_MESSAGES) return
        await kept.shorten(one).catch((thrown: unknown) => lost(one, thrown))
      })
      .catch((thrown: unknown) => onFailure('the log of an actor could not be shortened', thrown))
  }

  const change = async (address: ActorAddress, given: StateChange, quotaBytes: number): Promise<Kept> => {
    const { tenant } = address
    const one = await kept.run(address, async () => {
      // In here, so that a change that waits for the count is not overtaken by the next one.
      const used = quotas.bytesOf(tenant, quotaBytes)
      const all = typeof used === 'number' ? used : await used
      const it = keptOf(address)
      // The store in memory counts what is at hand, and must not count what is elsewhere.
      const room = quotaBytes - all + kept.bytesOf(tenant)
      const { row, bytes } = await cache.changeMeasured(address, it.row, given, room)
      const isNothing = it.bytes === 0 && bytes === 0
      try {
        if (!isNothing) await append(it, given, bytes)
      } catch (thrown) {
        return lost(it, thrown)
      }
      kept.moved(it, row, bytes)
      return it
    })
    shorten(one)
    return one
  }

  const load = (address: ActorAddress): Promise<Loaded> =>
    kept.run(address, async () => {
      const owner = owners.mine(address)
      if (owner === undefined) throw moved()
      const known = kept.get(address)
      if (known !== undefined && known.owner !== owner) kept.drop(known)
      let one = known?.owner === owner ? known : undefined
      if (one === undefined) {
        try {
          await deps.broughtIn(address)
          one = await kept.take(owner)
        } catch (thrown) {
          if (thrown instanceof VelaError && thrown.details['moved'] === true) owners.forget(owner)
          throw thrown
        }
        if (one.alarmMs !== null) {
          await index.set(address, owner.place, one.alarmMs)
          deps.onAlarm(one.alarmMs)
        }
      }
      return one.row === null ? NOTHING : await cache.load(address)
    })

  const rowOf = (row: number): number => {
    if (kept.at(row) === undefined) throw fenced()
    return row
  }

  const leave = async (tenant: string, service?: string): Promise<void> => {
    await own.drop(tenant, service)
    for (const one of kept.values()) {
      const { address } = one
      if (address.tenant === tenant && (service === undefined || address.service === service)) kept.drop(one)
    }
    quotas.forget(tenant)
  }

  return {
    load: (address) => (address.tenant === HOST ? own.load(address) : load(address)),
    read: async (tenant, row, keys) =>
      tenant === HOST ? await own.read(tenant, row, keys) : await cache.read(tenant, rowOf(row), keys),
    list: async (tenant, row, range) =>
      tenant === HOST ? await own.list(tenant, row, range) : await cache.list(tenant, rowOf(row), range),
    change: async (address, row, given, quotaBytes) =>
      address.tenant === HOST
        ? await own.change(address, row, given, quotaBytes)
        : (await change(address, given, quotaBytes)).row,
    async changeMeasured(address, row, given, quotaBytes) {
      if (address.tenant === HOST) return await own.changeMeasured(address, row, given, quotaBytes)
      const one = await change(address, given, quotaBytes)
      return { row: one.row, bytes: one.bytes }
    },
    async claimAlarms(nowMs, most, busy): Promise<Claimed> {
      // Two stores: the services of one have the numbers below zero.
      const mine = await own.claimAlarms(
        nowMs,
        most,
        busy.filter((service) => service < 0).map((service) => -service),
      )
      const left = most - mine.alarms.length
      const theirs = await cache.claimAlarms(
        nowMs,
        left,
        busy.filter((service) => service > 0),
      )
      // Others are of actors that this host stored while it was alone.
      const hosts: DueAlarm[] = []
      for (const alarm of mine.alarms)
        if (alarm.address.tenant === HOST) hosts.push({ ...alarm, service: -alarm.service })
      return {
        alarms: [...hosts, ...theirs.alarms.filter(({ address }) => kept.get(address) !== undefined)],
        nextMs: earlier(mine.nextMs, theirs.nextMs),
      }
    },
    async endAlarm(alarm: DueAlarm) {
      const { address } = alarm
      if (address.tenant === HOST) return await own.endAlarm(alarm)
      return await kept.run(address, async () => {
        const one = keptOf(address)
        const ended = await cache.endAlarm(alarm)
        if (!ended) return false
        const { row, version } = await cache.load(address)
        const bytes = row === null ? 0 : one.bytes
        try {
          await append(one, { ...NO_CHANGE, version, alarmMs: null }, bytes)
        } catch (thrown) {
          return lost(one, thrown)
        }
        kept.moved(one, row, bytes)
        return true
      })
    },
    retryAlarm: (alarm, atMs, retries) =>
      (alarm.address.tenant === HOST ? own : cache).retryAlarm(alarm, atMs, retries),
    addDead: (tenant, service, letter) =>
      tenant === HOST ? own.addDead(tenant, service, letter) : dead.add(tenant, service, letter),
    deadLetters: (tenant, service, limit) =>
      tenant === HOST ? own.deadLetters(tenant, service, limit) : dead.list(tenant, service, limit),
    countDead: (tenant, service) =>
      tenant === HOST ? own.countDead(tenant, service) : dead.count(tenant, service),
    usage: (tenant, service) => (tenant === HOST ? own.usage(tenant, service) : log.usage(tenant, service)),
    services: () => own.services(),
    page: (tenant, service, after) => own.page(tenant, service, after),
    leave,
    async drop(tenant, service) {
      await leave(tenant, service)
      if (tenant === HOST) return
      const places = allOf(tenant, service)
      await log.purge(places)
      await Promise.all([owners.erase(places), index.erase(places), dead.erase(tenant, service)])
    },
    async rouse(address) {
      await load(address)
    },
    dropAll() {
      for (const one of kept.values()) kept.drop(one)
    },
    tidy,
    async close() {
      await Promise.all([cache.close(), own.close()])
    },
  }
}

const earlier = (one: number | null, other: number | null): number | null =>
  one === null ? other : other === null ? one : Math.min(one, other)

const fenced = (): VelaError =>
  new VelaError('VELA_ACTOR_FENCED', 'This actor is not active here any more; nothing was done')
