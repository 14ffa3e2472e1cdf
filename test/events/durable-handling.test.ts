/** What durable subscriptions promise, over every log: at least once, in order by key, until handled or given up. */
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { VelaError } from '../../host/core/errors.ts'
import type { EventHandlerBatch, Outcome } from '../../host/events/types.ts'
import { until } from '../until.ts'
import { dataOf, describeLogs, each, engineOn, eventOf, QUICK } from './logs.ts'

const NO: Outcome = { retry: true, error: { name: 'Error', message: 'not now' } }

describeLogs('a durable subscription', (open) => {
  test('handles what was published since it was made, or all that there is', async () => {
    const engine = engineOn(await open())
    await engine.publish(eventOf('orders.placed', 1))
    const got: Record<string, number[]> = { new: [], all: [] }
    for (const from of ['new', 'all'] as const) {
      const handler = each((delivery) => got[from]?.push(dataOf(delivery)))
      await engine.subscribe('acme', 'orders.*', handler, { ...QUICK, name: from, from }).ready
    }
    await engine.publish(eventOf('orders.placed', 2))
    await engine.publish(eventOf('other', 3))
    await engine.publish(eventOf('orders.placed', 4, { tenant: 'globex' }))
    await until('all has handled both', () => got['all']?.length === 2 && got['new']?.length === 1)
    expect(got).toEqual({ new: [2], all: [1, 2] })
    await engine.close()
  })

  test('handles every event in order by key, whatever fails, and none for ever', async () => {
    const log = await open()
    const engine = engineOn(log)
    let run = 0
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          keys: fc.array(fc.constantFrom('a', 'b', 'c', null), { minLength: 1, maxLength: 40 }),
          failures: fc.array(fc.constantFrom('ack', 'ack', 'ack', 'retry', 'throw', 'short'), {
            minLength: 1,
            maxLength: 60,
          }),
          concurrency: fc.integer({ min: 1, max: 4 }),
          maxBatch: fc.integer({ min: 1, max: 5 }),
          sameKeyTogether: fc.boolean(),
        }),
        async ({ keys, failures, concurrency, maxBatch, sameKeyTogether }) => {
          const subject = `run.n${run++}`
          const acked: number[] = []
          const underWay = new Map<string, number>()
          let step = 0
          const handler: EventHandlerBatch = {
            async handle(batch) {
              const mine = new Set(batch.flatMap(({ event }) => event.key ?? []))
              for (const key of mine) {
                expect(underWay.get(key) ?? 0).toBe(0)
                underWay.set(key, 1)
              }
              await Promise.resolve()
              for (const key of mine) underWay.set(key, 0)
              const failed = new Set<string | null>()
              const fate = failures[step++ % failures.length]
              if (fate === 'throw' && step < 200) throw new Error('lost')
              const outcomes = batch.map((delivery, index): Outcome => {
                const { key } = delivery.event
                const isWell = step > 200 || failures[(step + index) % failures.length] === 'ack'
                if (!isWell) {
                  failed.add(key)
                  return NO
                }
                // What follows one that failed is delivered again, so it does not count yet.
                if (key === null || !failed.has(key)) acked.push(dataOf(delivery))
                return 'ack'
              })
              return outcomes
            },
          }
          const subscription = engine.subscribe('acme', subject, handler, {
            ...QUICK,
            name: subject,
            concurrency,
            maxBatch,
            sameKeyTogether,
            retries: 1_000,
            backoffMs: 0,
          })
          await Promise.all(keys.map((key, index) => engine.publish(eventOf(subject, index, { key }))))
          await until('all are handled', () => subscription.stats().delivered === keys.length)
          await engine.forget('acme', subject)
          expect([...acked].sort((a, b) => a - b)).toEqual(keys.map((_, index) => index))
          for (const key of ['a', 'b', 'c']) {
            const ofKey = acked.filter((index) => keys[index] === key)
            expect(ofKey).toEqual([...ofKey].sort((a, b) => a - b))
          }
        },
      ),
      { numRuns: 25, seed: Number(process.env['VELA_FAULT_SEED'] ?? 20_261_122) },
    )
    expect(engine.failures).toEqual([])
    await engine.close()
  })

  test('tries again with growing pauses, says which attempt it is, and gives up into a dead letter', async () => {
    const engine = engineOn(await open())
    const attempts: number[] = []
    const times: number[] = []
    const handler = each(({ attempt }) => {
      attempts.push(attempt)
      times.push(performance.now())
      throw new TypeError('bad order')
    })
    await engine.subscribe('acme', 'a', handler, { ...QUICK, name: 'c', retries: 3, backoffMs: 20 }).ready
    await engine.publish(eventOf('a', { order: 1 }, { key: 'k', id: 'order-1' }))
    await until('it is given up', async () => (await engine.deadEvents('acme')).length > 0)
    expect(attempts).toEqual([1, 2, 3, 4])
    // At least so long; how much longer a loaded machine takes says nothing. Timers may be a millisecond early.
    for (const [index, leastMs] of [16, 32, 64].entries())
      expect(times[index + 1]! - times[index]!).toBeGreaterThan(leastMs - 2)
    expect(await engine.deadEvents('acme', 'c')).toMatchObject([
      {
        consumer: 'c',
        attempts: 4,
        reason: 'TypeError: bad order',
        event: { id: 'order-1', data: { order: 1 } },
      },
    ])
    expect(await engine.consumers('acme')).toMatchObject([{ consumer: 'c', dead: 1, state: 'running' }])
    expect(engine.tally).toMatchObject({ stored: 1, retried: 3, dead: 1, handled: 0 })
    await engine.close()
  })

  test('a handler may say when, or that it is hopeless', async () => {
    const engine = engineOn(await open())
    const got: [number, number][] = []
    const handler: EventHandlerBatch = {
      handle: async (batch) =>
        batch.map((delivery): Outcome => {
          got.push([dataOf(delivery), delivery.attempt])
          if (dataOf(delivery) === 1) return { dead: true, error: { name: 'Error', message: 'never' } }
          return delivery.attempt === 1 ? ({ ...(NO as object), delayMs: 1 } as Outcome) : 'ack'
        }),
    }
    await engine.subscribe('acme', 'a', handler, { ...QUICK, name: 'c', backoffMs: 60_000 }).ready
    await engine.publish(eventOf('a', 1))
    await engine.publish(eventOf('a', 2))
    await until(
      'both are settled',
      () => got.length === 3 && engine.tally.handled === 1 && engine.tally.dead === 1,
    )
    expect(got).toEqual([
      [1, 1],
      [2, 1],
      [2, 2],
    ])
    await until('it is a dead letter', async () => (await engine.deadEvents('acme')).length === 1)
    expect((await engine.deadEvents('acme')).map((letter) => letter.reason)).toEqual(['Error: never'])
    await engine.close()
  })

  test('a poison event holds up its key alone, becomes a dead letter, and can be replayed to its consumer alone', async () => {
    const engine = engineOn(await open())
    let isHealed = false
    const got: Record<string, number[]> = { sick: [], well: [] }
    const sick = each((delivery) => {
      if (dataOf(delivery) === 0 && !isHealed) throw new Error('poison')
      got['sick']?.push(dataOf(delivery))
    })
    await engine.subscribe('acme', 'a', sick, { ...QUICK, name: 'sick', concurrency: 2 }).ready
    const well = each((delivery) => got['well']?.push(dataOf(delivery)))
    await engine.subscribe('acme', 'a', well, { ...QUICK, name: 'well' }).ready
    await Promise.all(
      [0, 1, 2, 3].map((data) => engine.publish(eventOf('a', data, { key: data < 2 ? 'k' : `k${data}` }))),
    )
    await until('the rest is handled', () => got['sick']?.length === 3 && got['well']?.length === 4)
    // The others did not wait for it; the next of its key did.
    expect(got['sick']?.at(-1)).toBe(1)
    await until('it is a dead letter', async () => (await engine.deadEvents('acme')).length === 1)

    // Still sick: it returns to the dead letters.
    expect(await engine.replay('acme', 'sick', 'all')).toBe(1)
    await until('it is given up again', async () => {
      const [letter] = await engine.deadEvents('acme', 'sick')
      return engine.tally.dead === 2 && letter?.replaying === false
    })
    isHealed = true
    const [letter] = await engine.deadEvents('acme', 'sick')
    expect(await engine.replay('acme', 'sick', [letter!.sequence])).toBe(1)
    await until('it is handled', () => got['sick']?.length === 4)
    await until('the letter is gone', async () => (await engine.deadEvents('acme')).length === 0)
    expect(got['sick']?.slice(2)).toEqual([1, 0])
    expect(got['well']?.toSorted()).toEqual([0, 1, 2, 3])
    await expect(engine.replay('acme', 'nobody', 'all')).rejects.toMatchObject({
      code: 'VELA_EVENTS_CONSUMER_NOT_FOUND',
    })
    await engine.close()
  })

  test('dead letters can be discarded', async () => {
    const engine = engineOn(await open())
    const handler = each(() => {
      throw new Error('no')
    })
    await engine.subscribe('acme', 'a', handler, { ...QUICK, name: 'c', retries: 0 }).ready
    for (const data of [1, 2, 3]) await engine.publish(eventOf('a', data))
    await until('all are dead', async () => (await engine.deadEvents('acme')).length === 3)
    const [latest] = await engine.deadEvents('acme')
    expect(await engine.discard('acme', 'c', [latest!.sequence])).toBe(1)
    expect((await engine.deadEvents('acme')).map(({ event }) => event.data)).toEqual([2, 1])
    expect(await engine.discard('acme', 'c', 'all')).toBe(2)
    await expect(engine.discard('acme', 'nobody', 'all')).rejects.toMatchObject({
      code: 'VELA_EVENTS_CONSUMER_NOT_FOUND',
    })
    await engine.close()
  })

  test('of a batch that is lost each is tried alone, so that only the one to blame is given up', async () => {
    const engine = engineOn(await open())
    const well: number[] = []
    const handler: EventHandlerBatch = {
      async handle(batch) {
        if (batch.some((delivery) => dataOf(delivery) === 3)) throw new VelaError('VELA_CELL_LOST', 'it died')
        well.push(...batch.map(dataOf))
        return batch.map(() => 'ack')
      },
    }
    await Promise.all(Array.from({ length: 8 }, (_, data) => engine.publish(eventOf('a', data))))
    engine.subscribe('acme', 'a', handler, { ...QUICK, name: 'c', maxBatch: 8, retries: 1 })
    await until('it is a dead letter', async () => (await engine.deadEvents('acme')).length === 1)
    await until('the others are handled', () => well.length === 7)
    expect((await engine.deadEvents('acme')).map(({ event, attempts }) => [event.data, attempts])).toEqual([
      [3, 2],
    ])
    await engine.close()
  })

  test('a handler whose side takes nothing now costs no attempt', async () => {
    const engine = engineOn(await open())
    let calls = 0
    const handler: EventHandlerBatch = {
      async handle(batch) {
        if (++calls <= 4) throw new VelaError('VELA_CELL_OVERLOADED', 'later')
        expect(batch.map(({ attempt }) => attempt)).toEqual([1])
        return ['ack']
      },
    }
    const subscription = engine.subscribe('acme', 'a', handler, { ...QUICK, name: 'c', retries: 0 })
    await engine.publish(eventOf('a'))
    await until('it is handled', () => subscription.stats().delivered === 1)
    expect([calls, engine.tally.retried, engine.tally.dead]).toEqual([5, 0, 0])
    await engine.close()
  })

  test('a handler that takes too long is aborted, and that is an attempt', async () => {
    const engine = engineOn(await open())
    const reasons: unknown[] = []
    const handler = each(
      (_delivery, signal) =>
        new Promise(() =>
          signal.addEventListener('abort', () => reasons.push((signal.reason as VelaError).code)),
        ),
    )
    engine.subscribe('acme', 'a', handler, { ...QUICK, name: 'c', retries: 1, timeoutMs: 20 })
    await engine.publish(eventOf('a'))
    await until('it is given up', async () => (await engine.deadEvents('acme')).length === 1)
    expect(reasons).toEqual(['VELA_TASK_TIMEOUT', 'VELA_TASK_TIMEOUT'])
    await engine.close()
  })
})
