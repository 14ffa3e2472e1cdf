/** A group that is cancelled, or whose time is over, takes all of its tasks with it, however deep they stand. */
import { beforeEach, describe, expect, test } from 'vitest'
import { CANCELED, TIMED_OUT, createManual, settled, watch, type Manual } from './manual-platform.ts'

let manual: Manual
beforeEach(() => {
  manual = createManual()
})

describe('cancelling', () => {
  test('one task leaves the others and the group alone', async () => {
    const group = watch(
      manual.taskGroup(async (own) => {
        const unwanted = own.spawn((task) => manual.sleep(1000, task))
        const wanted = own.spawn(async () => {
          await manual.sleep(5)
          return 'wanted'
        })
        unwanted.cancel()
        expect(await unwanted.join().catch((error: unknown) => error)).toMatchObject({
          code: 'VELA_TASK_CANCELED',
        })
        return await wanted.join()
      }),
    )
    await manual.pass(5)
    expect(group.outcome).toBe('value "wanted"')
  })

  test('a task that fails for another reason after it was cancelled fails the group', async () => {
    const group = manual.taskGroup((own) => {
      const task = own.spawn(async ({ signal }) => {
        await new Promise((resolve) => signal.addEventListener('abort', resolve))
        throw new Error('could not roll back')
      })
      task.cancel()
    })
    await expect(group).rejects.toThrow('could not roll back')
  })

  test('the group cancels all, and is what the group throws', async () => {
    const group = watch(
      manual.taskGroup((own) => {
        own.spawn((task) => manual.sleep(1000, task))
        own.spawn(({ signal }) => manual.sleep(2000, { signal }))
        own.cancel()
        return 'ignored'
      }),
    )
    await settled()
    expect([group.outcome, manual.timers()]).toEqual([CANCELED, 0])
  })

  test('comes from outside by a signal, with its reason, and reaches the deepest task', async () => {
    const controller = new AbortController()
    const reasons: unknown[] = []
    const group = watch(
      manual.taskGroup(
        (outer) => {
          outer.spawn((task) =>
            manual.taskGroup(
              (inner) =>
                void inner.spawn(({ signal }) => {
                  signal.addEventListener('abort', () => reasons.push(signal.reason))
                  return manual.sleep(1000, { signal })
                }),
              task,
            ),
          )
        },
        { signal: controller.signal },
      ),
    )
    await settled()
    expect(manual.listeners()).toBe(1)
    controller.abort('enough')
    await settled()
    expect([group.outcome, reasons]).toEqual(['threw enough', ['enough']])
    expect([manual.timers(), manual.listeners()]).toEqual([0, 0])
  })

  test('before the start starts nothing', async () => {
    const group = watch(manual.taskGroup(() => expect.unreachable(), { signal: AbortSignal.abort('no') }))
    await settled()
    expect(group.outcome).toBe('threw no')
  })
})

describe('a deadline', () => {
  test('cancels what runs, and is thrown as a timeout when all has ended', async () => {
    const group = watch(
      manual.taskGroup((own) => void own.spawn((task) => manual.sleep(1000, task)), {
        deadlineMs: manual.now() + 100,
      }),
    )
    await manual.pass(99)
    expect(group.outcome).toBe('pending')
    await manual.pass(1)
    expect([group.outcome, manual.timers()]).toEqual([TIMED_OUT, 0])
  })

  test('that has passed already starts nothing', async () => {
    const group = watch(manual.taskGroup(() => expect.unreachable(), { deadlineMs: manual.now() }))
    await settled()
    expect(group.outcome).toBe(TIMED_OUT)
  })

  test('is inherited through the signal, and the earlier one counts', async () => {
    const startMs = manual.now()
    const seen: number[] = []
    await manual.taskGroup(
      async (outer) => {
        seen.push(outer.deadlineMs)
        await manual.taskGroup((inner) => void seen.push(inner.deadlineMs), { signal: outer.signal })
        await manual.taskGroup((inner) => void seen.push(inner.deadlineMs), {
          ...outer,
          deadlineMs: startMs + 900,
        })
        await manual.taskGroup((inner) => void seen.push(inner.deadlineMs), {
          ...outer,
          deadlineMs: startMs + 50,
        })
        outer.spawn((task) => void seen.push(task.deadlineMs), { deadlineMs: startMs + 70 })
      },
      { deadlineMs: startMs + 100 },
    )
    expect(seen.map((deadlineMs) => deadlineMs - startMs)).toEqual([100, 100, 100, 50, 70])
    expect(manual.timers()).toBe(0)
  })

  test('of one task is a failure of the group', async () => {
    const group = watch(
      manual.taskGroup((own) => {
        own.spawn((task) => manual.sleep(1000, task), { deadlineMs: manual.now() + 10 })
        own.spawn((task) => manual.sleep(1000, task))
      }),
    )
    await manual.pass(10)
    expect([group.outcome, manual.timers()]).toEqual([TIMED_OUT, 0])
  })

  test('may be further away than any timer of the platform', async () => {
    const group = watch(manual.taskGroup((own) => own.deadlineMs, { deadlineMs: manual.now() + 5e9 }))
    await settled()
    expect(group.outcome).toBe(`value ${manual.now() + 5e9}`)
    const slept = watch(manual.sleep(5e9))
    await manual.pass(5e9 - 1)
    expect(slept.outcome).toBe('pending')
    await manual.pass(1)
    expect(slept.outcome).toBe('value undefined')
  })

  test('that is no time is refused', async () => {
    for (const deadlineMs of [NaN, '5' as never, new Date() as never])
      await expect(manual.taskGroup(() => 1, { deadlineMs })).rejects.toThrow(RangeError)
  })
})
