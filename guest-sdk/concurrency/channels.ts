/** Channels within an isolate, or within the host, on the errors of where they run. */
import { createBroadcast, type Broadcast, type BroadcastOptions } from './broadcast.ts'
import { createChannel, type Channel, type ChannelOptions } from './channel.ts'
import type { ChannelPlatform } from './channel-contract.ts'

export interface Channels {
  /** A bounded channel; throws RangeError for a capacity that is none. */
  readonly channel: <Value = unknown>(options?: ChannelOptions) => Channel<Value>
  /** The same for many receivers, each of which gets everything. */
  readonly broadcast: <Value = unknown>(options?: BroadcastOptions) => Broadcast<Value>
}

export const createChannels = (platform: ChannelPlatform): Channels => ({
  channel: (options) => createChannel(platform, options),
  broadcast: (options) => createBroadcast(platform, options),
})
