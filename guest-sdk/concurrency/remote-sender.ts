/**
 * The sending end of a channel whose receiver is elsewhere. What is sent in one entry leaves as one call; while there is leave to send,
 * `send` resolves at once and costs no crossing. Without it values are offered: the hub takes what has room, and the rest is
 * offered again when there is leave.
 */
import { closedMessage, reasonOf, settle, wait } from './channel-contract.ts'
import type { Bind, ChannelPlatform, SignalLike, Waiter } from './channel-contract.ts'
import { WaitingList } from './fifo.ts'
import {
  CALL_CHARACTERS,
  CHANNEL_STATE,
  isRefused,
  isStale,
  WINDOW,
  type PutAnswer,
  type PutRequest,
  type SendLine,
} from './remote-line.ts'

interface Offer extends Waiter {
  readonly text: string
  /** Does not wait: false if there is no room now. */
  readonly isTry: boolean
  resolve(accepted: boolean): void
  /** It went with a put, or the put asked for leave to send it. */
  asked: boolean
}

export interface RemoteSender {
  /** The encoded value. Resolves to whether it stands in the channel; a send that is no try waits until it does. */
  send(text: string, isTry: boolean, signal?: SignalLike, bind?: Bind): Promise<boolean>
  /** What was sent under leave goes out first; who waits to send is refused. */
  close(error: () => unknown): void
}

export function createRemoteSender(
  line: SendLine,
  platform: ChannelPlatform,
  decode: (text: string) => unknown,
): RemoteSender {
  const offers = new WaitingList<Offer>()
  /** Sent under leave, and not out yet. */
  let body = ''
  let sent = 0
  let credit = 0
  let room = 0
  let window = 0
  /** A put is out: its number; 0: none. What answers another number is void. */
  let out = 0
  let puts = 0
  let isResting = false
  let isScheduled = false
  /** The last answer came in this entry: whoever sends now is at it, and will send more. */
  let isHot = false

  const schedule = (): void => {
    if (isScheduled) return
    isScheduled = true
    line.atEnd(flush)
  }

  const commit = (text: string): void => {
    body = sent === 0 ? text : `${body}\n${text}`
    sent++
    credit--
    room -= text.length + 1
  }

  const flush = (): void => {
    isScheduled = false
    const wasHot = isHot
    isHot = false
    if (out !== 0) {
      if (offers.size === 0 && !isResting) {
        isResting = true
        line.rest()
      }
      return
    }
    const unused = credit > 0
    if (sent === 0 && offers.size === 0 && !unused) return
    window = wasHot && !unused && offers.size > 0 ? Math.min(Math.max(window * 2, 2), WINDOW) : window >> 1
    if (unused && offers.size === 0) window = 0
    const request = compose()
    const promised = body
    body = ''
    credit = 0
    room = 0
    const committed = sent
    sent = 0
    const number = ++puts
    out = number
    isResting = false
    line.put(request.message).then(
      (answer) => heard(number, answer, committed, request.offered),
      (thrown: unknown) => failed(number, thrown, promised, committed),
    )
  }

  /** What was sent under leave, and as many offers behind it as fit. */
  const compose = (): { message: PutRequest; offered: Offer[] } => {
    const offered: Offer[] = []
    let text = body
    let count = sent
    let waits = false
    let need = 0
    offers.each((offer) => {
      const after = count === 0 ? offer.text.length : text.length + 1 + offer.text.length
      if (!offer.isTry) waits = true
      offer.asked = true
      if (after > CALL_CHARACTERS) {
        if (offered.length === 0) need = offer.text.length
        return false
      }
      text = count === 0 ? offer.text : `${text}\n${offer.text}`
      count++
      offered[offered.length] = offer
      return true
    })
    const want = need > 0 ? Math.max(window, 1) : window
    // A try is not to wait for those behind it.
    return { message: { body: text, want, waits: waits && offers.first?.isTry === false, need }, offered }
  }

  const heard = (number: number, answer: PutAnswer, committed: number, offered: readonly Offer[]): void => {
    if (out !== number) return
    out = 0
    isHot = true
    for (let index = 0; index < offered.length && committed + index < answer.accepted; index++)
      finish(offered[index] as Offer, true)
    if (answer.state !== CHANNEL_STATE.open) refuseAll(answer)
    else {
      if (!isResting) {
        credit = answer.credit
        room = answer.room
      }
      spend()
    }
    offers.each((offer) => {
      if (offer.isTry && offer.asked) finish(offer, false)
    })
    isResting = false
    if (offers.size > 0 || credit > 0 || sent > 0) schedule()
  }

  /** Gives leave to those who wait, in their order. */
  const spend = (): void =>
    offers.each((offer) => {
      if (credit === 0 || offer.text.length >= room) return false
      commit(offer.text)
      finish(offer, true)
      return true
    })

  const refuseAll = ({ state, reason }: PutAnswer): void => {
    const isClosed = state === CHANNEL_STATE.closed
    const cause = reasonOf(reason, decode)
    rejectAll(() =>
      platform.createError(
        isClosed ? 'VELA_CHANNEL_CLOSED' : 'VELA_CHANNEL_LOST',
        isClosed
          ? closedMessage(cause)
          : 'The isolate that received from the channel is gone, and the channel is full',
        cause,
      ),
    )
  }

  const rejectAll = (error: () => unknown): void => {
    for (let offer = offers.shift(); offer !== undefined; offer = offers.shift()) {
      settle(offer)
      offer.reject(error())
    }
  }

  const failed = (number: number, thrown: unknown, promised: string, committed: number): void => {
    if (out !== number) return
    out = 0
    isResting = false
    if (isRefused(thrown) && committed > 0) {
      // Those sends have resolved. The hub still keeps their places.
      body = promised
      sent = committed
      schedule()
    }
    if (!isStale(thrown)) rejectAll(() => thrown)
    else if (offers.size > 0) schedule()
  }

  return {
    send: (text, isTry, signal, bind) =>
      new Promise((resolve, reject) => {
        if (signal?.aborted === true) return reject(signal.reason)
        if (offers.size === 0 && credit > 0 && text.length < room) {
          commit(text)
          schedule()
          return resolve(true)
        }
        if (isTry && hasSends(offers)) return resolve(false)
        wait(
          offers,
          { text, isTry, resolve, reject, asked: false, done: false, release: () => undefined },
          signal,
          bind,
          schedule,
        )
        schedule()
      }),
    close(error) {
      rejectAll(error)
      if (sent > 0 || credit > 0) flush()
    },
  }
}

function finish(offer: Offer, accepted: boolean): void {
  if (offer.done) return
  settle(offer)
  offer.resolve(accepted)
}

/** Somebody waits for room already. */
function hasSends(offers: WaitingList<Offer>): boolean {
  let found = false
  offers.each((offer) => {
    found = !offer.isTry
    return !found
  })
  return found
}
