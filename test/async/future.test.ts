/** A future begins when somebody waits for it, at most once, and ends when nobody does any more. */
import { beforeEach, describe, expect, test } from 'vitest'
import { CANCELED, TIMED_OUT, createManual, settled, watch, type Manual } from './manual-platform.ts'

let manual: Manual
let log: string[]
beforeEach(() => {
  manual = createManual()
  log = []
})

/** Work that says when it begins and whether it was given up. */
const work =
  <Value>(name: string, ms: number, value: Value) =>
  async ({ signal }: { signal: AbortSignal }): Promise<Value> => {
    log.push(`${name} begins`)
    signal.addEventListener('abort', () => log.push(`${name} given up`))
    await manual.sleep(ms, { signal })
    return value
  }

test('begins when it is awaited, once, however many wait', async () => {
  const future = new manual.Future(work('it', 10, 'done'))
  await manual.pass(100)
  expect([log, future.state]).toEqual([[], 'idle'])
  const both = watch(Promise.all([future, future]))
  expect(future.state).toBe('idle')
  await manual.pass(10)
  expect([both.outcome, log, future.state]).toEqual(['value ["done","done"]', ['it begins'], 'fulfilled'])
  expect(await future).toBe('done')
})

test('can be begun without waiting, and its failure is no accident until somebody waits', async () => {
  const future = new manual.Future(() => {
    throw new Error('at once')
  }).start()
  await new Promise((resolve) => setImmediate(resolve))
  expect(future.state).toBe('rejected')
  await expect(future).rejects.toThrow('at once')
})

test('needs a function', () => {
  expect(() => new manual.Future(Promise.resolve(1) as never)).toThrow(TypeError)
})

describe('cancelling', () => {
  test('before the start means that it never starts', async () => {
    const future = new manual.Future(work('it', 10, 1))
    future.cancel()
    const seen = watch(future)
    await settled()
    expect([seen.outcome, log]).toEqual([CANCELED, []])
  })

  test('gives up what runs, with the reason', async () => {
    const future = new manual.Future(work('it', 10, 1))
    const seen = watch(future)
    await settled()
    future.cancel('enough')
    await settled()
    expect([seen.outcome, log, manual.timers()]).toEqual(['threw enough', ['it begins', 'it given up'], 0])
  })

  test('after its end changes nothing', async () => {
    const future = new manual.Future(() => 5)
    await future
    future.cancel()
    expect([await future, future.state]).toEqual([5, 'fulfilled'])
  })

  test('comes by a signal or a deadline, too', async () => {
    const controller = new AbortController()
    const one = watch(new manual.Future(work('one', 100, 1), { signal: controller.signal }))
    const two = watch(new manual.Future(work('two', 100, 1), { deadlineMs: manual.now() + 10 }))
    await settled()
    controller.abort('gone')
    await manual.pass(10)
    expect([one.outcome, two.outcome, manual.timers()]).toEqual(['threw gone', TIMED_OUT, 0])
  })
})

describe('map and andThen', () => {
  test('make one of another, and begin nothing before they are awaited', async () => {
    const base = new manual.Future(work('base', 10, 20))
    const made = base
      .map((value) => value + 1)
      .andThen(async (value, { signal }) => `${value} ${signal.aborted}`)
    await manual.pass(50)
    expect(log).toEqual([])
    const seen = watch(made)
    await manual.pass(10)
    expect([seen.outcome, log]).toEqual(['value "21 false"', ['base begins']])
  })

  test('pass failures on, and do not run then', async () => {
    const base = new manual.Future(() => Promise.reject(new Error('base')))
    await expect(base.map(() => expect.unreachable())).rejects.toThrow('base')
  })

  test('give up what they were made from when nobody else waits for it', async () => {
    const base = new manual.Future(work('base', 10, 1))
    const [one, two] = [base.map((value) => value), base.map((value) => value)]
    const seen = [watch(one), watch(two)]
    await settled()
    one.cancel('not me')
    await settled()
    expect([seen.map(({ outcome }) => outcome), log]).toEqual([['threw not me', 'pending'], ['base begins']])
    two.cancel('nor me')
    await settled()
    expect([base.state, log]).toEqual(['rejected', ['base begins', 'base given up']])
  })

  test('leave it alone when somebody awaits it directly', async () => {
    const base = new manual.Future(work('base', 10, 1))
    const [direct, made] = [watch(base), base.map((value) => value)]
    void watch(made)
    await settled()
    made.cancel()
    await manual.pass(10)
    expect([direct.outcome, log]).toEqual(['value 1', ['base begins']])
  })

  test('do not go on with a value that comes after they were given up', async () => {
    const base = new manual.Future(work('base', 10, 1))
    const made = base.andThen(() => log.push('went on'))
    void watch(base)
    const seen = watch(made)
    await settled()
    made.cancel()
    await manual.pass(10)
    expect([seen.outcome, log]).toEqual([CANCELED, ['base begins']])
  })
})

