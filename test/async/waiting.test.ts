/** Waiting ends: by time, by signal, by the first of several; and what lost is given up and leaves nothing behind. */
import { beforeEach, describe, expect, test } from 'vitest'
import type { Selectable } from '../../guest-sdk/async/waiting.ts'
import { TIMED_OUT, createManual, settled, watch, type Manual } from './manual-platform.ts'

let manual: Manual
beforeEach(() => {
  manual = createManual()
})

/** A source as channels are: values wait in it, and who subscribes hears of each. */
function createSource(...values: unknown[]): Selectable<unknown> & {
  put(value: unknown): void
  close(reason: unknown): void
  readonly left: () => readonly unknown[]
  readonly listeners: () => number
} {
  const listeners = new Set<() => void>()
  let closed: { reason: unknown } | undefined
  const tell = (): void => {
    for (const listener of listeners) listener()
  }
  return {
    poll() {
      if (values.length > 0) return { ready: true, value: values.shift() }
      if (closed !== undefined) throw closed.reason
      return undefined
    },
    subscribe(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    put(value) {
      values.push(value)
      tell()
    },
    close(reason) {
      closed = { reason }
      tell()
    },
    left: () => values,
    listeners: () => listeners.size,
  }
}

describe('sleep', () => {
  test('resolves when its time is over, not before', async () => {
    const slept = watch(manual.sleep(100))
    await manual.pass(99)
    expect(slept.outcome).toBe('pending')
    await manual.pass(1)
    expect([slept.outcome, manual.timers()]).toEqual(['value undefined', 0])
  })

  test('rejects with the signal’s reason, and clears its timer', async () => {
    const controller = new AbortController()
    const slept = watch(manual.sleep(100, { signal: controller.signal }))
    controller.abort('awake')
    await settled()
    expect([slept.outcome, manual.timers(), manual.listeners()]).toEqual(['threw awake', 0, 0])
    const never = watch(manual.sleep(100, { signal: AbortSignal.abort('before') }))
    await settled()
    expect([never.outcome, manual.timers()]).toEqual(['threw before', 0])
  })

  test('lets go of the signal when it is over', async () => {
    const controller = new AbortController()
    for (let round = 0; round < 5; round++) void manual.sleep(1, { signal: controller.signal })
    await manual.pass(1)
    expect([manual.timers(), manual.listeners()]).toEqual([0, 0])
  })

  test.each([-1, NaN, '5', undefined])('of %s is refused', (ms) => {
    expect(() => manual.sleep(ms as number)).toThrow(RangeError)
  })
})

describe('timeout', () => {
  test('gives the outcome of work that is in time, and leaves no timer', async () => {
    const good = watch(manual.timeout(100, async (scope) => `until ${scope.deadlineMs - manual.now()}`))
    const bad = watch(manual.timeout(100, Promise.reject(new Error('failed'))))
    await settled()
    expect([good.outcome, bad.outcome]).toEqual(['value "until 100"', 'threw Error: failed'])
    expect(manual.timers()).toBe(0)
  })

  test('aborts work that is too slow and rejects at once, whether it heeds that or not', async () => {
    const heard: unknown[] = []
    const late = watch(
      manual.timeout(100, ({ signal }) => {
        signal.addEventListener('abort', () => heard.push((signal.reason as Error).name))
        return new Promise(() => undefined)
      }),
    )
    await manual.pass(100)
    expect([late.outcome, heard, manual.timers()]).toEqual([TIMED_OUT, ['TimeoutError'], 0])
  })

  test('inside of another ends with the earlier one', async () => {
    const outer = watch(
      manual.timeout(50, (scope) => manual.timeout(1000, (task) => manual.sleep(5000, task), scope)),
    )
    await manual.pass(50)
    expect([outer.outcome, manual.timers()]).toEqual([TIMED_OUT, 0])
  })

  test('is cancelled from outside', async () => {
    const controller = new AbortController()
    const work = watch(manual.timeout(50, (task) => manual.sleep(5000, task), { signal: controller.signal }))
    controller.abort('gone')
    await settled()
    expect([work.outcome, manual.timers(), manual.listeners()]).toEqual(['threw gone', 0, 0])
  })
})

describe('race', () => {
  test('gives what settles first, and gives the others up', async () => {
    const reasons: unknown[] = []
    const future = new manual.Future(({ signal }) => {
      signal.addEventListener('abort', () => reasons.push(signal.reason))
      return manual.sleep(900, { signal })
    })
    const won = watch(
      manual.race<unknown>([
        ({ signal }) => manual.sleep(1000, { signal }),
        async () => {
          await manual.sleep(10)
          return 'first'
        },
        future,
        new Promise(() => undefined),
      ]),
    )
    await manual.pass(10)
    expect([won.outcome, manual.timers(), future.state]).toEqual(['value "first"', 0, 'rejected'])
    expect(reasons).toMatchObject([{ code: 'VELA_TASK_CANCELED' }])
  })

  test('is decided by a failure, too', async () => {
    const lost = watch(manual.race([(task) => manual.sleep(10, task), () => Promise.reject(new Error('no'))]))
    await settled()
    expect([lost.outcome, manual.timers()]).toEqual(['threw Error: no', 0])
  })

  test('of nothing is refused', async () => {
    await expect(manual.race([])).rejects.toThrow(TypeError)
  })
})

describe('select', () => {
  test('takes what is there already, the first in the list, and nothing of the others', async () => {
    const [a, b] = [createSource(), createSource('b1', 'b2')]
    const c = createSource('c1')
    expect(await manual.select({ a, b, c })).toEqual({ key: 'b', value: 'b1' })
    expect([b.left(), c.left()]).toEqual([['b2'], ['c1']])
    expect([a, b, c].map((source) => source.listeners())).toEqual([0, 0, 0])
  })

  test('waits for the first to have something, and takes only that', async () => {
    const [a, b] = [createSource(), createSource()]
    const chosen = watch(manual.select({ a, b, late: (task) => manual.sleep(100, task) }))
    await settled()
    expect(chosen.outcome).toBe('pending')
    b.put(undefined)
    a.put('too late')
    await settled()
    expect(chosen.outcome).toBe('value {"key":"b"}')
    expect([a.left(), a.listeners(), b.listeners(), manual.timers()]).toEqual([['too late'], 0, 0, 0])
  })

  test('looks again when somebody else has taken what it heard of', async () => {
    const source = createSource()
    source.subscribe(() => void source.poll())
    const chosen = watch(manual.select({ source }))
    await settled()
    source.put('taken')
    await settled()
    expect(chosen.outcome).toBe('pending')
  })

  test('chooses among promises, futures and functions as well', async () => {
    const future = new manual.Future(() => manual.sleep(1000))
    const chosen = watch(
      manual.select({ future, tick: (task) => manual.sleep(50, task), never: new Promise(() => undefined) }),
    )
    await manual.pass(50)
    expect([chosen.outcome, future.state]).toEqual(['value {"key":"tick"}', 'rejected'])
  })

  test('fails with what fails first, such as a closed source', async () => {
    const source = createSource()
    const chosen = watch(manual.select({ source, other: createSource() }))
    source.close(new Error('closed'))
    await settled()
    expect(chosen.outcome).toBe('threw Error: closed')
    await expect(manual.select({ source })).rejects.toThrow('closed')
    await expect(manual.select({})).rejects.toThrow(TypeError)
  })

  test('takes nothing once it is cancelled', async () => {
    const controller = new AbortController()
    const source = createSource()
    const chosen = watch(manual.select({ source }, { signal: controller.signal }))
    controller.abort('enough')
    source.put('kept')
    await settled()
    expect([chosen.outcome, source.left(), source.listeners()]).toEqual(['threw enough', ['kept'], 0])
    const never = watch(manual.select({ source }, { signal: controller.signal }))
    await settled()
    expect([never.outcome, source.left()]).toEqual(['threw enough', ['kept']])
  })
})

test('a deferred is decided by its first outcome', async () => {
  const { deferred } = manual
  const decided = deferred<number>()
  decided.resolve(1)
  decided.reject(new Error('late'))
  expect(await decided.promise).toBe(1)
  const failed = deferred()
  failed.reject(new Error('no'))
  failed.resolve()
  await expect(failed.promise).rejects.toThrow('no')
})
