/** Part of the composition root: everything that a tenant stored, wherever it is, as one thing that can be deleted. */
import type { Actors } from '../concurrency/actors/actors.ts'
import type { ChannelDirectory } from '../concurrency/channels/hub.ts'
import type { EventBus } from '../events/types.ts'
import type { KvStore } from '../kv/types.ts'
import type { HostServices } from './host-services.ts'

export interface TenantData {
  /** All of it is gone when it resolves, wherever the cluster keeps it. */
  delete(tenant: string): Promise<void>
  /** Another host has deleted the tenant. What the hosts share has gone with that; a second deletion could meet what came since. */
  forget(tenant: string): Promise<void>
}

export function createTenantData(
  kv: KvStore,
  actors: Actors,
  channels: ChannelDirectory,
  events: Pick<EventBus, 'deleteTenant' | 'leaveTenant'>,
  hosts: HostServices,
): TenantData {
  const forget = async (tenant: string): Promise<void> => {
    channels.leaveTenant(tenant)
    await Promise.all([actors.leave(tenant), events.leaveTenant(tenant), hosts.deleteTenant(tenant)])
  }
  return {
    forget,
    async delete(tenant) {
      await forget(tenant)
      await Promise.all([
        channels.deleteTenant(tenant),
        actors.drop(tenant),
        kv.deleteTenant(tenant),
        events.deleteTenant(tenant),
      ])
    },
  }
}
