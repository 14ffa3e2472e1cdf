/**
 * The replicas of one deployment and the calls that wait for them: a queue for each, and one for calls that wait for the
 * first replica. A call goes to the shortest queue, or to the replica that its affinity prefers; a replica that has
 * nothing left takes what waits longest at a sibling that cannot take it itself.
 *
 * All queues together hold `queueLength` calls, and all replicas together carry out `concurrency`: to whoever calls, the
 * service is one. With one replica none of this costs anything.
 */
import { preferred } from './affinity.ts'
import type { Call } from './call.ts'
import type { Home } from './home.ts'
import { createRunQueue, type RunQueue } from './run-queue.ts'

/** A replica that serves, in its cell. */
export interface Post {
  /** Number of the cell, unique in the set. */
  readonly index: number
  readonly pid: number
  readonly queue: RunQueue
  readonly home: Home
  /** Its cell works on a batch. */
  readonly busy: boolean
  /** Calls that it carries out; without those for it alone and without what lasts. */
  readonly sharedTurns: number
  /** All of its turns. */
  readonly turnCount: number
  /** Calls for it alone that wait. */
  readonly pinnedCount: number
  /** Has it take what waits, as soon as it can. */
  wake(): void
}

export interface ReplicaSetOptions {
  readonly queueLength: number
  readonly concurrency: number
  readonly onSteal?: ((count: number) => void) | undefined
}

export interface ReplicaSet<P extends Post = Post> {
  /** Those that serve. */
  readonly posts: readonly P[]
  /** Those among them that take new calls. */
  readonly open: readonly P[]
  /** Calls that wait and are not for one replica alone. */
  readonly queueLength: number
  readonly turnCount: number
  /** No turn, and nothing that waits. */
  readonly isIdle: boolean
  /** Takes a call and wakes who carries it out. False: as many wait as may. */
  push(call: Call): boolean
  /** Puts calls that were taken back in front of all others. */
  putBack(calls: readonly Call[]): void
  add(post: P): void
  /** False: it was not there. Its queue stays with it. */
  remove(post: P): boolean
  /** It takes no new calls; those that wait go to its siblings. False: it is the only one. */
  shut(post: P): boolean
  reopen(post: P): void
  /** May one more call be taken, by any of them? */
  hasRoom(): boolean
  /** It is about to take calls and has none: takes some of a sibling's. `most` fit into its entry. */
  refill(post: P, most: number): void
  /** It takes a batch and leaves calls behind: it takes them next, if nobody else does. */
  leaveOver(post: P): void
  /** It has finished something: whoever can go on does. */
  advance(post: P): void
  takeOlderThan(startedMs: number): Call[]
  takeAll(): Call[]
  /** What waits for the first replica. */
  takeWaiting(): Call[]
}

