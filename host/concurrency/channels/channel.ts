/**
 * One channel of a tenant: its ends, leave to send, and who waits. The bound that holds at every moment: leave given to senders and not
 * used + values that stand here + values handed to receivers and not consumed ≤ capacity.
 *
 * What is asked is noted, and carried out together when the host's running turn is done: by then what a cell said after asking
 * is known too, and whoever asked at the same time gets an equal share.
 */
import { CALL_CHARACTERS, CHANNEL_STATE, type PutAnswer } from '../../../guest-sdk/concurrency/remote-line.ts'
import type { Backlog } from './backlog.ts'
import type { Budget } from './budget.ts'
import { costOf, cut, firstOf, type Chunk } from './chunk.ts'
import {
  bereave,
  SendEnd,
  TakeEnd,
  type AskedPut,
  type EndOwner,
  type PutOptions,
  type TakeReply,
} from './end.ts'

/** Bytes that a character of UTF-16 has in UTF-8, at most. */
const CHARACTER_BYTES = 3

export interface ChannelDeps {
  readonly capacity: number
  readonly backlog: Backlog
  /** The backlog has everything for everybody, rather than each value for one. */
  readonly isLog: boolean
  readonly budget: Budget
  /** Nothing holds it any more: its name is free. */
  readonly onOver: () => void
  /** Runs it when the host's running turn is done. */
  readonly defer: (work: () => void) => void
}

export class HubChannel {
  readonly capacity: number
  /** Its name stands for another channel from now on. Ends that are engaged are still served. */
  isOver = false
  readonly #deps: ChannelDeps
  readonly #senders = new Set<SendEnd>()
  readonly #takers = new Set<TakeEnd>()
  readonly #waitingSenders = new Set<SendEnd>()
  readonly #waitingTakers = new Set<TakeEnd>()
  #credits = 0
  #closed: { readonly reason: string } | undefined
  /** A receiver knows that it is closed. */
  #isTold = false
  #isDeferred = false
  readonly #onRoom = (): void => this.#settleSoon()

  constructor(deps: ChannelDeps) {
    this.capacity = deps.capacity
    this.#deps = deps
  }

  /** Everything that counts against the capacity. */
  get load(): number {
    return this.#credits + this.#deps.backlog.used
  }

