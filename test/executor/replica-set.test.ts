/**
 * Which replica has a call, whatever order things happen in: checked against what must always hold, with replicas whose
 * cells are simulated. No call is lost, doubled or carried out by two; bounds hold for all replicas together.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { preferred } from '../../host/cells/affinity.ts'
import type { ReplicaSet } from '../../host/cells/replica-set.ts'
import type { Call } from '../../host/cells/call.ts'
import {
  QUEUE_LENGTH,
  CONCURRENCY,
  type TestCall,
  type TestPost,
  createCall,
  createPost,
  createSet,
  work,
  answer,
} from './simulated.ts'

const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('push' as const), key: fc.option(fc.nat(3)) }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('work' as const), which: fc.nat(3) }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('answer' as const), which: fc.nat(3) }) },
  fc.record({ do: fc.constant('add' as const) }),
  fc.record({ do: fc.constant('lose' as const), which: fc.nat(3) }),
  fc.record({ do: fc.constant('shut' as const), which: fc.nat(3) }),
  fc.record({ do: fc.constant('cancel' as const), which: fc.nat(20) }),
)

test('every call that was accepted is carried out once, whatever replicas do', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const set = createSet()
      const accepted = new Set<Call>()
      const done = new Set<Call>()
      const dropped = new Set<Call>()
      let index = 0
      const finish = (call: Call | undefined): void => {
        if (call === undefined) return
        expect(done.has(call)).toBe(false)
        done.add(call)
      }
      const at = (which: number): TestPost | undefined => set.posts[which % Math.max(1, set.posts.length)]
      for (const one of steps) {
        const post = 'which' in one ? at(one.which) : undefined
        if (one.do === 'push') {
          const before = set.queueLength
          const call = createCall(one.key === null ? undefined : String(one.key))
          if (set.push(call)) accepted.add(call)
          else expect(before).toBeGreaterThanOrEqual(QUEUE_LENGTH)
        } else if (one.do === 'add' && set.posts.length < 4) set.add(createPost(index++))
        else if (one.do === 'cancel') {
          const call = [...accepted][one.which] as TestCall | undefined
          const waits =
            call !== undefined && !done.has(call) && !set.posts.some(({ taken }) => taken.includes(call))
          if (waits) {
            call.canceled = true
            dropped.add(call)
          }
        } else if (post === undefined) continue
        else if (one.do === 'work') work(set, post)
        else if (one.do === 'answer') finish(answer(set, post, true))
        else if (one.do === 'shut') set.shut(post)
        else if (one.do === 'lose') {
          set.remove(post)
          const retry = post.taken.filter(({ attempts }) => attempts === 0)
          for (const call of post.taken) if (call.attempts > 0) finish(call)
          for (const call of retry) call.attempts++
          set.putBack([...retry, ...post.queue.takeAll()])
        }
        expect(set.turnCount).toBeLessThanOrEqual(CONCURRENCY)
        expect(set.queueLength).toBeLessThanOrEqual(QUEUE_LENGTH + CONCURRENCY)
      }
      if (set.open.length === 0) set.add(createPost(index++))
      for (let round = 0; round < 200; round++) {
        for (const post of set.posts.slice()) {
          work(set, post)
          finish(answer(set, post, true))
          // An I/O that ends brings a batch too.
          if (post.taken.length > 0) post.batch = true
        }
      }
      expect(set.isIdle).toBe(true)
      expect(new Set([...done, ...dropped])).toEqual(accepted)
      expect(done.intersection(dropped).size).toBe(0)
    }),
    { numRuns: 400 },
  )
})

describe('to callers the service is one', () => {
  test('all queues together hold what one may hold, and those who have gone make room', () => {
    const set = createSet()
    for (const post of [createPost(0), createPost(1)]) set.add(post)
    const calls = Array.from({ length: QUEUE_LENGTH }, () => createCall())
    expect(calls.map((call) => set.push(call))).toEqual(calls.map(() => true))
    expect(set.posts.map(({ queue }) => queue.length)).toEqual([QUEUE_LENGTH / 2, QUEUE_LENGTH / 2])
    expect(set.push(createCall())).toBe(false)
    ;(calls[3] as TestCall).canceled = true
    expect([set.push(createCall()), set.push(createCall())]).toEqual([true, false])
  })

  test('all replicas together carry out what one may, and who has room because a sibling is done is told', () => {
    const set = createSet()
    const [first, second] = [createPost(0), createPost(1)]
    set.add(first)
    for (let index = 0; index < CONCURRENCY + 2; index++) set.push(createCall())
    work(set, first, 100)
    expect(first.taken.length).toBe(CONCURRENCY)
    set.add(second)
    first.batch = false
    set.shut(first)
    work(set, second, 100)
    expect([second.taken.length, second.queue.length, second.woken]).toEqual([0, 2, false])
    first.batch = true
    answer(set, first, true)
    expect(second.woken).toBe(true)
    work(set, second, 100)
    expect([second.taken.length, set.turnCount]).toEqual([1, CONCURRENCY])
    second.woken = false
    set.remove(first)
    expect(second.woken).toBe(true)
  })
})

describe('nothing that waits is forgotten', () => {
  test('room that a sibling makes is heard of behind a batch that has nothing to do with it', () => {
    const set = createSet()
    const [one, two] = [createPost(0), createPost(1)]
    for (const post of [one, two]) set.add(post)
    one.taken = Array.from({ length: CONCURRENCY }, () => createCall())
    // It goes alone, so no sibling takes it over.
    const again = createCall()
    again.attempts = 1
    set.putBack([again])
    work(set, two)
    expect([two.queue.length, two.woken]).toEqual([1, false])
    // Its cell is at work for another service.
    two.batch = true
    one.taken = []
    set.advance(one)
    two.batch = false
    work(set, two)
    expect(two.taken).toEqual([again])
  })

  test('one that was on its way out and stays takes what has come while there was nobody else', () => {
    const set = createSet()
    const [one, two] = [createPost(0), createPost(1)]
    for (const post of [one, two]) set.add(post)
    set.shut(two)
    set.remove(one)
    const call = createCall()
    set.push(call)
    set.reopen(two)
    work(set, two)
    expect(two.taken).toEqual([call])
  })
})

describe('stealing', () => {
  /** Two replicas; all calls prefer the same one, whose cell is at work. */
  const skewed = (
    count: number,
  ): { set: ReplicaSet<TestPost>; full: TestPost; idle: TestPost; steals: number[] } => {
    const steals: number[] = []
    const set = createSet((stolen) => steals.push(stolen))
    const posts = [createPost(0), createPost(1)]
    for (const post of posts) set.add(post)
    const full = preferred(posts, 'key')
    const idle = posts.find((post) => post !== full) as TestPost
    full.batch = true
    full.woken = idle.woken = false
    for (let index = 0; index < count; index++) set.push(createCall('key'))
    return { set, full, idle, steals }
  }

  test('who is at rest is woken, and takes half of what waits at a sibling that is at work', () => {
    const { set, full, idle, steals } = skewed(6)
    expect(full.queue.length).toBe(6)
    expect(idle.woken).toBe(true)
    work(set, idle, 10)
    expect([idle.taken.length, full.queue.length, steals]).toEqual([3, 3, [3]])
    // The oldest first: they have waited longest.
    expect(idle.taken.map((call) => (call as TestCall).name)).toEqual(
      [...idle.taken].map((call) => (call as TestCall).name).sort((one, other) => one - other),
    )
    expect((full.queue.peek() as TestCall).name).toBeGreaterThan((idle.taken[2] as TestCall).name)
  })

  test('nothing is taken from who can take its calls itself, and nothing that must go alone', () => {
    const { set, full, idle, steals } = skewed(4)
    full.batch = false
    work(set, idle, 10)
    expect([idle.taken.length, full.queue.length]).toEqual([0, 4])
    full.batch = true
    ;(full.queue.peek() as TestCall).attempts = 1
    idle.wake()
    work(set, idle, 10)
    expect(steals).toEqual([2])
    expect(idle.taken.every(({ attempts }) => attempts === 0)).toBe(true)
    expect(full.queue.peek()?.attempts).toBe(1)
  })

  test('a pinned call waits for its own replica, however idle the sibling', () => {
    const { set, full, idle } = skewed(0)
    const calls = [createCall(), createCall(), createCall()]
    for (const call of calls) full.home.dispatch(call)
    expect(calls.map(({ failure }) => failure)).toEqual([undefined, undefined, 'VELA_CELL_OVERLOADED'])
    idle.wake()
    work(set, idle, 10)
    expect([idle.taken.length, full.pinnedCount, set.isIdle]).toEqual([0, 2, false])
    full.keeper.close(true)
    expect(calls[0]?.failure).toBe('VELA_CELL_LOST')
  })
})

test('a key keeps its replica, and only the keys of one that goes move', () => {
  const posts = [0, 1, 2, 3].map((index) => ({ index }))
  const keys = Array.from({ length: 1000 }, (_, index) => `key-${index}`)
  const before = keys.map((key) => preferred(posts, key).index)
  for (const { index } of posts) {
    const share = before.filter((one) => one === index).length
    expect(share).toBeGreaterThan(150)
    expect(share).toBeLessThan(350)
  }
  const after = keys.map((key) => preferred(posts.slice(0, 3), key).index)
  const moved = keys.filter((_key, at) => before[at] !== after[at] && before[at] !== 3)
  expect(moved).toEqual([])
})
