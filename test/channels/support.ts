/** Isolates that are none: ends of a hub's channels that a test can put to rest, lose and look at. */
import { decodeValue, encodeValue } from '../../guest-sdk/async/codec.ts'
import {
  createRemoteEnds,
  type RemoteBroadcast,
  type RemoteChannel,
} from '../../guest-sdk/concurrency/remote-channel.ts'
import { lineTo } from '../../host/concurrency/channels/host-channel.ts'
import type { ChannelDirectory, ChannelSettings } from '../../host/concurrency/channels/hub.ts'

export interface Isolate {
  readonly channel: RemoteChannel<unknown>
  readonly broadcast: RemoteBroadcast<unknown>
  /** A face whose waiting ends when the turn does. */
  turn(): { readonly channel: RemoteChannel<unknown>; end(): void }
  /** It is gone, against its will or not; its calls hang for ever. */
  go(lost: boolean): void
  hears: boolean
}

export function isolateOf(
  hub: ChannelDirectory,
  at: string,
  settings: Partial<ChannelSettings> = {},
): Isolate {
  const [tenant = '', name = ''] = at.split('/')
  const owner = { hears: true, lost: false }
  const ends = hub.ends(owner, tenant, name, { mode: 'queue', ...settings })
  let isGone = false
  const line = lineTo(ends)
  const remote = createRemoteEnds(
    {
      ...line,
      put: (request) => (isGone ? new Promise(() => undefined) : line.put(request)),
      rest: () => (isGone ? undefined : line.rest()),
      receiver: (id) => {
        const own = line.receiver(id)
        return { ...own, take: (...args) => (isGone ? new Promise(() => undefined) : own.take(...args)) }
      },
    },
    {
      encode: encodeValue,
      decode: decodeValue,
      createError: (code, message, cause) => Object.assign(new Error(message, { cause }), { code }),
      tooLarge: (message) => new RangeError(message),
    },
  )
  const nobody = { bind: undefined, gate: () => undefined }
  return {
    channel: remote.channel(nobody),
    broadcast: remote.broadcast(nobody),
    turn() {
      const cancels = new Set<(reason: unknown) => void>()
      const bind = (cancel: (reason: unknown) => void): (() => void) => {
        cancels.add(cancel)
        return () => cancels.delete(cancel)
      }
      return {
        channel: remote.channel({ bind, gate: () => undefined }),
        end() {
          for (const cancel of cancels) cancel(new Error('The turn is over'))
        },
      }
    },
    go(lost) {
      isGone = true
      owner.lost = lost
      ends.leaveAll()
    },
    get hears() {
      return owner.hears
    },
    set hears(hears) {
      owner.hears = hears
    },
  }
}

/** When everything that follows from what was done by now has been done. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
}

/** What became of a promise by now. */
export async function outcomeOf(promise: Promise<unknown>): Promise<unknown> {
  let outcome: unknown = 'waits'
  promise.then(
    (value) => (outcome = { value }),
    (error: unknown) => (outcome = { error: (error as { code?: unknown }).code ?? (error as Error).message }),
  )
  await settled()
  return outcome
}
