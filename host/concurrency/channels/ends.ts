/**
 * The ends that one owner (an isolate by one binding, or the host) has on a channel. They are joined when first used, joined anew
 * when the channel of that name is another one, and leave with their owner.
 */
import { CHANNEL_STATE, type PutAnswer } from '../../../guest-sdk/concurrency/remote-line.ts'
import { VelaError } from '../../core/errors.ts'
import type { HubChannel } from './channel.ts'
import type { Chunk } from './chunk.ts'
import type { EndOwner, PutOptions, SendEnd, TakeEnd, TakeReply } from './end.ts'

/** What is refused at once is thrown; `fail` is for what is found out later, and `reply` is not called then. */
export interface ChannelEnds {
  put(
    chunk: Chunk | undefined,
    options: PutOptions,
    reply: (answer: PutAnswer) => void,
    fail?: (thrown: unknown) => void,
  ): void
  rest(): void
  take(
    id: number,
    consumed: number,
    want: number,
    isEngaged: boolean,
    reply: (reply: TakeReply) => void,
    fail?: (thrown: unknown) => void,
  ): void
  /** A take that is out has nobody any more who hears its answer: what that was or would have been stays in the channel. */
  giveUp(id: number): void
  leave(id: number): void
  close(reason: string): void
  /** Bytes that were kept for what the sender has leave to send. */
  readonly reservedBytes: number
  leaveAll(): void
}

interface Joined<End> {
  readonly channel: HubChannel
  readonly end: End
}

/** Receivers that one isolate may have on one broadcast. */
export const MOST_RECEIVERS = 1_000

export function createEnds(owner: EndOwner, find: () => HubChannel): ChannelEnds {
  let sender: Joined<SendEnd> | undefined
  const takers = new Map<number, Joined<TakeEnd>>()

  const sending = (): Joined<SendEnd> => {
    if (sender?.channel.isOver === true) leaveSender()
    if (sender === undefined) {
      const channel = find()
      sender = { channel, end: channel.joinSender(owner) }
    }
    return sender
  }

  const leaveSender = (): void => {
    sender?.channel.leaveSender(sender.end)
    sender = undefined
  }

  const leave = (id: number): void => {
    const taker = takers.get(id)
    takers.delete(id)
    taker?.channel.leaveTaker(taker.end)
  }

  const taking = (id: number): Joined<TakeEnd> => {
    const joined = takers.get(id)
    // One that is in the middle of receiving hears first that what it was about is over.
    if (joined !== undefined && (!joined.channel.isOver || joined.end.isEngaged)) return joined
    leave(id)
    if (takers.size >= MOST_RECEIVERS) {
      const message = `A service may have ${MOST_RECEIVERS} receivers of a channel at a time`
      throw new VelaError('VELA_TENANT_QUOTA_EXCEEDED', message)
    }
    const channel = find()
    const taker = { channel, end: channel.joinTaker(owner) }
    takers.set(id, taker)
    return taker
  }

  return {
    get reservedBytes() {
      return sender?.end.reservedBytes ?? 0
    },
    put(chunk, options, reply) {
      const { channel, end } = sending()
      channel.put(end, chunk, options, reply)
    },
    rest: () => sender?.channel.rest(sender.end),
    take(id, consumed, want, isEngaged, reply) {
      if (want === 0 && !isEngaged && !takers.has(id)) return reply(NOTHING)
      const { channel, end } = taking(id)
      channel.take(end, consumed, want, isEngaged, (answer) => {
        if (answer.state === CHANNEL_STATE.closed && takers.get(id)?.end === end) takers.delete(id)
        reply(answer)
      })
    },
    giveUp(id) {
      const taker = takers.get(id)
      if (taker === undefined) return
      const { channel, end } = taker
      channel.take(end, 0, 0, end.isEngaged, () => undefined)
    },
    leave,
    close(reason) {
      const { channel } = sending()
      // Whoever closes knows of it: what it sends next is about the next channel.
      leaveSender()
      channel.close(reason)
    },
    leaveAll() {
      leaveSender()
      for (const id of takers.keys()) leave(id)
    },
  }
}

const NOTHING: TakeReply = { chunk: undefined, state: CHANNEL_STATE.open, reason: '' }
