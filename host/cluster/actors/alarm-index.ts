/**
 * When which actor's alarm is due, for the time its owner is gone: a bucket with a key for each, which every node has at hand. The alarm itself
 * stands in the actor's log and is rung by whoever owns the actor; here is only who is to be roused. The index may say too much (an alarm that was
 * taken back): then it rings for nobody. It never says too little: it is written before the log.
 * What is overdue and not at hand here is looked after by the one node that its key falls to.
 */
import type { KV } from '@nats-io/kv'
import type { Log } from '../../core/log.ts'
import type { ActorAddress } from '../../concurrency/actors/types.ts'
import type { Nats } from '../../nats/types.ts'
import { watchBucket, type BucketWatch } from '../bucket-watch.ts'
import { purgeKeys, stateOf } from '../buckets.ts'
import type { Membership } from '../types.ts'
import { readAddress, writeAddress } from './address.ts'

export interface AlarmIndexDeps {
  readonly nats: Pick<Nats, 'prefix' | 'replicas' | 'kv' | 'manager' | 'state'>
  readonly membership: Pick<Membership, 'isMine' | 'onChange'>
  readonly log: Log
  /** Its alarm is in the store here, and rings by itself. */
  readonly isAtHand: (address: ActorAddress) => boolean
  /** Its alarm is overdue: whoever owns it is to have it at hand. */
  readonly rouse: (address: ActorAddress) => Promise<void>
  /** Milliseconds since the epoch. */
  readonly now: () => number
}

export interface AlarmIndex {
  set(address: ActorAddress, place: string, atMs: number): Promise<void>
  clear(place: string): Promise<void>
  erase(places: string): Promise<void>
  start(): void
  close(): void
}

interface Due {
  readonly address: ActorAddress
  readonly atMs: number
  readonly revision: number
  /** Not looked at before (epoch milliseconds). */
  againMs: number
}

const LOOK_MS = 1000
/** Its owner is heard of by then, or lost. */
const AGAIN_MS = 5000
const ROUSED_AT_ONCE = 256

export function createAlarmIndex(deps: AlarmIndexDeps): AlarmIndex {
  const { nats, membership, log, now } = deps
  const name = `${nats.prefix}-alarms`
  const all = new Map<string, Due>()
  /** None is due before. */
  let soonestMs = Infinity
  let looking = false
  let timer: NodeJS.Timeout | undefined
  let watch: BucketWatch | undefined
  let unwatch: (() => void) | undefined

  const open = (): Promise<KV> => nats.kv(name, { history: 1, replicas: nats.replicas })

  const purge = async (filter: string, before?: number): Promise<void> => {
    await open()
    await purgeKeys(nats, name, filter, before)
  }

  const keep = (place: string, revision: number, address: ActorAddress, atMs: number): void => {
    if ((all.get(place)?.revision ?? 0) >= revision) return
    all.set(place, { address, atMs, revision, againMs: atMs })
    soonestMs = Math.min(soonestMs, atMs)
  }

  /** Keys go without a mark, so what is overdue is looked up before anybody is roused. */
  const look = async (place: string, due: Due): Promise<void> => {
    const bucket = await open()
    const entry = await bucket.get(place)
    if (entry === null || entry.operation !== 'PUT') {
      if (all.get(place) === due) all.delete(place)
      return
    }
    if (entry.revision !== due.revision) return
    await deps.rouse(due.address)
  }

  const tick = async (): Promise<void> => {
    const nowMs = now()
    if (looking || nowMs < soonestMs || nats.state !== 'connected') return
    looking = true
    try {
      const overdue: [string, Due][] = []
      let nextMs = Infinity
      for (const [place, due] of all) {
        const isMeant = due.againMs <= nowMs && overdue.length < ROUSED_AT_ONCE
        if (isMeant) {
          due.againMs = nowMs + AGAIN_MS
          if (!deps.isAtHand(due.address) && membership.isMine(`actor/${place}`)) overdue.push([place, due])
        }
        nextMs = Math.min(nextMs, due.againMs)
      }
      soonestMs = nextMs
      await Promise.all(
        overdue.map(([place, due]) =>
          look(place, due).catch((error: unknown) =>
            log.debug('actors', { message: 'an overdue alarm could not be looked after', error }),
          ),
        ),
      )
    } finally {
      looking = false
    }
  }

  return {
    async set(address, place, atMs) {
      const bucket = await open()
      const value = JSON.stringify({ actor: writeAddress(address), at: atMs })
      keep(place, await bucket.put(place, value), address, atMs)
    },
    async clear(place) {
      const known = all.get(place)?.revision
      all.delete(place)
      const revision = known ?? (await (await open()).get(place))?.revision
      // An alarm that is set meanwhile stays, in whichever order NATS does the two.
      if (revision !== undefined) await purge(place, revision + 1)
    },
    async erase(places) {
      const prefix = places.slice(0, -1)
      for (const place of all.keys()) if (place.startsWith(prefix)) all.delete(place)
      await purge(places)
    },
    start() {
      if (timer !== undefined) return
      watch = watchBucket({
        name,
        open,
        log,
        look: () => stateOf(nats, name),
        onEntry(entry) {
          if (entry.operation !== 'PUT') {
            all.delete(entry.key)
            return
          }
          const { actor, at } = entry.json<{ readonly actor?: unknown; readonly at?: unknown }>()
          const address = readAddress(actor)
          if (address === undefined || typeof at !== 'number') throw new TypeError('no alarm')
          keep(entry.key, entry.revision, address, at)
        },
      })
      unwatch = membership.onChange(() => {
        const nowMs = now()
        for (const due of all.values()) due.againMs = Math.max(due.atMs, Math.min(due.againMs, nowMs))
        soonestMs = Math.min(soonestMs, nowMs)
      })
      timer = setInterval(() => void tick(), LOOK_MS).unref()
    },
    close() {
      clearInterval(timer)
      watch?.close()
      unwatch?.()
    },
  }
}