export function createReplicaSet<P extends Post>(options: ReplicaSetOptions): ReplicaSet<P> {
  const { queueLength: bound, concurrency } = options
  const waiting = createRunQueue(bound)
  const posts: P[] = []
  const open: P[] = []

  const queued = (): number => {
    let sum = waiting.length
    for (const post of posts) sum += post.queue.length
    return sum
  }

  const isFull = (): boolean => {
    if (queued() < bound) return false
    for (const post of posts) post.queue.compact()
    return queued() >= bound
  }

  const hasRoom = (): boolean => {
    let turns = 0
    for (const post of posts) turns += post.sharedTurns
    return turns < concurrency
  }

  const canTake = (post: P): boolean => !post.busy && hasRoom()

  /** Behind whom a call waits least. */
  const shortest = (): P => {
    let best = open[0] as P
    for (const post of open) if (waitAt(post) < waitAt(best)) best = post
    return best
  }

  /** The sibling with most to give; one that can take its own calls gives none. */
  const longest = (thief: P): P | undefined => {
    let best: P | undefined
    for (const post of posts) {
      if (post === thief || post.queue.length === 0 || canTake(post)) continue
      if (best === undefined || post.queue.length > best.queue.length) best = post
    }
    return best
  }

  const wakeIdle = (except: P): void => {
    for (const post of open) {
      if (post !== except && post.queue.length === 0 && canTake(post)) return post.wake()
    }
  }

  const spread = (call: Call): boolean => {
    if (isFull()) return false
    const post = call.affinity === undefined ? shortest() : preferred(open, call.affinity)
    if (!post.queue.push(call)) return false
    post.wake()
    // Who would have to wait may be served by a sibling that has nothing to do.
    if (!canTake(post)) wakeIdle(post)
    return true
  }

  return {
    posts,
    open,
    get queueLength() {
      return queued()
    },
    get turnCount() {
      let sum = 0
      for (const post of posts) sum += post.turnCount
      return sum
    },
    get isIdle() {
      return queued() === 0 && posts.every((post) => post.turnCount === 0 && post.pinnedCount === 0)
    },
    push(call) {
      if (open.length > 1) return spread(call)
      const post = open[0]
      if (post === undefined) return waiting.push(call)
      if (!post.queue.push(call)) return false
      post.wake()
      return true
    },
    putBack(calls) {
      if (calls.length === 0) return
      const post = open.length === 0 ? undefined : shortest()
      if (post === undefined) return waiting.unshift(calls)
      post.queue.merge(calls)
      post.wake()
    },
    add(post) {
      posts.push(post)
      open.push(post)
      post.queue.append(waiting.takeAll())
      post.wake()
    },
    remove(post) {
      drop(open, post)
      const removed = drop(posts, post)
      // Its turns are over: that is room for calls that wait at siblings.
      for (const other of posts) if (other.queue.length > 0) other.wake()
      return removed
    },
    shut(post) {
      if (open.length < 2 || !drop(open, post)) return false
      const calls = post.queue.takeAll()
      if (calls.length > 0) {
        const next = shortest()
        next.queue.merge(calls)
        next.wake()
      }
      return true
    },
    reopen(post) {
      if (!posts.includes(post) || open.includes(post)) return
      open.push(post)
      // Of calls that came while there was nobody else.
      post.queue.merge(waiting.takeAll())
      if (post.queue.length > 0) post.wake()
    },
    hasRoom,
    refill(post, most) {
      if (posts.length < 2 || post.queue.length > 0 || !open.includes(post)) return
      const victim = longest(post)
      if (victim === undefined) return
      const stolen = victim.queue.steal(Math.min(most, Math.ceil(victim.queue.length / 2)))
      if (stolen.length === 0) return
      post.queue.append(stolen)
      options.onSteal?.(stolen.length)
    },
    leaveOver(post) {
      post.wake()
      if (open.length > 1) wakeIdle(post)
    },
    advance(post) {
      if (post.queue.length > 0 || post.pinnedCount > 0) post.wake()
      if (posts.length < 2) return
      if (post.queue.length === 0 && open.includes(post) && longest(post) !== undefined) post.wake()
      if (!hasRoom()) return
      // It may have been the room of a call that waits elsewhere, even behind a batch that is another service's.
      for (const other of posts) if (other !== post && other.queue.length > 0) other.wake()
    },
    takeOlderThan(startedMs) {
      const old = waiting.takeOlderThan(startedMs)
      for (const { queue } of posts) {
        if (queue.length > 0) old.push(...queue.takeOlderThan(startedMs))
      }
      return old
    },
    takeAll() {
      const all = waiting.takeAll()
      for (const { queue } of posts) all.push(...queue.takeAll())
      return all
    },
    takeWaiting: () => waiting.takeAll(),
  }
}

/** Calls that go first; then who is at rest; then who has less to do. */
const waitAt = ({ queue, busy, sharedTurns }: Post): number =>
  queue.length + (busy ? 0.5 : 0) + 0.499 * (sharedTurns / (sharedTurns + 1))

function drop<Item>(items: Item[], item: Item): boolean {
  const index = items.indexOf(item)
  if (index >= 0) items.splice(index, 1)
  return index >= 0
}
