/** Replicas whose cells are simulated: what waits, who is woken and who takes what, without processes and time. */
import type { Call } from '../../host/cells/call.ts'
import { createHome, type HomeKeeper } from '../../host/cells/home.ts'
import { createReplicaSet, type Post, type ReplicaSet } from '../../host/cells/replica-set.ts'
import { createRunQueue } from '../../host/cells/run-queue.ts'

export const QUEUE_LENGTH = 12
export const CONCURRENCY = 6

export interface TestCall extends Call {
  readonly name: number
  canceled: boolean
  failure: string | undefined
}

/** A replica whose cell takes calls in `work` and answers in `answer`. */
export interface TestPost extends Post {
  readonly keeper: HomeKeeper
  woken: boolean
  taken: Call[]
  batch: boolean
}

let names = 0
/** As much of a call as queues look at. */
export function createCall(affinity?: string): TestCall {
  const call = {
    name: ++names,
    attempts: 0,
    canceled: false,
    startedMs: names,
    affinity,
    failure: undefined as string | undefined,
    failed: (code: string) => {
      call.failure = code
    },
  }
  return call as unknown as TestCall
}

export function createPost(index: number): TestPost {
  const keeper = createHome({
    queueLength: 2,
    wake: () => post.wake(),
    turns: () => 0,
    hears: () => true,
  })
  const post: TestPost = {
    index,
    pid: index,
    queue: createRunQueue(QUEUE_LENGTH),
    keeper,
    home: keeper.home,
    woken: false,
    taken: [],
    batch: false,
    get busy() {
      return post.batch
    },
    get sharedTurns() {
      return post.taken.length
    },
    get turnCount() {
      return post.taken.length
    },
    get pinnedCount() {
      return keeper.pinned.length
    },
    wake() {
      post.woken = true
    },
  }
  return post
}

export const createSet = (onSteal?: (count: number) => void): ReplicaSet<TestPost> =>
  createReplicaSet({ queueLength: QUEUE_LENGTH, concurrency: CONCURRENCY, onSteal })

/** The cell pulls, if it was woken and is at rest: as Replica.takeEntry does. */
export function work(set: ReplicaSet<TestPost>, post: TestPost, most = 2): void {
  if (!post.woken || post.batch) return
  post.woken = false
  if (post.queue.peek() === undefined) set.refill(post, most)
  let count = 0
  while (count < most && set.hasRoom()) {
    const call = post.queue.shift()
    if (call === undefined) break
    post.taken.push(call)
    count++
  }
  if (count > 0) post.batch = true
  if (set.hasRoom() && post.queue.peek() !== undefined) set.leaveOver(post)
}

/** The batch is done, and with it one of the calls or none. */
export function answer(set: ReplicaSet<TestPost>, post: TestPost, settles: boolean): Call | undefined {
  if (!post.batch) return undefined
  post.batch = false
  const call = settles ? post.taken.shift() : undefined
  set.advance(post)
  return call
}
