/** What the control side may ask of a tenant's events: how its durable consumers are, dead letters, and publishing from outside. */
import type { EventKind } from '../../guest-sdk/events/event.ts'
import type { ReceivedEvent } from '../../guest-sdk/events/cloud-event.ts'

export interface EventsControl {
  status(tenant: string): Promise<EventsStatus>
  /** The latest first, at most 1,000; of one consumer, or of all. */
  deadEvents(tenant: string, consumer?: string): Promise<readonly DeadEventLetter[]>
  /** Dead letters go to their consumer once more, and to nobody else. Says how many. VELA_EVENTS_CONSUMER_NOT_FOUND. */
  replay(tenant: string, consumer: string, sequences: readonly number[] | 'all'): Promise<number>
  /** Dead letters are forgotten. Says how many. VELA_EVENTS_CONSUMER_NOT_FOUND. */
  discard(tenant: string, consumer: string, sequences: readonly number[] | 'all'): Promise<number>
  /** Deletes a consumer's cursor and dead letters: one that will not come back, and holds the log. VELA_EVENTS_CONSUMER_NOT_FOUND, VELA_EVENTS_CONSUMER_IN_USE. */
  forgetConsumer(tenant: string, consumer: string): Promise<void>
  /** An event from outside. VELA_EVENT_*, VELA_EVENTS_*, VELA_TENANT_NOT_FOUND. */
  publish(tenant: string, event: ReceivedEvent, kind: EventKind): Promise<PublishedEvent>
}

export interface PublishedEvent {
  readonly id: string
  /** Durable: its place in the tenant's log. */
  readonly sequence?: number
  /** Durable: an event of this id was stored a short while ago. */
  readonly duplicate?: boolean
  /** A middleware of the host ended it. */
  readonly skipped?: boolean
}

export interface EventsStatus {
  /** Durable events in the log, and what they take of the tenant's quota. */
  readonly events: number
  readonly bytes: number
  readonly quotaBytes: number
  readonly consumers: readonly EventConsumer[]
}

export interface EventConsumer {
  /** `tenant/service/binding/subject`, or `host:name`. */
  readonly consumer: string
  /** null: it is not subscribed on this host. */
  readonly pattern: string | null
  /** 'elsewhere': another host runs it. 'absent': nobody is subscribed here, its place is kept. */
  readonly state: 'running' | 'starting' | 'elsewhere' | 'ended' | 'absent'
  /** Events of the tenant's log behind its place, of whatever subject, and those that wait for another try. */
  readonly lag: number
  /** Batches that are being handled on this host. */
  readonly inFlight: number
  readonly dead: number
}

/** An event that a consumer gave up. */
export interface DeadEventLetter {
  readonly consumer: string
  readonly sequence: number
  readonly id: string
  readonly subject: string
  readonly source: string
  readonly key: string | null
  /** When it was published (epoch milliseconds). */
  readonly time: number
  readonly attempts: number
  readonly reason: string
  /** When it was given up (epoch milliseconds). */
  readonly at: number
  /** It was asked to be tried again, and has not been handled yet. */
  readonly replaying: boolean
  /** Its data as it is encoded; null: more than 8 KiB. */
  readonly data: string | null
}
