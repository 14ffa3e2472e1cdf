/**
 * The readers of the streams, found by what is asked: a reader stands where its consumer read last, so that the next read of the same
 * consumer finds it, whoever asks. One that nobody asks for what it holds is closed, and made again when it is needed.
 */
import type { Log } from '../../core/log.ts'
import type { Nats } from '../../nats/types.ts'
import type { ReadPage } from '../durable/log.ts'
import { Feed } from './feed.ts'
import type { EventNames } from './names.ts'
import type { Streams } from './streams.ts'

export interface ReaderTimes {
  /** Between two looks after the readers. */
  readonly watchMs: number
  /** A reader with events that nobody takes is closed after this. */
  readonly unreadMs: number
  /** Between two questions whether a reader that gets nothing may move on. */
  readonly skipMs: number
}

const TIMES: ReaderTimes = { watchMs: 2500, unreadMs: 60_000, skipMs: 10_000 }
/** Readers of this host; beyond them the one that was asked least recently is closed. */
const MAX_FEEDS = 10_000

export interface Feeds {
  read(tenant: string, pattern: string, after: number, limit: number, bytes: number): Promise<ReadPage>
  onAppended(tenant: string, wake: () => void): () => void
  /** This host has appended. */
  appended(tenant: string): void
  /** The tenant's streams have changed under its readers. */
  forget(tenant: string): void
  close(): void
}

export interface FeedsDeps {
  readonly nats: Nats
  readonly log: Log
  readonly names: EventNames
  readonly streams: Streams
  /** The stream has lost what was there, or is another one. */
  readonly onReset: (tenant: string) => void
  readonly times?: Partial<ReaderTimes>
}

interface Held {
  readonly tenant: string
  readonly pattern: string
  readonly feed: Feed
  isBusy: boolean
  skippedMs: number
}

export function createFeeds(deps: FeedsDeps): Feeds {
  const { nats, log, names, streams } = deps
  const times = { ...TIMES, ...deps.times }
  /** By tenant and pattern; nearly always one. */
  const feeds = new Map<string, Held[]>()
  const wakes = new Map<string, Set<() => void>>()
  /** Readers by tenant, and all of them. */
  const counts = new Map<string, number>()
  let count = 0
  const add = (tenant: string, change: 1 | -1): void => {
    count += change
    const now = (counts.get(tenant) ?? 0) + change
    if (now === 0) counts.delete(tenant)
    else counts.set(tenant, now)
  }

  const wake = (tenant: string): void => {
    for (const each of wakes.get(tenant) ?? []) each()
  }

  const all = (): Held[] => [...feeds.values()].flat()

  const drop = (held: Held): void => {
    const key = keyOf(held.tenant, held.pattern)
    const left = (feeds.get(key) ?? []).filter((other) => other !== held)
    if (left.length === 0) feeds.delete(key)
    else feeds.set(key, left)
    add(held.tenant, -1)
    held.feed.close()
  }

  const forget = (tenant: string): void => {
    for (const held of all()) if (held.tenant === tenant) drop(held)
  }

  const make = (tenant: string, pattern: string, after: number): Held => {
    if (count >= MAX_FEEDS) {
      const [oldest] = all()
        .filter(({ isBusy }) => !isBusy)
        .sort((a, b) => a.feed.takenMs - b.feed.takenMs)
      if (oldest !== undefined) drop(oldest)
    }
    const feed = new Feed(
      {
        nats,
        log,
        tenant,
        stream: names.stream(tenant),
        filter: names.durable(tenant, pattern),
        prefixLength: names.durable(tenant, '').length,
        facts: () => streams.facts(tenant),
        ensure: () => streams.ensure(tenant),
        readers: () => counts.get(tenant) ?? 0,
        onEvents: () => wake(tenant),
        onReset: () => deps.onReset(tenant),
      },
      after,
    )
    const held: Held = { tenant, pattern, feed, isBusy: false, skippedMs: performance.now() }
    const key = keyOf(tenant, pattern)
    feeds.set(key, [...(feeds.get(key) ?? []), held])
    add(tenant, 1)
    return held
  }

  const read: Feeds['read'] = async (tenant, pattern, after, limit, bytes) => {
    const found = feeds
      .get(keyOf(tenant, pattern))
      ?.find(({ isBusy, feed }) => !isBusy && feed.told <= after && after <= feed.position)
    const held = found ?? make(tenant, pattern, after)
    held.isBusy = true
    try {
      return await held.feed.take(limit, bytes)
    } finally {
      held.isBusy = false
    }
  }

  /** Readers that got nothing, of tenants whose log has grown meanwhile. */
  const skip = async (now: number): Promise<void> => {
    const due = all().filter(
      ({ skippedMs, isBusy, feed }) => !isBusy && feed.buffered === 0 && now - skippedMs > times.skipMs,
    )
    for (const [tenant, group] of Map.groupBy(due, (held) => held.tenant)) {
      const { last } = await streams.usage(tenant)
      for (const held of group) {
        held.skippedMs = now
        if (await held.feed.skipTo(last)) wake(tenant)
      }
    }
  }

  const watch = (): void => {
    const now = performance.now()
    for (const held of all()) {
      if (held.feed.buffered > 0 && !held.isBusy && now - held.feed.takenMs > times.unreadMs) drop(held)
      else held.feed.watch(now)
    }
    if (nats.state === 'connected') skip(now).catch(() => undefined)
  }

  const timer = setInterval(watch, times.watchMs)
  timer.unref()
  const endState = nats.onState((state) => {
    if (state !== 'connected') return
    for (const { feed } of all()) feed.reconnected()
    for (const tenant of wakes.keys()) wake(tenant)
  })

  return {
    read,
    forget,
    // Readers hear by themselves, of what other hosts append too; this is for who waits without ever having read.
    appended: (tenant) => {
      if (!counts.has(tenant)) wake(tenant)
    },
    onAppended: (tenant, each) => {
      const set = wakes.get(tenant) ?? new Set()
      wakes.set(tenant, set)
      // An identity of its own for each call.
      const own = (): void => each()
      set.add(own)
      return () => {
        set.delete(own)
        if (set.size > 0 || wakes.get(tenant) !== set) return
        wakes.delete(tenant)
        forget(tenant)
      }
    },
    close: () => {
      clearInterval(timer)
      endState()
      for (const held of all()) drop(held)
      wakes.clear()
    },
  }
}

const keyOf = (tenant: string, pattern: string): string => `${tenant} ${pattern}`
