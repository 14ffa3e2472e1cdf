/** When handlers of ephemeral events run, and that none keeps the others from running. */
import { expect, test, vi } from 'vitest'
import { idle, setUp } from './local-bus.ts'

test('handlers never run within a publish, and one that throws or is slow is no matter of the others or the publisher', async () => {
  const { bus } = setUp()
  const seen: string[] = []
  bus.subscribe('acme', 'a', () => {
    seen.push('thrower')
    throw new Error('bad')
  })
  bus.subscribe('acme', 'a', () => new Promise(() => undefined))
  bus.subscribe('acme', 'a', () => void seen.push('last'))
  const published = bus.publish('acme', 'a', 1)
  expect(seen).toEqual([])
  await published
  await vi.waitFor(() => expect(seen).toEqual(['thrower', 'last']))
})

test('handlers that publish to each other for ever leave the event loop to the others', async () => {
  const { bus } = setUp()
  let count = 0
  let isOver = false
  for (const [from, to] of [
    ['ping', 'pong'],
    ['pong', 'ping'],
  ] as const)
    bus.subscribe('acme', from, () => {
      count++
      if (!isOver) void bus.publish('acme', to, null)
    })
  await bus.publish('acme', 'ping', null)
  // Timers would never fire if microtasks went on without end.
  for (let round = 0; round < 3; round++) await new Promise((resolve) => setTimeout(resolve, 1))
  isOver = true
  expect(count).toBeGreaterThan(1_000)
  await bus.drain(60_000)
})

test('a publisher who awaits each publish goes no faster than the event loop, so quick handlers lose nothing', async () => {
  const { bus } = setUp()
  const subscription = bus.subscribe('acme', 'a', () => {
    const untilMs = performance.now() + 0.02
    while (performance.now() < untilMs);
  })
  for (let data = 0; data < 5_000; data++) await bus.publish('acme', 'a', data)
  await idle(subscription)
  expect(subscription.stats()).toMatchObject({ delivered: 5_000, dropped: 0 })
})

test('a subscription with very much to do does not hold up one with little', async () => {
  const { bus } = setUp()
  const order: string[] = []
  bus.subscribe('acme', 'many', () => void order.push('many'), { capacity: 10_000 })
  bus.subscribe('globex', 'few', () => void order.push('few'))
  for (let index = 0; index < 5_000; index++) void bus.publish('acme', 'many', index)
  void bus.publish('globex', 'few', 1)
  await vi.waitFor(() => expect(order).toHaveLength(5_001))
  expect(order.indexOf('few')).toBeLessThan(100)
})
