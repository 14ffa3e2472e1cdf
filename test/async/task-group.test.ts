/** A group ends after all of its tasks, the first failure cancels the rest, and nothing stays behind. */
import { beforeEach, describe, expect, test } from 'vitest'
import type { TaskGroup } from '../../guest-sdk/async/task-group.ts'
import { createManual, settled, watch, type Manual } from './manual-platform.ts'

let manual: Manual
beforeEach(() => {
  manual = createManual()
})

const failing = async (message: string): Promise<never> => {
  await Promise.resolve()
  throw new Error(message)
}

test('gives what its body returns, once all tasks have ended', async () => {
  const ended: string[] = []
  const group = watch(
    manual.taskGroup(async ({ spawn }) => {
      spawn(async (task) => {
        await manual.sleep(50, task)
        ended.push('slow')
      })
      spawn(() => ended.push('quick'))
      await manual.sleep(10)
      ended.push('body')
      return 'result'
    }),
  )
  await manual.pass(20)
  expect([group.outcome, ended]).toEqual(['pending', ['quick', 'body']])
  await manual.pass(40)
  expect([group.outcome, ended]).toEqual(['value "result"', ['quick', 'body', 'slow']])
})

test('a task starts at once, and its value can be joined as often as one likes', async () => {
  let isStarted = false
  const values = await manual.taskGroup(async (group) => {
    const task = group.spawn(async () => {
      isStarted = true
      return await Promise.resolve(7)
    })
    expect(isStarted).toBe(true)
    return [await task.join(), await task.join()]
  })
  expect(values).toEqual([7, 7])
})

test('tasks may spawn tasks, and the group waits for those, too', async () => {
  const group = watch(
    manual.taskGroup((outer) => {
      outer.spawn(async () => {
        await manual.sleep(5)
        outer.spawn(() => manual.sleep(5))
      })
    }),
  )
  await manual.pass(9)
  expect(group.outcome).toBe('pending')
  await manual.pass(2)
  expect(group.outcome).toBe('value undefined')
})

test('join waits for the tasks so far', async () => {
  const group = watch(
    manual.taskGroup(async (own) => {
      own.spawn(() => manual.sleep(10))
      own.spawn(() => manual.sleep(20))
      await own.join()
      return manual.now()
    }),
  )
  const startMs = manual.now()
  await manual.pass(20)
  expect(group.outcome).toBe(`value ${startMs + 20}`)
})

describe('the first failure', () => {
  const slow =
    (log: string[]) =>
    (group: TaskGroup<AbortSignal>): void => {
      group.spawn(async (task) => {
        try {
          await manual.sleep(1000, task)
        } catch (reason) {
          log.push((reason as Error).message)
          throw reason
        } finally {
          // Cleaning up may take time, and the group waits for it.
          await manual.sleep(5)
          log.push('cleaned up')
        }
      })
    }

  test.each<[string, (group: TaskGroup<AbortSignal>) => unknown]>([
    ['of a task', (group) => void group.spawn(() => failing('first'))],
    ['of the body', () => failing('first')],
    [
      'at once',
      (group) =>
        void group.spawn(() => {
          throw new Error('first')
        }),
    ],
  ])('%s cancels the others, waits for their end and is thrown', async (_, fail) => {
    const log: string[] = []
    const group = watch(
      manual.taskGroup(async (own) => {
        slow(log)(own)
        await fail(own)
      }),
    )
    await manual.pass(1)
    expect([group.outcome, log]).toEqual(['pending', ['first']])
    await manual.pass(5)
    expect([group.outcome, log]).toEqual(['threw Error: first', ['first', 'cleaned up']])
    expect(manual.timers()).toBe(0)
  })

  test('carries those that failed after it, but not those that only ended', async () => {
    const thrown: unknown = await manual
      .taskGroup((group) => {
        group.spawn(async ({ signal }) => {
          await new Promise((resolve) => signal.addEventListener('abort', resolve))
          throw new TypeError('while cleaning up')
        })
        group.spawn((task) => manual.sleep(1000, task))
        group.spawn(() => failing('first'))
      })
      .catch((error: unknown) => error)
    expect(thrown).toMatchObject({ message: 'first', suppressed: [new TypeError('while cleaning up')] })
  })

  test('may be anything', async () => {
    for (const value of [undefined, null, 0, 'text', Object.freeze(new Error('frozen'))]) {
      const thrown: unknown = await manual
        .taskGroup((group) => {
          group.spawn(() => Promise.reject(value as Error))
          group.spawn(() => Promise.reject(new Error('second')))
        })
        .then(
          () => 'nothing',
          (reason: unknown) => reason,
        )
      expect(thrown).toBe(value)
    }
  })

  test('is thrown by join, too, and a joined failure is still the group’s', async () => {
    const seen: unknown[] = []
    const group = watch(
      manual.taskGroup(async (own) => {
        const task = own.spawn(() => failing('first'))
        await task.join().catch((error: unknown) => seen.push(error))
        await own.join().catch((error: unknown) => seen.push(error))
        expect(() => own.spawn(() => 1)).toThrow('first')
      }),
    )
    await settled()
    expect(group.outcome).toBe('threw Error: first')
    expect(seen).toEqual([new Error('first'), new Error('first')])
  })
})

test('a group that has ended leaves no timer and no listener, and takes no task', async () => {
  const controller = new AbortController()
  let late: TaskGroup<AbortSignal> | undefined
  for (let round = 0; round < 20; round++) {
    await manual.taskGroup(
      (own) => {
        late = own
        own.spawn(() => 1)
      },
      { signal: controller.signal, deadlineMs: manual.now() + 1000 },
    )
  }
  expect([manual.timers(), manual.listeners()]).toEqual([0, 0])
  expect(() => late?.spawn(() => 1)).toThrow(TypeError)
  controller.abort()
  expect(late?.signal.aborted).toBe(false)
})

test('no failure of a task becomes an unhandled rejection', async () => {
  const unhandled: unknown[] = []
  const heard = (reason: unknown): void => void unhandled.push(reason)
  process.on('unhandledRejection', heard)
  await manual.taskGroup((own) => void own.spawn(() => failing('known'))).catch(() => undefined)
  await new Promise((resolve) => setImmediate(resolve))
  process.off('unhandledRejection', heard)
  expect(unhandled).toEqual([])
})
