/**
 * The host's own end of a tenant's channel: the same ends that guests have, with the hub at hand instead of a link. What the host's code
 * sends and receives in one of its turns is gathered like what a guest does in an entry.
 */
import { decodeValue, encodeValue } from '../../../guest-sdk/async/codec.ts'
import {
  createRemoteEnds,
  type RemoteBroadcast,
  type RemoteChannel,
  type RemoteKit,
  type RemoteLine,
  type RemoteScope,
} from '../../../guest-sdk/concurrency/remote-channel.ts'
import { checkCapacity } from '../../../guest-sdk/concurrency/channel-contract.ts'
import { VelaError } from '../../core/errors.ts'
import type { EndOwner } from './end.ts'
import { chunkOf } from './chunk.ts'
import type { ChannelEnds } from './ends.ts'
import { MOST_CAPACITY, type ChannelDirectory, type ChannelSettings } from './hub.ts'

export type HostChannelOptions = Partial<ChannelSettings>

/** An end of a channel, typed by whoever opens it: what guests send is theirs to choose. */
export type HostChannel<Value = unknown> = RemoteChannel<Value>
export type HostBroadcast<Value = unknown> = RemoteBroadcast<Value>

/**
 * The host's end of a channel that services of a tenant reach by a grant of `channels`. Throws VELA_DEPLOY_INVALID_NAME,
 * VELA_CAPABILITY_BAD_CALL if the channel is there with other settings, VELA_TENANT_QUOTA_EXCEEDED.
 */
export interface OpenChannel {
  <Value = unknown>(
    tenant: string,
    name: string,
    options: HostChannelOptions & { readonly mode: 'broadcast' },
  ): HostBroadcast<Value>
  <Value = unknown>(tenant: string, name: string, options?: HostChannelOptions): HostChannel<Value>
}

export const hostChannels = (hub: ChannelDirectory): OpenChannel =>
  ((tenant: string, name: string, options?: HostChannelOptions) =>
    openHostChannel(hub, tenant, name, options)) as OpenChannel

const HOST: EndOwner = { hears: true, lost: false }
const SCOPE: RemoteScope = { bind: undefined, gate: () => undefined }

function openHostChannel(
  hub: ChannelDirectory,
  tenant: string,
  name: string,
  options: HostChannelOptions = {},
): HostChannel | HostBroadcast {
  const settings = { ...options, mode: options.mode ?? 'queue' }
  if (settings.capacity !== undefined) checkCapacity(settings.capacity, MOST_CAPACITY)
  // What is wrong with the name or the settings is said now.
  hub.check(tenant, name, settings)
  const remote = createRemoteEnds(lineTo(hub.ends(HOST, tenant, name, settings)), KIT)
  return settings.mode === 'broadcast' ? remote.broadcast(SCOPE) : remote.channel(SCOPE)
}

const KIT: RemoteKit = {
  encode: encodeValue,
  decode: decodeValue,
  createError: (code, message, cause) => new VelaError(code, message, { cause }),
  tooLarge: (message) => new VelaError('VELA_CAPABILITY_BAD_CALL', message),
}

/** Straight into the hub. */
export function lineTo(ends: ChannelEnds): RemoteLine {
  // After the microtasks of what runs now: a loop over `send` has by then used the leave it has.
  const atEnd = (callback: () => void): void => process.nextTick(callback)
  return {
    atEnd,
    put: ({ body, want, waits, need }) =>
      promised((reply, fail) => ends.put(chunkOf(Buffer.from(body)), { want, waits, need }, reply, fail)),
    rest: () => ends.rest(),
    receiver: (id) => ({
      atEnd,
      take: (consumed, want, isEngaged) =>
        promised((reply, fail) =>
          ends.take(
            id,
            consumed,
            want,
            isEngaged,
            ({ chunk, state, reason }) => reply({ body: chunk?.bytes.toString(), state, reason }),
            fail,
          ),
        ),
    }),
    leave: (id) => ends.leave(id),
    close: async (reason) => ends.close(reason),
  }
}

/** What the hub throws rejects. */
const promised = <Reply>(
  ask: (reply: (reply: Reply) => void, fail: (thrown: unknown) => void) => void,
): Promise<Reply> => new Promise((resolve, reject) => ask(resolve, reject))