describe('all', () => {
  test('begins all together and gives the values in order', async () => {
    const all = manual.Future.all<unknown>([
      new manual.Future(work('a', 20, 'a')),
      new manual.Future(work('b', 10, 'b')),
      Promise.resolve('c'),
      'd',
    ])
    expect(log).toEqual([])
    const seen = watch(all)
    await manual.pass(20)
    expect([seen.outcome, log]).toEqual(['value ["a","b","c","d"]', ['a begins', 'b begins']])
  })

  test('gives up the rest with the first failure, and everything when it is cancelled', async () => {
    const failing = new manual.Future(() => Promise.reject(new Error('no')))
    const seen = watch(manual.Future.all<unknown>([new manual.Future(work('a', 20, 1)), failing]))
    await settled()
    expect([seen.outcome, log, manual.timers()]).toEqual(['threw Error: no', ['a begins', 'a given up'], 0])
    const all = manual.Future.all([new manual.Future(work('b', 20, 1)), new manual.Future(work('c', 20, 1))])
    const canceled = watch(all)
    await settled()
    all.cancel()
    await settled()
    expect([canceled.outcome, log.slice(2), manual.timers()]).toEqual([
      CANCELED,
      ['b begins', 'c begins', 'b given up', 'c given up'],
      0,
    ])
  })
})

test('race gives what settles first and gives up the rest', async () => {
  const seen = watch(
    manual.Future.race([new manual.Future(work('slow', 20, 1)), new manual.Future(work('fast', 10, 2))]),
  )
  await manual.pass(10)
  expect([seen.outcome, log, manual.timers()]).toEqual([
    'value 2',
    ['slow begins', 'fast begins', 'slow given up'],
    0,
  ])
})

describe('retry', () => {
  /** Fails so many times, then succeeds. */
  const flaky = (failures: number) => () => {
    log.push(`${manual.now() - 1_000_000}`)
    return log.length > failures
      ? Promise.resolve('good')
      : Promise.reject(new Error(`failure ${log.length}`))
  }

  test('does it again after pauses that grow, until it succeeds', async () => {
    const seen = watch(new manual.Future(flaky(3)).retry({ times: 5, backoffMs: 10, factor: 3 }))
    await manual.pass(1000)
    expect([seen.outcome, log]).toEqual(['value "good"', ['0', '10', '40', '130']])
  })

  test('gives the last failure when it has been done so many times', async () => {
    const seen = watch(new manual.Future(flaky(9)).retry({ times: 3, backoffMs: 10 }))
    await manual.pass(1000)
    expect([seen.outcome, log]).toEqual(['threw Error: failure 3', ['0', '10', '30']])
  })

  test('keeps pauses below their maximum, and leaves a part of them to chance', async () => {
    const seen = watch(
      new manual.Future(flaky(4)).retry({
        times: 5,
        backoffMs: 10,
        factor: 10,
        maxBackoffMs: 100,
        jitter: 0.5,
      }),
    )
    await manual.pass(1000)
    // The chance of this platform is always one half.
    expect(seen.outcome).toBe('value "good"')
    expect(log.map(Number).map(Math.round)).toEqual([0, 8, 83, 158, 233])
  })

  test('asks whether a failure is worth it', async () => {
    const retryIf = (error: unknown): boolean => (error as Error).message !== 'failure 2'
    const seen = watch(new manual.Future(flaky(9)).retry({ times: 9, backoffMs: 1, retryIf }))
    await manual.pass(1000)
    expect([seen.outcome, log.length]).toEqual(['threw Error: failure 2', 2])
  })

  test('does the work of what the future was made from again, too', async () => {
    const base = new manual.Future(flaky(2))
    const seen = watch(
      manual.Future.all([base.map((value) => `${value}!`)]).retry({ times: 3, backoffMs: 1 }),
    )
    await manual.pass(1000)
    expect([seen.outcome, log.length]).toEqual(['value ["good!"]', 3])
  })

  test('ends when it is given up, in the work or in a pause', async () => {
    const inPause = new manual.Future(flaky(9)).retry({ times: 9, backoffMs: 100 })
    const inWork = new manual.Future(work('it', 100, 1)).retry({ times: 9 })
    const seen = [watch(inPause), watch(inWork)]
    await settled()
    inPause.cancel()
    inWork.cancel()
    await manual.pass(1000)
    expect(seen.map(({ outcome }) => outcome)).toEqual([CANCELED, CANCELED])
    expect([log, manual.timers()]).toEqual([['0', 'it begins', 'it given up'], 0])
  })

  test.each([
    { times: 0 },
    { times: 1.5 },
    { times: 2, backoffMs: -1 },
    { times: 2, factor: 0.5 },
    { times: 2, jitter: 2 },
  ])('refuses %j', (options) => {
    expect(() => new manual.Future(() => 1).retry(options)).toThrow(RangeError)
  })
})
