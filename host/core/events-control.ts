/** Part of the composition root: what operators may see and do of a tenant's events. */
import { BusEvent } from '../events/bus-event.ts'
import type { DurableEngine } from '../events/durable/engine.ts'
import type { EventBus } from '../events/types.ts'
import { checkOuterSource, checkOuterText } from '../events/outside.ts'
import type { DeadEventLetter, EventsControl } from './control-events.ts'

export interface EventsControlDeps {
  readonly bus: Pick<EventBus, 'publishEvent'>
  readonly engine: DurableEngine
}

const SHOWN_CHARACTERS = 8 * 1024

export function createEventsControl({ bus, engine }: EventsControlDeps): EventsControl {
  return {
    async status(tenant) {
      const [consumers, { events, bytes, quotaBytes }] = await Promise.all([
        engine.consumers(tenant),
        engine.usage(tenant),
      ])
      return { events, bytes, quotaBytes, consumers }
    },
    async deadEvents(tenant, consumer) {
      const letters = await engine.deadEvents(tenant, consumer)
      return letters.map(
        ({ event, sequence, attempts, reason, atMs, replaying, ...letter }): DeadEventLetter => {
          const { id, subject, source, key, timeMs, text } = event
          const data = text.length > SHOWN_CHARACTERS ? null : text
          const { consumer: name } = letter
          return {
            consumer: name,
            sequence,
            id,
            subject,
            source,
            key,
            time: timeMs,
            attempts,
            reason,
            at: atMs,
            replaying,
            data,
          }
        },
      )
    },
    replay: (tenant, consumer, sequences) => engine.replay(tenant, consumer, sequences),
    discard: (tenant, consumer, sequences) => engine.discard(tenant, consumer, sequences),
    forgetConsumer: (tenant, consumer) => engine.remove(tenant, consumer),
    publish(tenant, received, kind) {
      const fields = { ...received, tenant, source: checkOuterSource(tenant, received.source) }
      const { text } =
        received.text === undefined ? BusEvent.of(fields, received.data) : { text: received.text }
      // Nobody has looked at the size of data that came as JSON.
      return bus.publishEvent(BusEvent.encoded(fields, checkOuterText(text)), kind)
    },
  }
}
