/**
 * The receiving end of a channel whose senders are elsewhere. Values come in batches; those that were taken are acknowledged,
 * and those that were not go back, with the end of the entry that got them.
 */
import { indexOf, slice } from '../async/intrinsics.ts'
import { closedMessage, isFailure, reasonOf, type ChannelPlatform } from './channel-contract.ts'
import { Inbox } from './inbox.ts'
import { CHANNEL_STATE, isRefused, isStale, WINDOW, type TakeAnswer, type TakeLine } from './remote-line.ts'

export interface RemoteReceiver {
  readonly inbox: Inbox<string, unknown>
  /** Somebody begins to receive one after the other; returns how that ends. */
  engage(): () => void
  /** It asks for nothing any more. */
  shut(): void
}

export function createRemoteReceiver(
  line: TakeLine,
  platform: ChannelPlatform,
  decode: (text: string) => unknown,
): RemoteReceiver {
  /** Values of the last answer. */
  let handed = 0
  /** Values of an earlier answer that were taken, which the hub has refused to hear. */
  let owed = 0
  let window = 0
  /** A take is out: its number; 0: none. What answers another number is void. */
  let out = 0
  let takes = 0
  let isScheduled = false
  let isShut = false
  let engaged = 0
  /** What the hub knows of it; undefined: that is not known here. */
  let isKnown: boolean | undefined = false

  const schedule = (): void => {
    if (isScheduled) return
    isScheduled = true
    line.atEnd(flush)
  }

  const flush = (): void => {
    isScheduled = false
    if (isShut) return
    if (out !== 0) {
      if (inbox.isWanted) return
      out = 0
      giveBack(0)
      return
    }
    const left = inbox.size
    const consumed = owed + handed - left
    if (left > 0) inbox.clear()
    if (!inbox.isWanted) {
      if (handed > 0 || owed > 0 || isKnown !== engaged > 0) giveBack(consumed)
      return
    }
    // Whoever took all of a batch at once will take a larger one.
    window = left === 0 && handed > 0 ? Math.min(window * 2, WINDOW) : 1
    handed = 0
    owed = 0
    const number = ++takes
    out = number
    isKnown = engaged > 0
    line.take(consumed, window, isKnown).then(
      (answer) => heard(number, answer),
      (thrown: unknown) => failed(number, thrown, consumed),
    )
  }

  const giveBack = (consumed: number): void => {
    handed = 0
    owed = 0
    window = 1
    isKnown = engaged > 0
    line.take(consumed, 0, isKnown).catch((thrown: unknown) => {
      if (isRefused(thrown)) sayAgain(consumed)
    })
  }

  const sayAgain = (consumed: number): void => {
    owed += consumed
    isKnown = undefined
    schedule()
  }

  const heard = (number: number, { body, state, reason }: TakeAnswer): void => {
    if (out !== number) return
    out = 0
    if (body !== undefined) {
      let from = 0
      for (let to = indexOf(body, '\n'); to !== -1; to = indexOf(body, '\n', from)) {
        handed++
        inbox.put(slice(body, from, to))
        from = to + 1
      }
      handed++
      inbox.put(slice(body, from))
    }
    if (state === CHANNEL_STATE.closed) {
      isKnown = false
      const cause = reasonOf(reason, decode)
      inbox.tell(
        () => platform.createError('VELA_CHANNEL_CLOSED', closedMessage(cause), cause),
        isFailure(cause),
      )
    } else if (state === CHANNEL_STATE.lost) {
      const message = 'The isolate that sent to the channel is gone, and the channel is empty'
      inbox.tell(() => platform.createError('VELA_CHANNEL_LOST', message, undefined), true)
    }
    if (handed > 0 || inbox.isWanted) schedule()
  }

  const failed = (number: number, thrown: unknown, consumed: number): void => {
    if (isRefused(thrown)) sayAgain(consumed)
    if (out !== number) return
    out = 0
    if (isStale(thrown)) return schedule()
    inbox.tell(() => thrown, true)
  }

  const inbox = new Inbox<string, unknown>({ read: decode, taken: () => undefined, wants: schedule })
  return {
    inbox,
    shut() {
      isShut = true
      out = 0
    },
    engage() {
      engaged++
      schedule()
      let isOver = false
      return () => {
        if (isOver) return
        isOver = true
        engaged--
        schedule()
      }
    },
  }
}
