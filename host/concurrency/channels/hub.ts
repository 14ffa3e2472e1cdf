/**
 * The channels of all tenants, by tenant and name: both come from deployments and from the host's own code, never from what a guest
 * says, so equal names of two tenants never meet.
 */
import { VelaError } from '../../core/errors.ts'
import { checkName } from '../../registry/names.ts'
import { createBudget, type Budget } from './budget.ts'
import { HubChannel } from './channel.ts'
import type { EndOwner } from './end.ts'
import { createEnds, type ChannelEnds } from './ends.ts'
import { createLogBacklog } from './log-backlog.ts'
import { createQueueBacklog } from './queue-backlog.ts'

export interface ChannelSettings {
  /** Values in it, on their way to it and being taken from it; 100 if left out. */
  readonly capacity?: number | undefined
  /** Each value for one receiver, or for all. */
  readonly mode: 'queue' | 'broadcast'
  /** What a slow receiver of a broadcast does: hold up the senders (if left out), or miss its oldest values. */
  readonly slow?: 'wait' | 'drop' | undefined
}

/** Where channels are found: those of this host, or of a cluster. */
export interface ChannelDirectory {
  /** The ends that an owner has on the channel of that name, which is found when they are first used. */
  ends(owner: EndOwner, tenant: string, name: string, settings: ChannelSettings): ChannelEnds
  /** Throws what `ends` would meet, as far as that is known now. */
  check(tenant: string, name: string, settings: ChannelSettings): void
  /** All its channels are over, on all hosts; resolves when others may have their names. */
  deleteTenant(tenant: string): Promise<void>
  /** Those of this host are over. */
  leaveTenant(tenant: string): void
  close(): void
}

export interface ChannelHub extends ChannelDirectory {
  /**
   * The channel of that name, made if there is none. Throws VELA_CAPABILITY_BAD_CALL if there is one with other settings,
   * VELA_TENANT_QUOTA_EXCEEDED if the tenant has as many as it may.
   */
  channel(tenant: string, name: string, settings: ChannelSettings): HubChannel
  /** The channel of that name is over, and what stood in it is gone. */
  drop(tenant: string, name: string): void
  readonly stats: ChannelStats
}

export interface ChannelStats {
  readonly channels: number
  /** Held for values that stand in channels or were handed out, and for leave to send. */
  readonly bytes: number
  /** Values that slow receivers of broadcasts have missed. */
  readonly dropped: number
}

export interface ChannelHubOptions {
  readonly channelsOfTenant?: number
  readonly bytesOfTenant?: number
  /** Runs it when the host's running turn is done. */
  readonly defer?: (work: () => void) => void
}

interface Named {
  readonly channel: HubChannel
  readonly settings: Required<ChannelSettings>
}

interface TenantChannels {
  readonly budget: Budget
  readonly channels: Map<string, Named>
}

export const MOST_CHANNELS = 100
export const MOST_BUFFERED_BYTES: number = 8 * 1024 * 1024
export const MOST_CAPACITY = 10_000
const DEFAULT_CAPACITY = 100

export function createChannelHub({
  channelsOfTenant = MOST_CHANNELS,
  bytesOfTenant = MOST_BUFFERED_BYTES,
  defer = queueMicrotask,
}: ChannelHubOptions = {}): ChannelHub {
  const tenants = new Map<string, TenantChannels>()
  let dropped = 0

  const open = (tenant: string, name: string, own: TenantChannels, settings: ChannelSettings): HubChannel => {
    const { channels, budget } = own
    if (channels.size >= channelsOfTenant) {
      throw new VelaError(
        'VELA_TENANT_QUOTA_EXCEEDED',
        `The tenant has ${channelsOfTenant} channels already; receive what stands in some of them, or close them`,
      )
    }
    const { capacity = DEFAULT_CAPACITY, mode, slow = 'wait' } = settings
    const isLog = mode === 'broadcast'
    const channel: HubChannel = new HubChannel({
      capacity,
      budget,
      isLog,
      backlog: isLog
        ? createLogBacklog({
            capacity,
            drops: slow === 'drop',
            budget,
            onDrop: (count) => (dropped += count),
          })
        : createQueueBacklog(budget),
      defer,
      onOver: () => {
        if (channels.get(name)?.channel === channel) channels.delete(name)
        if (channels.size === 0 && tenants.get(tenant) === own && budget.usedBytes === 0)
          tenants.delete(tenant)
      },
    })
    channels.set(name, { channel, settings: { capacity, mode, slow } })
    return channel
  }

  const find = (tenant: string, name: string, settings: ChannelSettings): HubChannel => {
    let own = tenants.get(tenant)
    const found = own?.channels.get(name)
    if (found !== undefined) {
      checkSame(name, found.settings, settings)
      return found.channel
    }
    checkName('tenant', tenant)
    checkName('channel', name)
    if (own === undefined) {
      own = { budget: createBudget(bytesOfTenant), channels: new Map() }
      tenants.set(tenant, own)
    }
    return open(tenant, name, own, settings)
  }

  return {
    channel: find,
    ends: (owner, tenant, name, settings) => createEnds(owner, () => find(tenant, name, settings)),
    check: (tenant, name, settings) => void find(tenant, name, settings),
    leaveTenant(tenant) {
      const own = tenants.get(tenant)
      tenants.delete(tenant)
      for (const { channel } of own?.channels.values() ?? []) channel.destroy()
    },
    deleteTenant(tenant) {
      this.leaveTenant(tenant)
      return Promise.resolve()
    },
    drop(tenant, name) {
      const own = tenants.get(tenant)
      const found = own?.channels.get(name)
      own?.channels.delete(name)
      found?.channel.destroy()
    },
    close: () => undefined,
    get stats() {
      let channels = 0
      let bytes = 0
      for (const own of tenants.values()) {
        channels += own.channels.size
        bytes += own.budget.usedBytes
      }
      return { channels, bytes, dropped }
    },
  }
}

/** Two services that disagree about a channel are told, rather than one of them surprised. */
function checkSame(name: string, has: Required<ChannelSettings>, wants: ChannelSettings): void {
  for (const key of ['mode', 'capacity', 'slow'] as const) {
    const wanted = wants[key]
    if (wanted === undefined || wanted === has[key]) continue
    throw new VelaError(
      'VELA_CAPABILITY_BAD_CALL',
      `The channel ${name} is there with "${key}": ${JSON.stringify(has[key])}, and was asked for with ${JSON.stringify(wanted)}`,
    )
  }
}