  joinSender(owner: EndOwner): SendEnd {
    const end = new SendEnd(owner)
    this.#senders.add(end)
    for (const taker of this.#takers) taker.isBereft = false
    return end
  }

  joinTaker(owner: EndOwner): TakeEnd {
    const end = new TakeEnd(owner)
    this.#takers.add(end)
    this.#deps.backlog.join(end)
    for (const sender of this.#senders) sender.isBereft = false
    return end
  }

  /** `chunk` is what the end sends: under leave, and beyond it. */
  put(end: SendEnd, chunk: Chunk | undefined, options: PutOptions, reply: (answer: PutAnswer) => void): void {
    const { backlog } = this.#deps
    const leave = end.credit
    this.#takeBack(end)
    this.#answerPut(end, CHANNEL_STATE.open)
    const offered = chunk?.count ?? 0
    const free = this.capacity - this.load
    // Room that others wait for is theirs; what had leave before a close still gets in, for it has been promised.
    const isNarrow = this.#closed !== undefined || this.#waitingSenders.size > 0
    const most = isNarrow ? Math.min(leave, free) : free
    const accepted =
      chunk === undefined ? 0 : this.#admit(chunk, Math.min(offered, leave), Math.min(offered, most))
    if (accepted > 0) backlog.push(firstOf(chunk as Chunk, accepted))
    this.#settleSoon()
    if (this.#closed !== undefined) return reply(this.#closedAnswer(end, accepted))
    const isShort = accepted < offered || options.need > 0
    const mustWait = options.waits && isShort && accepted <= Math.min(offered, leave)
    end.asked = { ...options, accepted, mustWait, reply }
    this.#waitingSenders.add(end)
  }

  /** Nobody at that end wants to send any more: answers it, and takes back the leave it has. */
  rest(end: SendEnd): void {
    this.#takeBack(end)
    this.#answerPut(end, CHANNEL_STATE.open)
    this.#settleSoon()
  }

  /** `isEngaged`: see TakeEnd. */
  take(
    end: TakeEnd,
    consumed: number,
    want: number,
    isEngaged: boolean,
    reply: (reply: TakeReply) => void,
  ): void {
    this.#deps.backlog.consume(end, consumed)
    end.isEngaged = isEngaged
    this.#answerTake(end, undefined, CHANNEL_STATE.open)
    if (want === 0) reply(EMPTY)
    else {
      end.asked = { want, reply }
      this.#waitingTakers.add(end)
    }
    this.#settleSoon()
  }

  close(reason: string): void {
    if (this.#closed !== undefined) return
    this.#closed = { reason }
    this.#settleSoon()
  }

  leaveSender(end: SendEnd): void {
    if (!this.#senders.delete(end)) return
    this.rest(end)
    if (end.owner.lost) bereave(this.#takers, this.#senders)
    this.#settleSoon()
  }

  leaveTaker(end: TakeEnd): void {
    if (!this.#takers.delete(end)) return
    this.#deps.backlog.leave(end)
    this.#answerTake(end, undefined, CHANNEL_STATE.open)
    if (end.owner.lost) bereave(this.#senders, this.#takers)
    this.#settleSoon()
  }

  /** The tenant is gone: everybody is told that it is closed, and what stands here is dropped. */
  destroy(): void {
    this.#deps.backlog.clear()
    this.close('')
  }

  /** How many of the first values get in; `owed` of them have leave, so bytes were kept for them. */
  #admit(chunk: Chunk, owed: number, most: number): number {
    const { budget, backlog } = this.#deps
    for (const count of most > owed ? [most, owed] : [owed]) {
      const [part] = cut(chunk, count)
      if (part === undefined) return 0
      const bytes = costOf(part)
      if (budget.take(bytes) || (backlog.relieve(bytes) && budget.take(bytes))) return count
    }
    return 0
  }

  #takeBack(end: SendEnd): void {
    this.#credits -= end.credit
    this.#deps.budget.give(end.reservedBytes)
    end.credit = 0
    end.reservedBytes = 0
  }

  #settleSoon(): void {
    if (this.#isDeferred) return
    this.#isDeferred = true
    this.#deps.defer(() => {
      this.#isDeferred = false
      this.#settle()
    })
  }

  #settle(): void {
    this.#handOut()
    if (this.#closed !== undefined) this.#tellClosed()
    else this.#giveLeave()
    this.#checkOver()
  }

  #handOut(): void {
    const { backlog } = this.#deps
    let waiting = this.#waitingTakers.size
    for (const end of this.#waitingTakers) {
      const { asked } = end
      if (asked === undefined) continue
      if (!end.owner.hears) this.#answerTake(end, undefined, CHANNEL_STATE.open)
      else if (backlog.hasFor(end)) {
        const most = Math.min(asked.want, backlog.share(waiting))
        this.#answerTake(end, backlog.hand(end, most), CHANNEL_STATE.open)
      } else if (end.isBereft) {
        end.isBereft = false
        this.#answerTake(end, undefined, CHANNEL_STATE.lost)
      }
      waiting--
    }
  }

  /** In the order of asking, equal shares; at most half of the capacity at once, so that sending and receiving overlap. */
  #giveLeave(): void {
    let waiting = this.#waitingSenders.size
    for (const end of this.#waitingSenders) {
      const asked = end.asked as AskedPut
      const { mustWait } = asked
      const free = this.capacity - this.load
      const share = Math.max(Math.floor(free / waiting--), 1)
      const most = Math.min(free, share, Math.ceil(this.capacity / 2))
      const wanted = mustWait ? Math.max(asked.want, 1) : asked.want
      const credit = Math.min(wanted, most)
      if (!end.owner.hears) this.#answerPut(end, CHANNEL_STATE.open)
      else if (credit > 0 && this.#reserve(end, credit, asked)) this.#answerPut(end, CHANNEL_STATE.open)
      else if (!mustWait) this.#answerPut(end, CHANNEL_STATE.open)
      else if (end.isBereft) {
        end.isBereft = false
        this.#answerPut(end, CHANNEL_STATE.lost)
      }
    }
  }

  #reserve(end: SendEnd, credit: number, { need }: AskedPut): boolean {
    const { budget, backlog } = this.#deps
    const bytes = Math.max(CALL_CHARACTERS, need + 1) * CHARACTER_BYTES + credit * CREDIT_COST_BYTES
    if (!budget.take(bytes) && !(backlog.relieve(bytes) && budget.take(bytes))) {
      budget.onRoom(this.#onRoom)
      return false
    }
    end.credit = credit
    end.reservedBytes = bytes
    this.#credits += credit
    return true
  }

  #tellClosed(): void {
    for (const end of this.#waitingSenders) end.asked?.reply(this.#closedAnswer(end, end.asked.accepted))
    for (const end of this.#waitingTakers) {
      const { asked } = end
      if (asked === undefined || !this.#isDoneFor(end)) continue
      this.#isTold = true
      this.#waitingTakers.delete(end)
      end.asked = undefined
      this.leaveTaker(end)
      asked.reply({ chunk: undefined, state: CHANNEL_STATE.closed, reason: this.#closed?.reason ?? '' })
    }
  }

  /** It is closed, and nothing will come for that end. */
  #isDoneFor(end: TakeEnd): boolean {
    const { backlog, isLog } = this.#deps
    if (this.#credits > 0) return false
    return isLog ? !backlog.hasFor(end) : backlog.isEmpty
  }

  /** The end is told, and belongs to this channel no longer. */
  #closedAnswer(end: SendEnd, accepted: number): PutAnswer {
    this.#waitingSenders.delete(end)
    this.#senders.delete(end)
    end.asked = undefined
    const reason = this.#closed?.reason ?? ''
    return { accepted, credit: 0, room: 0, state: CHANNEL_STATE.closed, reason }
  }

  #answerPut(end: SendEnd, state: number): void {
    const { asked } = end
    if (asked === undefined) return
    end.asked = undefined
    this.#waitingSenders.delete(end)
    const room = Math.floor((end.reservedBytes - end.credit * CREDIT_COST_BYTES) / CHARACTER_BYTES)
    asked.reply({ accepted: asked.accepted, credit: end.credit, room: Math.max(room, 0), state, reason: '' })
  }

  #answerTake(end: TakeEnd, chunk: Chunk | undefined, state: number): void {
    const { asked } = end
    if (asked === undefined) return
    end.asked = undefined
    this.#waitingTakers.delete(end)
    asked.reply({ chunk, state, reason: '' })
  }

  #checkOver(): void {
    const { backlog, isLog, onOver } = this.#deps
    if (this.isOver) return
    // A log has nothing for those who come later; the end of a queue must reach somebody.
    const isUnused = this.#senders.size === 0 && this.#takers.size === 0 && backlog.isEmpty
    if (!(this.#closed === undefined ? isUnused : isLog || (this.#isTold && backlog.isEmpty))) return
    this.isOver = true
    onOver()
  }
}

/** Kept for each value that may be sent, beside its bytes. */
const CREDIT_COST_BYTES = 17
const EMPTY: TakeReply = { chunk: undefined, state: CHANNEL_STATE.open, reason: '' }
