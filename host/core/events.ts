/** Part of the composition root: the bus of events, and the services that are subscribed to it. */
import { createEventBus } from '../events/bus.ts'
import { errorOf } from '../events/failure.ts'
import { provide, type Provider } from '../di/provider.ts'
import { createEventSubscriptions } from '../services/event-subscriptions.ts'
import { PART } from './parts.ts'

export const eventParts: readonly Provider[] = [
  provide(PART.events, {
    inject: [PART.log, PART.metrics, PART.config, PART.nats, PART.durableEvents],
    async useFactory(log, metrics, _config, { nats }, durable) {
      const transport =
        nats === null
          ? undefined
          : (await import('../events/nats/transport.ts')).createNatsTransport(nats, log)
      if (transport !== undefined) metrics.observe({ natsMalformed: () => transport.malformed })
      return createEventBus({
        meter: metrics.events,
        transport,
        durable,
        onFailure: ({ error, ...failure }) =>
          log.warn('event handler failed', { ...failure, error: errorOf(error) }),
      })
    },
    onInit: (events, _log, metrics) => metrics.observe({ events: () => events.status() }),
    // Before it come those who publish and those who handle; what is left are the host's own handlers.
    onDrain: (events, _signal, _log, _metrics, config) => events.drain(config.drainMs),
    dispose: (events) => events.close(),
  }),
  provide(PART.eventSubscriptions, {
    inject: [PART.events, PART.broker, PART.catalog, PART.decisions, PART.durableEvents],
    useFactory: (bus, broker, catalog, decisions, durable) =>
      createEventSubscriptions({
        bus,
        broker,
        catalog,
        epoch: () => decisions.epoch,
        forgetConsumers: (tenant, prefix) => durable.forgetAll(tenant, prefix),
      }),
  }),
  // Handlers run in services, which must be up; and they must have ended before those drain.
  provide(PART.eventDelivery, {
    inject: [PART.eventSubscriptions],
    after: [PART.services],
    useFactory: () => ({}),
    onReady: (_delivery, _signal, subscriptions) => subscriptions.start(),
    onDrain: (_delivery, _signal, subscriptions) => subscriptions.stop(),
    onStop: (_delivery, _signal, subscriptions) => subscriptions.stop(),
  }),
]
