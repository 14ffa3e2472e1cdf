/** What is published in `event-host`, the same for every contender: events of 64 subjects to ten async handlers, 64 in flight. */

export const HANDLERS = 10
export const SUBJECTS: readonly string[] = Array.from({ length: 64 }, (_, index) => `orders.e${index}`)

export interface Data {
  readonly sku: string
  readonly amount: number
}

/** Publishes one event; resolves as the contender's own publish does. */
export type Publish = (subject: string, data: Data) => Promise<unknown>

export interface Tally {
  readonly handler: (data: Data) => Promise<void>
  /** Publishes so many, and resolves to how many of them all ten handlers have had by then. */
  run(publish: Publish, count: number): Promise<number>
}

const IN_FLIGHT = 64

export function createTally(): Tally {
  let handled = 0
  let amount = 0
  let expected = Infinity
  let onDone = (): void => undefined
  return {
    async handler(data) {
      amount += data.amount
      if (++handled === expected) onDone()
    },
    async run(publish, count) {
      handled = 0
      amount = 0
      expected = count * HANDLERS
      const done = new Promise<void>((resolve) => {
        onDone = resolve
      })
      for (let published = 0; published < count;) {
        const some: Promise<unknown>[] = []
        for (; some.length < IN_FLIGHT && published < count; published++)
          some.push(publish(SUBJECTS[published % SUBJECTS.length] as string, { sku: 'x', amount: published }))
        await Promise.all(some)
      }
      await done
      return amount === ((count * (count - 1)) / 2) * HANDLERS ? handled / HANDLERS : 0
    },
  }
}
