/**
 * Ephemeral events of all tenants: at most once, in memory and bounded. With a transport that is connected everything goes through it,
 * also to this host's own subscribers, so that groups are shared by all hosts; without, and while it is lost, they are served here.
 */
import { checkSize } from '../../guest-sdk/events/check.ts'
import { VelaError } from '../core/errors.ts'
import { Ledger } from './budget.ts'
import type { BusEvent } from './bus-event.ts'
import { createDispatcher } from './dispatcher.ts'
import type { OnFailure } from './failure.ts'
import { LocalSubscription, type Body } from './local-subscription.ts'
import { settingsOf } from './options.ts'
import { TenantEvents } from './tenant-events.ts'
import type { BatchOptions, BusStatus, EventMeter, EventTransport, PublishResult } from './types.ts'

export interface EphemeralEvents {
  /** Throws VELA_EVENTS_OVERLOADED, EventError and DataCloneError; nobody has got it then. */
  send(event: BusEvent): PublishResult
  /** While the host is behind: what a publisher should wait for before the next. */
  readonly turn: Promise<void> | undefined
  /** Everything comes checked. Throws VELA_EVENTS_OVERLOADED. */
  subscribe(tenant: string, pattern: string, body: Body, options: BatchOptions): LocalSubscription
  /** How many subscriptions of this host get an event of the subject. */
  reach(tenant: string, subject: string): number
  /** The tenant's name has been checked. */
  knows(tenant: string): boolean
  deleteTenant(tenant: string): void
  status(): BusStatus
  whenEmpty(): Promise<void>
  close(reason: Error): void
}

export interface EphemeralDeps {
  readonly meter: EventMeter
  readonly onFailure: OnFailure
  readonly transport: EventTransport | undefined
}

export interface EphemeralOptions {
  readonly maxSubscriptions: number
  readonly maxTenantCharacters: number
}

const RESOLVED = Promise.resolve()
const checkText = (event: BusEvent): void => void checkSize(event.text)

export function createEphemeralEvents(
  { meter, onFailure, transport }: EphemeralDeps,
  { maxSubscriptions, maxTenantCharacters }: EphemeralOptions,
): EphemeralEvents {
  /** Of those who have subscriptions. */
  const tenants = new Map<string, TenantEvents>()
  const ledger = new Ledger()
  const dispatcher = createDispatcher()

  const isTaken = (event: BusEvent): boolean => {
    if (transport === undefined) return false
    if (transport.connected) {
      checkText(event)
      if (transport.publish(event)) return true
    }
    meter.degraded()
    return false
  }

  return {
    get turn() {
      return dispatcher.turn
    },
    send(event) {
      if (!isTaken(event)) tenants.get(event.tenant)?.deliver(event, checkText)
      meter.published()
      return { id: event.id }
    },
    subscribe(tenant, pattern, body, options) {
      const events = tenants.get(tenant) ?? new TenantEvents(ledger, maxTenantCharacters)
      if (events.subscriptions.size >= maxSubscriptions)
        throw new VelaError(
          'VELA_EVENTS_OVERLOADED',
          `The tenant ${tenant} has ${maxSubscriptions} subscriptions, as many as it may`,
        )
      tenants.set(tenant, events)
      const settings = settingsOf(options, body.batch !== undefined)
      let stop: (() => void) | undefined
      const subscription = new LocalSubscription(
        {
          budget: events.budget,
          dispatcher,
          meter,
          onFailure,
          onEnd() {
            remove()
            stop?.()
            if (events.subscriptions.size === 0 && tenants.get(tenant) === events) tenants.delete(tenant)
          },
          whenReady: () => transport?.flush() ?? RESOLVED,
        },
        tenant,
        pattern,
        body,
        settings,
      )
      const remove = events.add(subscription)
      stop = transport?.subscribe(tenant, pattern, settings.group, (event) => subscription.offer(event))
      return subscription
    },
    reach: (tenant, subject) => tenants.get(tenant)?.reach(subject) ?? 0,
    knows: (tenant) => tenants.has(tenant),
    deleteTenant(tenant) {
      for (const subscription of tenants.get(tenant)?.subscriptions ?? []) subscription.unsubscribe()
    },
    status() {
      const all = tenants
        .values()
        .flatMap(({ subscriptions }) => subscriptions)
        .toArray()
      const stats = all.map((subscription) => subscription.stats())
      return {
        subscriptions: all.length,
        waiting: stats.reduce((sum, { waiting }) => sum + waiting, 0),
        running: stats.reduce((sum, { running }) => sum + running, 0),
        heldCharacters: ledger.characters,
        transport: transport === undefined ? null : transport.connected ? 'connected' : 'lost',
      }
    },
    whenEmpty: () => ledger.whenEmpty(),
    close(reason) {
      for (const { subscriptions } of tenants.values())
        for (const subscription of subscriptions) subscription.close(reason)
    },
  }
}
