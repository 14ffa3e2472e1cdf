/** Listening to a bus, wherever it is. */
import { expect, vi } from 'vitest'
import type { VelaError } from '../../host/core/errors.ts'
import type { BusEvent } from '../../host/events/bus-event.ts'
import type { Subscription } from '../../host/events/types.ts'

export const codeOf = async (work: Promise<unknown>): Promise<string> => {
  try {
    await work
  } catch (thrown) {
    return (thrown as VelaError).code
  }
  return 'ok'
}

/** Resolves when it has been called so often; remembers what it was called with. */
export function gather(): {
  readonly take: (event: BusEvent) => void
  readonly events: BusEvent[]
  readonly count: (least: number) => Promise<void>
} {
  const events: BusEvent[] = []
  return {
    events,
    take: (event) => void events.push(event),
    count: (least) =>
      vi.waitFor(() => expect(events.length).toBeGreaterThanOrEqual(least), { timeout: 10_000, interval: 5 }),
  }
}

export const settled = (...subscriptions: Subscription[]): Promise<unknown> =>
  Promise.all(subscriptions.map(({ ready }) => ready))
