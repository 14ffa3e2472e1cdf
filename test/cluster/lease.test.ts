/** A host's lease: counted from when an acknowledged heartbeat was sent, lost by itself. */
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { createLease, type Lease } from '../../host/cluster/lease.ts'

interface Bench {
  readonly lease: Lease
  readonly changes: boolean[]
  /** Of those under way, in the order they were sent. */
  readonly acks: ((error?: Error) => void)[]
}

function bench(leaseMs: number, heartbeatMs = 10_000): Bench {
  const changes: boolean[] = []
  const acks: Bench['acks'] = []
  const lease: Lease = createLease({
    heartbeatMs,
    leaseMs,
    send: () =>
      new Promise<void>((resolve, reject) => {
        acks.push((error) => (error === undefined ? resolve() : reject(error)))
      }),
    onChange: () => changes.push(lease.held),
    onFailure: () => undefined,
  })
  return { lease, changes, acks }
}

test('it is held once a heartbeat is acknowledged, and lost when no other is', async () => {
  const { lease, changes, acks } = bench(80)
  const beat = lease.beat()
  expect(lease.held).toBe(false)
  acks[0]?.()
  await beat
  expect(lease.held).toBe(true)
  const deadline = performance.now() + 5000
  while (changes.length < 2 && performance.now() < deadline) await sleep(5)
  expect(changes).toEqual([true, false])
  expect(lease.held).toBe(false)
  await lease.stop()
})

test('it counts from when the heartbeat was sent, not from its acknowledgement', async () => {
  const { lease, acks } = bench(200)
  const beat = lease.beat()
  await sleep(120)
  acks[0]?.()
  await beat
  // Timers may be early by a fraction.
  expect(lease.leftMs).toBeLessThanOrEqual(82)
  await lease.stop()
})

test('an acknowledgement that comes after the lease has run out wins nothing', async () => {
  const { lease, changes, acks } = bench(40)
  const beat = lease.beat()
  await sleep(60)
  acks[0]?.()
  await beat
  expect(lease.held).toBe(false)
  expect(changes).toEqual([])
  await lease.stop()
})

test('an earlier heartbeat that is acknowledged late does not shorten it', async () => {
  const { lease, acks } = bench(10_000)
  const first = lease.beat()
  await sleep(30)
  const second = lease.beat()
  acks[1]?.()
  await second
  const left = lease.leftMs
  acks[0]?.()
  await first
  expect(lease.leftMs).toBeGreaterThan(left - 20)
  await lease.stop()
})

test('a process that was stopped finds it gone before any timer has run', async () => {
  const { lease, acks } = bench(50)
  const beat = lease.beat()
  acks[0]?.()
  await beat
  // No turn of the event loop in between, as after SIGCONT.
  const until = performance.now() + 60
  while (performance.now() < until);
  expect(lease.held).toBe(false)
  await lease.stop()
})

test('it is given up when it is stopped, which waits for what is on its way', async () => {
  const { lease, changes, acks } = bench(10_000)
  const beat = lease.beat()
  acks[0]?.()
  await beat
  const last = lease.beat()
  let stopped = false
  const stop = lease.stop().then(() => (stopped = true))
  expect(lease.held).toBe(false)
  expect(changes).toEqual([true, false])
  await sleep(5)
  expect(stopped).toBe(false)
  acks[1]?.(new Error('NATS is gone'))
  await Promise.all([last, stop])
})
