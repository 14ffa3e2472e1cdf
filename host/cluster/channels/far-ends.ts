/**
 * The ends that an owner on this host has on a channel that another host holds. They break as a whole: with the host, with NATS, or when that
 * host knows nothing of them; then whoever waits is told that the other side was lost.
 */
import { CHANNEL_STATE, type PutAnswer } from '../../../guest-sdk/concurrency/remote-line.ts'
import { chunkOf } from '../../concurrency/channels/chunk.ts'
import type { EndOwner, TakeReply } from '../../concurrency/channels/end.ts'
import type { ChannelEnds } from '../../concurrency/channels/ends.ts'
import { readError } from '../peers/wire.ts'
import type { ChannelAnswer, ChannelAsk } from './wire.ts'

export interface FarEnds extends ChannelEnds {
  readonly node: string
  readonly isBroken: boolean
  hear(answer: ChannelAnswer, body: Buffer): void
  /** Whoever waits is told; nothing is sent any more. */
  break(): void
}

export interface FarEndsDeps {
  readonly id: string
  readonly node: string
  readonly owner: EndOwner
  /** False: it cannot be sent. */
  readonly send: (ask: ChannelAsk, body?: Uint8Array) => boolean
  readonly onBroken: () => void
}

interface Waiting {
  readonly put?: (answer: PutAnswer) => void
  readonly take?: { readonly id: number; readonly reply: (reply: TakeReply) => void }
  readonly fail: ((thrown: unknown) => void) | undefined
}

/** As the hub counts what it keeps for leave to send (channel.ts). */
const CHARACTER_BYTES = 3
const CREDIT_COST_BYTES = 17

export function createFarEnds({ id: ends, node, owner, send, onBroken }: FarEndsDeps): FarEnds {
  const waiting = new Map<number, Waiting>()
  let asked = 0
  let isBroken = false
  let reservedBytes = 0

  const breakOff = (): void => {
    if (isBroken) return
    isBroken = true
    reservedBytes = 0
    const told = [...waiting.values()]
    waiting.clear()
    for (const { put, take } of told) {
      put?.({ accepted: 0, credit: 0, room: 0, state: CHANNEL_STATE.lost, reason: '' })
      take?.reply({ chunk: undefined, state: CHANNEL_STATE.lost, reason: '' })
    }
    onBroken()
  }

  const say = (ask: ChannelAsk, body?: Uint8Array): void => {
    if (!isBroken && !send(ask, body)) breakOff()
  }

  const hearPut = (answer: Extract<ChannelAnswer, { kind: 'put' }>, reply: Waiting['put']): void => {
    const { accepted, credit, room, state, reason } = answer
    // Leave that nobody hears of would stand for ever.
    if (credit > 0 && !owner.hears) {
      say({ op: 'rest', ends })
      return reply?.({ accepted, credit: 0, room: 0, state, reason })
    }
    reservedBytes = room * CHARACTER_BYTES + credit * CREDIT_COST_BYTES
    reply?.({ accepted, credit, room, state, reason })
  }

  const hearTake = (
    { state, reason }: Extract<ChannelAnswer, { kind: 'take' }>,
    body: Buffer,
    take: Waiting['take'],
  ): void => {
    if (take === undefined) return
    const chunk = chunkOf(Buffer.from(body))
    if (chunk === undefined || owner.hears) return take.reply({ chunk, state, reason })
    say({ op: 'giveUp', ends, id: take.id })
    take.reply({ chunk: undefined, state, reason })
  }

  return {
    node,
    get isBroken() {
      return isBroken
    },
    get reservedBytes() {
      return reservedBytes
    },
    put(chunk, { want, waits, need }, reply, fail) {
      reservedBytes = 0
      const n = ++asked
      waiting.set(n, { put: reply, fail })
      say({ op: 'put', ends, n, want, waits, need }, chunk?.bytes)
    },
    take(id, consumed, want, isEngaged, reply, fail) {
      const n = ++asked
      waiting.set(n, { take: { id, reply }, fail })
      say({
        op: 'take',
        ends,
        n,
        id,
        consumed: Math.min(consumed, Number.MAX_SAFE_INTEGER),
        want,
        engaged: isEngaged,
      })
    },
    rest() {
      reservedBytes = 0
      say({ op: 'rest', ends })
    },
    giveUp: (id) => say({ op: 'giveUp', ends, id }),
    leave: (id) => say({ op: 'leave', ends, id }),
    close: (reason) => say({ op: 'close', ends, reason }),
    leaveAll() {
      say({ op: 'leaveAll', ends, lost: owner.lost })
      waiting.clear()
      isBroken = true
      onBroken()
    },
    hear(answer, body) {
      if (answer.kind === 'unknown') return breakOff()
      const one = waiting.get(answer.n)
      if (one === undefined) return
      waiting.delete(answer.n)
      if (answer.kind === 'put') hearPut(answer, one.put)
      else if (answer.kind === 'take') hearTake(answer, body, one.take)
      else one.fail?.(readError(answer.error))
    },
    break: breakOff,
  }
}
