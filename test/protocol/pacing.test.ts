/** How much goes into an entry, and what follows when a deployment breaks its limits again and again. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createEntryPacer } from '../../host/cells/entry-pacer.ts'
import { createStrikes } from '../../host/cells/strikes.ts'
import { DEFAULT_LIMITS } from '../../sandbox/protocol/limits.ts'

const pacer = (cpuMs = 50): ReturnType<typeof createEntryPacer> =>
  createEntryPacer({ ...DEFAULT_LIMITS, cpuMs })

describe('the pacer of entries', () => {
  test('puts many quick calls into an entry and few slow ones', () => {
    const quick = pacer()
    const slow = pacer()
    for (let entry = 0; entry < 50; entry++) {
      quick.measured(10, 100)
      slow.measured(1, 40_000)
    }
    expect(quick.callsPerEntry()).toBe(256)
    expect(slow.callsPerEntry()).toBe(1)
  })

  test('always lets a call in, bounds an entry, and gives each at least the limit of one call', () => {
    const measurement = fc.tuple(fc.integer({ min: 0, max: 256 }), fc.integer({ min: 0, max: 30_000_000 }))
    fc.assert(
      fc.property(fc.array(measurement), fc.integer({ min: 1, max: 30_000 }), (measurements, cpuMs) => {
        const paced = pacer(cpuMs)
        for (const [calls, micros] of measurements) paced.measured(calls, micros)
        const most = paced.callsPerEntry()
        expect(most).toBeGreaterThanOrEqual(1)
        expect(most).toBeLessThanOrEqual(256)
        expect(paced.budgetMs(0)).toBe(cpuMs)
        expect(paced.budgetMs(1)).toBe(cpuMs)
        for (let calls = 2; calls <= most; calls++) {
          expect(paced.budgetMs(calls)).toBeGreaterThanOrEqual(paced.budgetMs(calls - 1))
        }
        // A loop among many calls is found within the slice that was gathered, not after each one's limit.
        expect(paced.budgetMs(most)).toBeLessThanOrEqual(cpuMs + 33)
      }),
    )
  })
})

test('an entry of many slow events has no more CPU time than somebody waits for it', () => {
  const paced = createEntryPacer({ ...DEFAULT_LIMITS, cpuMs: 50, wallMs: 2_000 })
  for (let entry = 0; entry < 50; entry++) paced.measured(1, 40_000)
  expect(paced.budgetMs(10)).toBeGreaterThan(1_000)
  expect(paced.budgetMs(1_000)).toBe(2_000)
  const short = createEntryPacer({ ...DEFAULT_LIMITS, cpuMs: 50, wallMs: 20 })
  expect(short.budgetMs(1_000)).toBe(50)
})

describe('strikes', () => {
  test('pause a deployment at the fifth within ten seconds, each time for longer, up to a minute', () => {
    const strikes = createStrikes()
    const pauses: number[] = []
    let nowMs = 0
    for (let round = 0; round < 10; round++) {
      for (let strike = 0; strike < 4; strike++) expect(strikes.strike((nowMs += 10))).toBe(0)
      pauses.push(strikes.strike((nowMs += 10)))
      expect(strikes.pausedUntilMs(nowMs)).toBe(nowMs + (pauses.at(-1) ?? 0))
      nowMs += pauses.at(-1) ?? 0
      expect(strikes.pausedUntilMs(nowMs)).toBe(0)
    }
    expect(pauses).toEqual([1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000, 60_000])
  })

  test('that come slowly never pause it', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 2_500, max: 50_000 })), (gaps) => {
        const strikes = createStrikes()
        let nowMs = 0
        for (const gap of gaps) expect(strikes.strike((nowMs += gap))).toBe(0)
      }),
    )
  })

  test('are forgiven after ten quiet minutes', () => {
    const strikes = createStrikes()
    const five = (nowMs: number): number =>
      Math.max(...[0, 1, 2, 3, 4].map((at) => strikes.strike(nowMs + at)))
    expect(strikes.isSuspect(0)).toBe(false)
    expect(five(0)).toBe(1000)
    expect(five(20_000)).toBe(2000)
    expect(strikes.isSuspect(620_000)).toBe(true)
    expect(strikes.isSuspect(620_005)).toBe(false)
    expect(five(700_000)).toBe(1000)
  })
})
