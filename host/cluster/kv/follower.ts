/**
 * Keeps the local store a copy of the journal: reads it in order, applies what has gathered in one commit, and tells who waits
 * for a place. A store that comes from before the cluster, or from another cluster, first brings in what the journal does not
 * have. Begins anew whenever the journal breaks off, until it is closed.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { ConsumerMessages } from '@nats-io/jetstream'
import type { Log } from '../../core/log.ts'
import type { KvChange, KvReplica } from '../../kv/types.ts'
import type { Nats } from '../../nats/types.ts'
import type { Journal } from './journal.ts'
import { decodeChange, encodeChange, keySubject } from './wire.ts'

export interface Follower {
  /** All that stood in the journal when this host began to follow it is here. */
  readonly isCurrent: boolean
  /** Resolves when this place of the journal has been applied here; rejects at the deadline (milliseconds from now). */
  reached(sequence: number, withinMs: number): Promise<void>
  /** Resolves when it is current, or at the deadline. */
  whenCurrent(withinMs: number): Promise<void>
  close(): Promise<void>
}

export interface FollowerDeps {
  readonly nats: Nats
  readonly journal: Journal
  readonly replica: KvReplica
  readonly log: Pick<Log, 'info' | 'warn'>
}

const RETRY_MS = 250
const MOST_AT_ONCE = 512
const MOST_BYTES = 8 * 1024 * 1024

export function startFollower({ nats, journal, replica, log }: FollowerDeps): Follower {
  const closing = new AbortController()
  const waiting = new Set<{ readonly sequence: number; readonly tell: () => void }>()
  let applied = 0
  let isCurrent = false
  let target = Infinity
  let stop: (() => Promise<unknown>) | undefined

  const advance = (sequence: number): void => {
    applied = Math.max(applied, sequence)
    isCurrent ||= applied >= target
    for (const entry of waiting) {
      if (entry.sequence > applied && !(entry.sequence === Infinity && isCurrent)) continue
      waiting.delete(entry)
      entry.tell()
    }
  }

  /** Resolves when the journal has broken off. */
  const follow = async (): Promise<void> => {
    await nats.whenConnected()
    const { identity, last } = await journal.open()
    const position = await replica.position()
    const isCopy = position?.journal === identity && position.sequence <= last
    if (!isCopy) {
      const added = await bringIn(identity === position?.journal)
      if (added > 0) log.info('key-value store joined the cluster', { added })
      await replica.begin(identity)
    }
    applied = isCopy ? position.sequence : 0
    // What was brought is here again only behind all that stood there then.
    target = isCopy ? last : (await journal.open()).last
    advance(applied)
    const messages = await journal.follow(applied)
    stop = () => messages.close()
    if (closing.signal.aborted) return void (await stop())
    closeWhenDeaf(messages).catch(() => undefined)
    await carryOut(messages)
  }

  /** While what has come is being committed more gathers, and is the next commit. */
  const carryOut = async (messages: ConsumerMessages): Promise<void> => {
    let gathered: KvChange[] = []
    let bytes = 0
    let last = applied
    let committing: Promise<void> | undefined
    let failed: { readonly thrown: unknown } | undefined
    const commit = async (): Promise<void> => {
      while (last > applied) {
        const batch = gathered
        const upTo = last
        gathered = []
        bytes = 0
        if (batch.length > 0) await replica.apply(batch)
        advance(upTo)
      }
      committing = undefined
    }
    for await (const message of messages) {
      const { seq: sequence, data } = message
      // A consumer on a copy of the stream that is behind begins before the place that was asked for.
      if (sequence <= last) continue
      const change = decodeChange(data, sequence)
      if (change === undefined) log.warn('a change in the cluster is not understood', { sequence })
      else gathered.push(change)
      bytes += data.length
      last = sequence
      committing ??= commit().catch((thrown: unknown) => {
        failed = { thrown }
        void messages.close()
      })
      if (gathered.length >= MOST_AT_ONCE || bytes >= MOST_BYTES) await committing
    }
    await committing
    if (failed !== undefined) throw failed.thrown
  }

  /**
   * What is stored here and nowhere in the journal. Where both have a key the journal is right, but for one that has lost its end
   * (a power failure): then the later place is.
   */
  const bringIn = async (hasLostEnd: boolean): Promise<number> => {
    let added = 0
    let page = await replica.page(null)
    for (;;) {
      for (const change of page.changes) {
        if (change.key === null) continue
        const subject = keySubject(nats.prefix, change.tenant, change.namespace, change.key)
        const data = encodeChange(change)
        let place = await journal.append(subject, data, 0)
        if (place === undefined && hasLostEnd) {
          const there = await journal.lastOf(subject)
          if (there < change.sequence) place = await journal.append(subject, data, there)
        }
        if (place !== undefined) added += 1
      }
      if (page.next === null) return added
      page = await replica.page(page.next)
    }
  }

  const run = async (): Promise<void> => {
    let said = ''
    while (!closing.signal.aborted) {
      try {
        await follow()
        said = ''
      } catch (thrown) {
        const problem = thrown instanceof Error ? thrown.message : String(thrown)
        if (said !== problem && !closing.signal.aborted && nats.state === 'connected')
          log.warn('the key-value store does not follow the cluster', { problem })
        said = problem
      }
      await sleep(RETRY_MS, undefined, { signal: closing.signal, ref: false }).catch(() => undefined)
    }
  }
  const running = run()
  // What followed the server that was lost hears nothing of the one that came back.
  const unlisten = nats.onState((state) => {
    if (state === 'connected') stop?.().catch(() => undefined)
  })

  const wait = (sequence: number, withinMs: number): Promise<void> => {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const entry = { sequence, tell: resolve }
    waiting.add(entry)
    const timer = setTimeout(() => {
      waiting.delete(entry)
      reject(new Error('the journal was not followed in time'))
    }, withinMs).unref()
    return promise.finally(() => clearTimeout(timer))
  }

  return {
    get isCurrent() {
      return isCurrent
    },
    async reached(sequence, withinMs) {
      if (sequence > applied) await wait(sequence, withinMs)
    },
    async whenCurrent(withinMs) {
      if (!isCurrent) await wait(Infinity, withinMs).catch(() => undefined)
    },
    async close() {
      closing.abort()
      unlisten()
      await stop?.().catch(() => undefined)
      await Promise.race([running, sleep(1000, undefined, { ref: false })])
    },
  }
}

/**
 * The server that has the consumer may be gone while this host's own connection stands; the client alone then asks a consumer that
 * nobody has any more.
 */
async function closeWhenDeaf(messages: ConsumerMessages): Promise<void> {
  for await (const { type } of messages.status()) {
    if (type !== 'heartbeats_missed') continue
    await messages.close()
    return
  }
}
