/**
 * Keeps the ends that other hosts have on the channels of this one. Whose host has gone, or cannot be reached, leaves; what such an
 * end had been handed counts as taken, for nobody can know that it was not: a value comes at most once.
 */
import type { Chunk } from '../../concurrency/channels/chunk.ts'
import { chunkOf } from '../../concurrency/channels/chunk.ts'
import type { ChannelEnds } from '../../concurrency/channels/ends.ts'
import type { ChannelDirectory } from '../../concurrency/channels/hub.ts'
import { describeError } from '../peers/wire.ts'
import type { ChannelAnswer, ChannelAsk } from './wire.ts'

export interface Keeper {
  /** What a host says. `body`: the values that go with a `put`; they are copied. */
  hear(from: string, ask: ChannelAsk, body: Buffer): void
  /** All ends of the hosts for which it is true have gone. */
  lose(isLost: (node: string) => boolean): void
  /** Ends of which nothing was heard for so long (milliseconds) have gone. */
  sweep(silentMs: number): void
}

export interface KeeperDeps {
  /** Of this host. */
  readonly local: ChannelDirectory
  readonly answer: (to: string, answer: ChannelAnswer, body?: Uint8Array) => void
  readonly now: () => number
}

interface Kept {
  readonly from: string
  readonly ends: ChannelEnds
  readonly owner: { readonly hears: true; lost: boolean }
  readonly takers: Set<number>
  heardMs: number
}

/** More than a host has isolates with bindings of channels; one that only says that it has them would fill this one. */
const MOST_ENDS = 100_000

export function createKeeper({ local, answer, now }: KeeperDeps): Keeper {
  const kept = new Map<string, Kept>()

  const end = (id: string, one: Kept): void => {
    if (!kept.delete(id)) return
    one.owner.lost = true
    for (const taker of one.takers) one.ends.take(taker, Number.MAX_SAFE_INTEGER, 0, false, () => undefined)
    one.ends.leaveAll()
  }

  const carryOut = (from: string, ends: string, one: Kept, ask: ChannelAsk, body: Buffer): void => {
    switch (ask.op) {
      case 'put': {
        const { n, want, waits, need } = ask
        return attempt(from, ends, n, () =>
          one.ends.put(ownChunk(body), { want, waits, need }, (said) =>
            answer(from, { kind: 'put', ends, n, ...said }),
          ),
        )
      }
      case 'take': {
        const { n, id, consumed, want, engaged } = ask
        one.takers.add(id)
        return attempt(from, ends, n, () =>
          one.ends.take(id, consumed, want, engaged, ({ chunk, state, reason }) =>
            answer(from, { kind: 'take', ends, n, state, reason }, chunk?.bytes),
          ),
        )
      }
      case 'rest':
        return one.ends.rest()
      case 'giveUp':
        return one.ends.giveUp(ask.id)
      case 'leave':
        one.takers.delete(ask.id)
        return one.ends.leave(ask.id)
      case 'close':
        return one.ends.close(ask.reason)
      case 'leaveAll':
        kept.delete(ends)
        one.owner.lost = ask.lost
        return one.ends.leaveAll()
      default:
        return undefined
    }
  }

  const attempt = (from: string, ends: string, n: number, work: () => void): void => {
    try {
      work()
    } catch (thrown) {
      answer(from, { kind: 'failed', ends, n, error: describeError(thrown) })
    }
  }

  const open = (from: string, ask: Extract<ChannelAsk, { op: 'open' }>): void => {
    if (kept.has(ask.ends) || kept.size >= MOST_ENDS) return
    const owner: Kept['owner'] = { hears: true, lost: false }
    const ends = local.ends(owner, ask.tenant, ask.name, ask.settings)
    kept.set(ask.ends, { from, ends, owner, takers: new Set(), heardMs: now() })
  }

  return {
    hear(from, ask, body) {
      if (ask.op === 'open') return open(from, ask)
      if (ask.op === 'alive') {
        for (const ends of ask.all) {
          const one = kept.get(ends)
          if (one?.from === from) one.heardMs = now()
          else answer(from, { kind: 'unknown', ends })
        }
        return
      }
      const one = kept.get(ask.ends)
      if (one?.from !== from) return answer(from, { kind: 'unknown', ends: ask.ends })
      one.heardMs = now()
      carryOut(from, ask.ends, one, ask, body)
    },
    lose(isLost) {
      for (const [id, one] of kept) if (isLost(one.from)) end(id, one)
    },
    sweep(silentMs) {
      for (const [id, one] of kept) if (now() - one.heardMs > silentMs) end(id, one)
    },
  }
}

/** The message's bytes stand in a larger buffer that is used again. */
const ownChunk = (body: Buffer): Chunk | undefined => chunkOf(Buffer.from(body))
