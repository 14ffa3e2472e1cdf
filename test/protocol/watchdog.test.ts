/** The host's own limit: what ends a cell, and what never does, whatever the process does with its CPU and memory. */
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { ProcessStats } from '../../host/cells/process-stats.ts'
import { createWatchdog, type WatchedCell } from '../../host/cells/watchdog.ts'

const MEGA = 1024 * 1024
const LOOK_MS = 20

interface FakeCell extends WatchedCell {
  outstanding: number
  outstandingBudgetMs: number
  alive: boolean
  stats: ProcessStats | undefined
  ended: string | undefined
}

function fakeCell(pid: number, budgetMs = 50): FakeCell {
  const cell: FakeCell = {
    pid,
    outstanding: 1,
    outstandingBudgetMs: budgetMs,
    alive: true,
    stats: { cpuMs: 1000, residentBytes: 50 * MEGA, state: 'R' },
    ended: undefined,
    kill(reason) {
      cell.ended = reason
      cell.alive = false
    },
  }
  return cell
}

/** Lets the process use this CPU time and looks. */
function look(cell: FakeCell, cpuMs: number, changes: Partial<ProcessStats> = {}): void {
  if (cell.stats !== undefined) cell.stats = { ...cell.stats, cpuMs: cell.stats.cpuMs + cpuMs, ...changes }
  vi.advanceTimersByTime(LOOK_MS)
}

function watching(...cells: FakeCell[]): ReturnType<typeof createWatchdog> {
  const watchdog = createWatchdog({
    residentLimitBytes: () => 100 * MEGA,
    readStats: (pid) => cells.find((cell) => cell.pid === pid)?.stats,
  })
  for (const cell of cells) watchdog.watch(cell)
  return watchdog
}

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

describe('the watchdog', () => {
  test('ends a cell that uses more CPU time on one batch than its budget and some room', () => {
    const cell = fakeCell(1)
    watching(cell)
    for (let used = 0; used < 140; used += 10) {
      expect(cell.ended).toBe(undefined)
      look(cell, 10)
    }
    for (let used = 0; used < 60; used += 10) look(cell, 10)
    expect(cell.ended).toBe('exceeded-cpu')
  })

  test('lets a cell work for hours that answers each batch in time', () => {
    const cell = fakeCell(1)
    const watchdog = watching(cell)
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 50 }), fc.integer({ min: 1, max: 5 }), (cpuMs, looks) => {
        cell.outstanding++
        watchdog.watch(cell)
        for (let at = 0; at < looks; at++) look(cell, cpuMs / looks)
        expect(cell.ended).toBe(undefined)
      }),
    )
  })

  test('does not count CPU time that a busy machine withholds, nor the time between batches', () => {
    const cell = fakeCell(1)
    watching(cell)
    // Runnable and getting nothing, for a minute.
    for (let at = 0; at < 6000; at++) look(cell, 0)
    expect(cell.ended).toBe(undefined)
    cell.outstanding = 0
    for (let at = 0; at < 100; at++) look(cell, 10)
    expect(cell.ended).toBe(undefined)
  })

  test('ends a cell over its memory while it works', () => {
    const cell = fakeCell(1)
    watching(cell)
    look(cell, 1)
    look(cell, 1)
    look(cell, 1, { residentBytes: 100 * MEGA })
    expect(cell.ended).toBe(undefined)
    look(cell, 1, { residentBytes: 100 * MEGA + 1 })
    expect(cell.ended).toBe('exceeded-memory')
  })

  test('ends a cell that owes an answer and stands still, whatever holds it', () => {
    for (const state of ['S', 'D', 'T']) {
      const cell = fakeCell(1)
      watching(cell).watch(cell)
      for (let at = 0; at < 145; at++) look(cell, 0, { state })
      expect(cell.ended).toBe(undefined)
      for (let at = 0; at < 15; at++) look(cell, 0, { state })
      expect(cell.ended).toBe('stuck')
    }
  })

  test('judges each cell by itself', () => {
    const [good, bad] = [fakeCell(1), fakeCell(2)]
    watching(good, bad)
    for (let at = 0; at < 40; at++) {
      if (bad.stats !== undefined) bad.stats = { ...bad.stats, cpuMs: bad.stats.cpuMs + 10 }
      look(good, 1)
    }
    expect([good.ended, bad.ended]).toEqual([undefined, 'exceeded-cpu'])
  })

  test('is not troubled by a process that is gone', () => {
    const cell = fakeCell(1)
    watching(cell)
    look(cell, 1)
    cell.stats = undefined
    for (let at = 0; at < 500; at++) look(cell, 0)
    expect(cell.ended).toBe(undefined)
  })

  test('sleeps while nothing is outstanding and wakes for the next batch', () => {
    const cell = fakeCell(1)
    const watchdog = watching(cell)
    cell.outstanding = 0
    for (let at = 0; at < 200; at++) look(cell, 0)
    expect(vi.getTimerCount()).toBe(0)
    cell.outstanding = 2
    watchdog.watch(cell)
    for (let at = 0; at < 40; at++) look(cell, 10)
    expect(cell.ended).toBe('exceeded-cpu')
  })
})
