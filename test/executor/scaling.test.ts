/** When a service gets one more replica and when one less: by what its cells do, not by how many calls wait. */
import { describe, expect, test } from 'vitest'
import { createScaling, type Scaling } from '../../host/cells/scaling.ts'

const LOOK_MS = 25

interface World {
  readonly scaling: Scaling
  /** Looks for so long (milliseconds) at these cells; `cpu` is the share of a core that each gets. */
  pass(pastMs: number, cells: number, what: Partial<Moment>): string[]
}

interface Moment {
  readonly waits: boolean
  readonly pinned: boolean
  /** Of the looks, at each cell. */
  readonly busy: number
  readonly cpu: number
  readonly hostLoad: number
  /** The system does not say how much CPU time a process used. */
  readonly blind: boolean
}

function createWorld(most = 4, calmMs = 1000): World {
  let nowMs = 0
  let moment: Partial<Moment> = {}
  const cpuMs = new Map<number, number>()
  const scaling = createScaling({
    most,
    calmMs,
    readCpuMs: (pid) => (moment.blind === true ? undefined : (cpuMs.get(pid) ?? 0)),
    readHostLoad: () => moment.hostLoad ?? 0,
  })
  return {
    scaling,
    pass(pastMs, cells, what) {
      moment = what
      const said: string[] = []
      const { busy = 0, cpu = 1, waits = false, pinned = false } = what
      for (const endMs = nowMs + pastMs; nowMs < endMs; nowMs += LOOK_MS) {
        const posts = Array.from({ length: cells }, (_, pid) => {
          cpuMs.set(pid, (cpuMs.get(pid) ?? 0) + cpu * LOOK_MS)
          return { pid, busy: (nowMs / LOOK_MS) % 10 < busy * 10, pinnedCount: pinned ? 1 : 0 }
        })
        const verdict = scaling.look({ queueLength: waits ? 1 : 0, posts }, nowMs)
        if (verdict !== undefined) said.push(verdict)
      }
      return said
    },
  }
}

describe('one more', () => {
  const grows = (cells: number, what: Partial<Moment>, most?: number): boolean =>
    createWorld(most).pass(1000, cells, what).includes('grow')

  test('when calls wait and every cell is at work and has too little time', () => {
    expect(grows(1, { waits: true, busy: 1 })).toBe(true)
    expect(grows(3, { waits: true, busy: 0.9 })).toBe(true)
    expect(grows(1, { pinned: true, busy: 1 })).toBe(true)
    // A machine that others use too leaves it a part of a core.
    expect(grows(1, { waits: true, busy: 1, cpu: 0.4 })).toBe(true)
    expect(grows(1, { waits: true, busy: 1, blind: true })).toBe(true)
    // Both are short: the host's own load is no reason against.
    expect(grows(1, { waits: true, busy: 1, hostLoad: 1 })).toBe(true)
  })

  test('not when nothing waits, or cells stand idle while calls wait for a backend', () => {
    expect(grows(1, { busy: 1 })).toBe(false)
    expect(grows(1, { waits: true, busy: 0.3 })).toBe(false)
    expect(grows(1, { waits: true, busy: 0 })).toBe(false)
  })

  test('not when it is the host or the machine that the cells wait for', () => {
    expect(grows(1, { waits: true, busy: 1, cpu: 0.5, hostLoad: 0.9 })).toBe(false)
    expect(grows(1, { waits: true, busy: 1, cpu: 0.1 })).toBe(false)
    expect(grows(1, { waits: true, busy: 1, blind: true, hostLoad: 0.9 })).toBe(false)
  })

  test('never more than there may be', () => {
    expect(grows(2, { waits: true, busy: 1 }, 2)).toBe(false)
    expect(grows(1, { waits: true, busy: 1 }, 1)).toBe(false)
  })

  test('not for a peak that is over within the window', () => {
    const world = createWorld()
    expect(world.pass(150, 1, { waits: true, busy: 1 })).toEqual([])
    expect(world.pass(1000, 1, {})).toEqual([])
  })

  test('after one that could not be had it asks again later, each time later', () => {
    const world = createWorld()
    const asked: number[] = []
    for (let second = 0; second < 30; second += 0.5) {
      if (!world.pass(500, 1, { waits: true, busy: 1 }).includes('grow')) continue
      asked.push(second)
      world.scaling.refused(second * 1000)
    }
    expect(asked.length).toBeGreaterThan(2)
    expect(asked.length).toBeLessThan(6)
    const gaps = asked.slice(1).map((at, index) => at - (asked[index] ?? 0))
    expect(gaps).toEqual(gaps.toSorted((one, other) => one - other))
  })
})

describe('one less', () => {
  test('when for a while the others could have done it in half their time', () => {
    const world = createWorld()
    expect(world.pass(900, 2, { busy: 0.1 })).toEqual([])
    expect(world.pass(600, 2, { busy: 0.1 })).toEqual(['shrink'])
    expect(createWorld().pass(1500, 4, { busy: 0.2 })).toContain('shrink')
  })

  test('not while they are needed, and not for a moment of calm', () => {
    expect(createWorld().pass(5000, 2, { busy: 0.4 })).toEqual([])
    expect(createWorld(2).pass(5000, 2, { busy: 0.1, waits: true })).toEqual([])
    const world = createWorld()
    for (let round = 0; round < 4; round++) {
      expect(world.pass(750, 2, {})).toEqual([])
      expect(world.pass(500, 2, { busy: 0.8 })).toEqual([])
    }
  })

  test('never the last one', () => {
    expect(createWorld().pass(10_000, 1, {})).toEqual([])
  })
})
