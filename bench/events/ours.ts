/** The host's own bus (host/events), without the host. */
import { createEventBus } from '../../host/events/bus.ts'
import { HANDLERS, createTally } from './load.ts'

const NOTHING = (): void => undefined
const METER = { published: NOTHING, delivered: NOTHING, dropped: NOTHING, failed: NOTHING, degraded: NOTHING }
/** Nothing of the load is theirs; all kinds of pattern are among them. */
const OTHERS = [
  (index: number): string => `stock.s${index}`,
  (index: number): string => `users.u${index}.*`,
  (index: number): string => `*.s${index}.sold`,
  (index: number): string => `orders.e${index}.lines.>`,
]

/** Publishes so many events among so many subscriptions that none of them is for; resolves to how many arrived rightly. */
export type RunAmong = (count: number, others: number) => Promise<number>

export function createBuses(sizes: readonly number[]): RunAmong {
  const runs = new Map(sizes.map((others) => [others, createRun(others)]))
  return async (count, others) => (await runs.get(others)?.(count)) ?? 0
}

function createRun(others: number): (count: number) => Promise<number> {
  const bus = createEventBus({ meter: METER, onFailure: NOTHING }, { maxSubscriptions: others + HANDLERS })
  const tally = createTally()
  for (let index = 0; index < HANDLERS; index++)
    bus.subscribe('acme', index % 2 === 0 ? 'orders.*' : 'orders.>', ({ data }) =>
      tally.handler(data as Parameters<typeof tally.handler>[0]),
    )
  for (let index = 0; index < others; index++)
    bus.subscribe('acme', (OTHERS[index % OTHERS.length] as (typeof OTHERS)[0])(index), NOTHING)
  return (count) => tally.run((subject, data) => bus.publish('acme', subject, data), count)
}
