/**
 * A channel that spans isolates, as whoever uses it sees it. The ends are one for each binding of an isolate (or of the host);
 * a face is made for each turn, so that what waits ends with the turn it waits for.
 */
import { utf8Length } from '../async/intrinsics.ts'
import { closedMessage } from './channel-contract.ts'
import type {
  Bind,
  ChannelPlatform,
  ReceiveEnd,
  SendEnd,
  SignalLike,
  WaitOptions,
} from './channel-contract.ts'
import type { Inbox } from './inbox.ts'
import { MESSAGE_BYTES, type SendLine, type TakeLine } from './remote-line.ts'
import { createRemoteReceiver, type RemoteReceiver } from './remote-receiver.ts'
import { createRemoteSender, type RemoteSender } from './remote-sender.ts'

export interface RemoteChannel<Value> extends SendEnd<Value>, ReceiveEnd<Value> {
  trySend(value: Value): Promise<boolean>
  close(reason?: unknown): Promise<void>
}

export interface RemoteBroadcast<Value> extends SendEnd<Value>, AsyncIterable<Value> {
  trySend(value: Value): Promise<boolean>
  receiver(): RemoteBroadcastReceiver<Value>
  /** For a loop with a receiver of its own that a signal ends; it then throws the reason. */
  values(options?: WaitOptions): AsyncIterableIterator<Value>
  close(reason?: unknown): Promise<void>
}

export interface RemoteBroadcastReceiver<Value> extends ReceiveEnd<Value> {
  close(): void
}

/** The way from one binding to the hub. */
export interface RemoteLine extends SendLine {
  /** The line of one receiver: 0 is the one that a queue has. */
  receiver(id: number): TakeLine
  /** The receiver is gone. */
  leave(id: number): void
  close(reason: string): Promise<void>
}

export interface RemoteKit extends ChannelPlatform {
  encode(value: unknown): string
  decode(text: string): unknown
  /** A value that is too large. */
  tooLarge(message: string): unknown
}

/** On whose behalf: what it ends with, and what it has to wait for. */
export interface RemoteScope {
  readonly bind: Bind | undefined
  gate(): Promise<void> | undefined
}

export interface RemoteEnds {
  channel(scope: RemoteScope): RemoteChannel<unknown>
  broadcast(scope: RemoteScope): RemoteBroadcast<unknown>
}

export function createRemoteEnds(line: RemoteLine, kit: RemoteKit): RemoteEnds {
  const sender: RemoteSender = createRemoteSender(line, kit, kit.decode)
  let queue: RemoteReceiver | undefined
  let receivers = 0

  const textOf = (value: unknown): string => {
    const text = kit.encode(value)
    const isLarge = text.length * 3 > MESSAGE_BYTES && utf8Length(text) > MESSAGE_BYTES
    if (!isLarge) return text
    throw kit.tooLarge(`A message has at most ${MESSAGE_BYTES} bytes in its encoded form`)
  }

  const send = async (
    scope: RemoteScope,
    value: unknown,
    isTry: boolean,
    signal: SignalLike | undefined,
  ): Promise<boolean> => {
    const text = textOf(value)
    const writes = scope.gate()
    if (writes !== undefined) await writes
    return await sender.send(text, isTry, signal, scope.bind)
  }

  const sending = (scope: RemoteScope): Omit<RemoteChannel<unknown>, keyof ReceiveEnd<unknown>> => ({
    async send(value: unknown, options: WaitOptions | undefined = undefined) {
      await send(scope, value, false, options?.signal)
    },
    trySend: (value: unknown) => send(scope, value, true, undefined),
    async close(reason: unknown = undefined) {
      const text = reason === undefined ? '' : textOf(reason)
      const writes = scope.gate()
      if (writes !== undefined) await writes
      sender.close(() => kit.createError('VELA_CHANNEL_CLOSED', closedMessage(reason), reason))
      await line.close(text)
    },
  })

  return {
    channel(scope) {
      const { inbox, engage } = (queue ??= createRemoteReceiver(line.receiver(0), kit, kit.decode))
      return {
        ...sending(scope),
        ...receiving(inbox, scope, (options) => engaged(inbox, scope, engage, options)),
      }
    },
    broadcast(scope) {
      const receiver = (): RemoteBroadcastReceiver<unknown> => {
        const id = ++receivers
        const { inbox, engage, shut } = createRemoteReceiver(line.receiver(id), kit, kit.decode)
        engage()
        let unbind = (): void => undefined
        const leave = (reason: unknown): void => {
          if (inbox.isEnded) return
          unbind()
          shut()
          inbox.clear()
          inbox.end(() => reason, undefined)
          line.leave(id)
        }
        const close = (): void =>
          leave(kit.createError('VELA_CHANNEL_CLOSED', 'This receiver has been closed', undefined))
        unbind = scope.bind?.(leave) ?? unbind
        return { ...receiving(inbox, scope, (options) => inbox.values(options, scope.bind, close)), close }
      }
      // A receiver that only a loop knows of goes with it, however that ends.
      const values = (options: WaitOptions | undefined = undefined): AsyncIterableIterator<unknown> => {
        const own = receiver()
        return ending(own.values(options), () => own.close())
      }
      return { ...sending(scope), receiver, values, [Symbol.asyncIterator]: () => values() }
    },
  }
}

const receiving = (
  inbox: Inbox<string, unknown>,
  scope: RemoteScope,
  values: (options: WaitOptions | undefined) => AsyncIterableIterator<unknown>,
): ReceiveEnd<unknown> => ({
  receive: (options = undefined) => inbox.receive(options, scope.bind),
  poll: () => inbox.poll(),
  subscribe(listener) {
    const unsubscribe = inbox.subscribe(listener)
    const unbind = scope.bind?.(unsubscribe)
    return () => {
      unbind?.()
      unsubscribe()
    }
  },
  values: (options = undefined) => values(options),
  [Symbol.asyncIterator]: () => values(undefined),
})

/** A loop is told of a close also if it comes while the loop does something else. */
function engaged(
  inbox: Inbox<string, unknown>,
  scope: RemoteScope,
  engage: () => () => void,
  options: WaitOptions | undefined,
): AsyncIterableIterator<unknown> {
  const disengage = engage()
  const unbind = scope.bind?.(disengage)
  const end = (): void => {
    unbind?.()
    disengage()
  }
  return ending(inbox.values(options, scope.bind, end), end)
}

/** Calls `end` also when the iterator comes to its own end, by a close or an error. */
function ending(iterator: AsyncIterableIterator<unknown>, end: () => void): AsyncIterableIterator<unknown> {
  const { next } = iterator
  const own: AsyncIterableIterator<unknown> = {
    return: iterator.return as () => Promise<IteratorResult<unknown>>,
    next: () =>
      next().then(
        (result) => {
          if (result.done === true) end()
          return result
        },
        (thrown: unknown) => {
          end()
          throw thrown
        },
      ),
    [Symbol.asyncIterator]: () => own,
  }
  return own
}
