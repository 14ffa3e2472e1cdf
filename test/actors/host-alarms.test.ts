/** When the host looks for alarms that are due; the store and the actors are the test. */
import { expect, test } from 'vitest'
import { createAlarms } from '../../host/concurrency/actors/alarms.ts'
import { cart, eventually } from './host-support.ts'

test('alarms that waited for room ring, also if there was room while the store was being asked', async () => {
  const ringing: (() => void)[] = []
  const total = 40
  let claimed = 0
  let asked = 0
  let answer: Promise<void> = Promise.resolve()
  const alarms = createAlarms({
    store: {
      async claimAlarms(_nowMs, most, busy) {
        asked++
        await answer
        const count = busy.length > 0 ? 0 : Math.min(most, total - claimed)
        const due = Array.from({ length: count }, () => ({
          row: ++claimed,
          service: 1,
          address: cart('ann'),
          dueMs: 0,
          changes: 0,
          retries: 0,
        }))
        return { alarms: due, nextMs: busy.length > 0 || claimed === total ? null : 0 }
      },
      endAlarm: () => Promise.resolve(true),
      retryAlarm: () => Promise.resolve(),
    },
    deliver: () => new Promise((resolve) => void ringing.push(resolve)),
    onDead: () => expect.unreachable(),
    onFailure: (thrown) => expect.unreachable(String(thrown)),
    now: Date.now,
  })
  alarms.start()
  // As many as one service may have at a time; the store says that there is nothing else.
  await eventually(() => ringing.length).toBe(32)
  const { promise, resolve } = Promise.withResolvers<void>()
  await eventually(() => asked).toBe(3)
  answer = promise
  alarms.wake(0)
  await eventually(() => asked).toBe(4)
  for (const end of ringing) end()
  // Long enough for the timer that would look now.
  await new Promise((done) => setTimeout(done, 20))
  resolve()
  await expect.poll(() => ringing.length, { timeout: 3_000 }).toBe(total)
  await alarms.stop(0)
})
