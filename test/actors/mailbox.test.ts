/** The mailbox and the supervisor of actors, by themselves: guests and hosts share them. */
import { expect, test } from 'vitest'
import { createMailbox, readPriority } from '../../guest-sdk/concurrency/mailbox.ts'
import { createSupervisor, MAX_BACKOFF_MS } from '../../guest-sdk/concurrency/supervision.ts'

function takeAll<Item>(mailbox: { take(): Item | undefined }): Item[] {
  const items: Item[] = []
  for (let item = mailbox.take(); item !== undefined; item = mailbox.take()) items.push(item)
  return items
}

test('messages come out in the order they came, higher priorities first', () => {
  const mailbox = createMailbox<string>()
  mailbox.push('a')
  mailbox.push('low', -3)
  mailbox.push('b')
  mailbox.push('high', 10)
  mailbox.push('high too', 10)
  expect(mailbox.depth).toBe(5)
  expect(takeAll(mailbox)).toEqual(['high', 'high too', 'a', 'b', 'low'])
  expect(mailbox.depth).toBe(0)
})

test('a full mailbox refuses, and takes again when there is room', () => {
  const mailbox = createMailbox<number>({ capacity: 2 })
  expect(mailbox.push(1)).toBeDefined()
  expect(mailbox.push(2)).toBeDefined()
  expect(mailbox.push(3, 10)).toBeUndefined()
  expect(mailbox.take()).toBe(1)
  expect(mailbox.push(4)).toBeDefined()
  expect(takeAll(mailbox)).toEqual([2, 4])
})

test('drop-oldest makes room by what has waited longest, whatever its priority', () => {
  const dropped: string[] = []
  const mailbox = createMailbox<string>({
    capacity: 2,
    overflow: 'drop-oldest',
    onDropped: (item) => void dropped.push(item),
  })
  mailbox.push('urgent', 5)
  mailbox.push('b')
  mailbox.push('c')
  expect(dropped).toEqual(['urgent'])
  expect(takeAll(mailbox)).toEqual(['b', 'c'])
})

test('drop-lowest drops the youngest of the lowest priority, and refuses what is no better', () => {
  const dropped: string[] = []
  const mailbox = createMailbox<string>({
    capacity: 3,
    overflow: 'drop-lowest',
    onDropped: (item) => void dropped.push(item),
  })
  mailbox.push('low 1', -1)
  mailbox.push('low 2', -1)
  mailbox.push('normal')
  expect(mailbox.push('low 3', -1)).toBeUndefined()
  mailbox.push('high', 1)
  expect(dropped).toEqual(['low 2'])
  expect(takeAll(mailbox)).toEqual(['high', 'normal', 'low 1'])
})

test('a message can be taken out before its time, once', () => {
  const mailbox = createMailbox<string>()
  const slots = ['a', 'b', 'c', 'd'].map((item) => mailbox.push(item))
  for (const at of [1, 3, 0]) expect(mailbox.remove(slots[at] as NonNullable<(typeof slots)[0]>)).toBe(true)
  expect(mailbox.remove(slots[1] as NonNullable<(typeof slots)[0]>)).toBe(false)
  expect(mailbox.depth).toBe(1)
  expect(takeAll(mailbox)).toEqual(['c'])
  expect(mailbox.remove(slots[2] as NonNullable<(typeof slots)[0]>)).toBe(false)
})

test('a model of random pushes, takes and removals agrees', () => {
  let seed = 7
  const random = (below: number): number => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648
    return seed % below
  }
  const mailbox = createMailbox<number>({ capacity: 20 })
  let model: { item: number; priority: number; slot: unknown }[] = []
  const next = (): (typeof model)[0] | undefined =>
    model.reduce<(typeof model)[0] | undefined>(
      (best, entry) => (best === undefined || entry.priority > best.priority ? entry : best),
      undefined,
    )
  for (let item = 0; item < 5000; item++) {
    const choice = random(10)
    if (choice < 5) {
      const priority = random(21) - 10
      const slot = mailbox.push(item, priority)
      expect(slot !== undefined).toBe(model.length < 20)
      if (slot !== undefined) model.push({ item, priority, slot })
    } else if (choice < 9) {
      const first = next()
      expect(mailbox.take()).toBe(first?.item)
      model = model.filter((entry) => entry !== first)
    } else if (model.length > 0) {
      const entry = model[random(model.length)] as (typeof model)[0]
      expect(mailbox.remove(entry.slot as { item: number })).toBe(true)
      model = model.filter((other) => other !== entry)
    }
    expect(mailbox.depth).toBe(model.length)
  }
})

test('options and priorities that are none are refused', () => {
  expect(() => createMailbox({ capacity: 0 })).toThrow(RangeError)
  expect(() => createMailbox({ capacity: 10_001 })).toThrow(RangeError)
  expect(() => createMailbox({ overflow: 'explode' as never })).toThrow(TypeError)
  for (const wrong of [11, -11, 0.5, Number.NaN, '1', null])
    expect(() => readPriority(wrong), String(wrong)).toThrow(RangeError)
  expect([readPriority(undefined), readPriority(-10), readPriority(10)]).toEqual([0, -10, 10])
})

test('restarts wait twice as long each time, and a budget within a window ends them', () => {
  const supervisor = createSupervisor({ strategy: 'restart', maxRestarts: 3, withinMs: 1000, backoffMs: 10 })
  expect([0, 100, 200, 300].map((atMs) => supervisor.restart(atMs))).toEqual([10, 20, 40, undefined])
  // The first has left the window.
  expect(supervisor.restart(1000)).toBe(40)
  expect(supervisor.restart(1001)).toBeUndefined()
  // All have.
  expect(supervisor.restart(5000)).toBe(10)
})

test('no restart waits longer than the longest back-off, and none at all without one', () => {
  const patient = createSupervisor({ maxRestarts: 100, withinMs: 10_000, backoffMs: 20_000 })
  expect([patient.restart(0), patient.restart(1), patient.restart(2)]).toEqual([
    20_000,
    MAX_BACKOFF_MS,
    MAX_BACKOFF_MS,
  ])
  const eager = createSupervisor({ backoffMs: 0 })
  expect([eager.restart(0), eager.restart(1)]).toEqual([0, 0])
  expect(createSupervisor({ maxRestarts: 0 }).restart(0)).toBeUndefined()
})

test('supervision that is none is refused', () => {
  expect(() => createSupervisor({ strategy: 'panic' as never })).toThrow(TypeError)
  expect(() => createSupervisor({ maxRestarts: -1 })).toThrow(RangeError)
  expect(() => createSupervisor({ withinMs: 1.5 })).toThrow(RangeError)
  expect(createSupervisor().strategy).toBe('resume')
})
