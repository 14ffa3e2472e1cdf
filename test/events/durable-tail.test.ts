/** The latest events in the host's memory, and patterns as functions: short cuts that may say nothing else than the long way. */
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { matches } from '../../guest-sdk/events/subject.ts'
import { openEventLog } from '../../host/events/durable/embedded/store.ts'
import { createTail } from '../../host/events/durable/embedded/tail.ts'
import { createMatch } from '../../host/events/durable/pattern.ts'
import { eventOf } from './logs.ts'

const MANY = 1_000_000

test('a pattern as a function says what the grammar says', () => {
  const token = fc.constantFrom('a', 'b', 'ab')
  const subject = fc.array(token, { minLength: 1, maxLength: 4 }).map((tokens) => tokens.join('.'))
  const pattern = fc
    .tuple(fc.array(fc.oneof(token, fc.constant('*')), { maxLength: 3 }), fc.constantFrom('a', '*', '>'))
    .map(([tokens, last]) => [...tokens, last].join('.'))
  fc.assert(
    fc.property(pattern, subject, (one, other) => {
      expect([one, other, createMatch(one)(other)]).toEqual([one, other, matches(one, other)])
    }),
  )
})

test('the memory of the latest events says what the store says, or nothing', async () => {
  const log = await openEventLog({ dataDir: null })
  try {
    for (let index = 0; index < 60; index++)
      await log.append(eventOf(index % 3 === 0 ? 'x.y' : 'x.z', index), false)
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          from: fc.integer({ min: 0, max: 59 }),
          to: fc.integer({ min: 1, max: 60 }),
          after: fc.integer({ min: 0, max: 60 }),
          limit: fc.integer({ min: 1, max: 20 }),
          bytes: fc.integer({ min: 1, max: 40 }),
          pattern: fc.constantFrom('x.*', 'x.y', '>', 'none'),
        }),
        async ({ from, to, after, limit, bytes, pattern }) => {
          const tail = createTail({ tenantBytes: MANY, totalBytes: MANY })
          const { events } = await log.read('acme', '>', from, Math.max(1, to - from), MANY)
          tail.push('acme', events)
          const page = tail.read('acme', pattern, after, limit, bytes)
          const isCovered = after >= from && events.length > 0
          expect(page !== undefined).toBe(isCovered)
          if (page === undefined) return
          const end = events.at(-1)!.sequence
          const stored = await log.read('acme', pattern, after, limit, bytes)
          const expected = stored.events.filter(({ sequence }) => sequence <= end)
          expect(page.events.map(({ sequence }) => sequence)).toEqual(
            expected.map(({ sequence }) => sequence),
          )
          expect(page.last).toBeGreaterThanOrEqual(page.events.at(-1)?.sequence ?? after)
          expect([page.atEnd, page.last >= end]).toEqual([page.last >= end, page.atEnd])
        },
      ),
      { numRuns: 60 },
    )
  } finally {
    await log.close()
  }
})

test('the memory of the latest events is bounded, and forgets what is not connected to it', () => {
  const tail = createTail({ tenantBytes: 10_000, totalBytes: 15_000 })
  const push = (tenant: string, sequence: number): void =>
    tail.push(tenant, [{ sequence, event: eventOf('a', 'x'.repeat(500), { tenant }) }])
  for (let sequence = 1; sequence <= 100; sequence++) push('acme', sequence)
  expect(tail.bytes).toBeLessThanOrEqual(10_000)
  expect(tail.read('acme', 'a', 99, 10, MANY)?.events).toHaveLength(1)
  expect(tail.read('acme', 'a', 1, 10, MANY)).toBeUndefined()
  push('acme', 105)
  expect(tail.read('acme', 'a', 99, 10, MANY)).toBeUndefined()
  for (let sequence = 1; sequence <= 100; sequence++) push('globex', sequence)
  for (let sequence = 1; sequence <= 100; sequence++) push('initech', sequence)
  expect(tail.bytes).toBeLessThanOrEqual(15_000)
  tail.drop('initech')
  tail.drop('globex')
  tail.drop('acme')
  expect(tail.bytes).toBe(0)
})
