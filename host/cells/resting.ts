/**
 * How replicas are given up while nothing is wrong: what lives in one is asked to leave, and it goes only if nobody has
 * come meanwhile. One that others can do without first takes no more calls and finishes those it has.
 */
import { within } from '../core/within.ts'
import type { LivePost } from './launch.ts'
import type { ReplicaSet } from './replica-set.ts'
import { discard } from './replica-start.ts'
import type { Home } from './home.ts'

export interface RestingDeps {
  readonly set: ReplicaSet<LivePost>
  readonly wallMs: number
  readonly onRest: ((home: Home) => Promise<void>) | undefined
}

export interface Resting {
  /** Has what lives in it leave; resolves when it has, or `deadlineMs` (milliseconds) have passed. */
  rest(post: LivePost, deadlineMs: number): Promise<void>
  /** Gives up an idle replica; calls that come meanwhile keep it. */
  hibernate(post: LivePost): void
  /** Begins to give up one of several. */
  retire(): void
  /** Goes on with that. */
  tick(nowMs: number): void
  /** One of several is on its way out. */
  readonly isRetiring: boolean
}

export function createResting({ set, wallMs, onRest }: RestingDeps): Resting {
  let retiring: { readonly post: LivePost; readonly untilMs: number; asked: boolean } | undefined

  /** A drain may come while a replica is being given up anyway: whoever lives there is asked once. */
  const leaving = new Map<LivePost, Promise<void>>()

  const isIdle = (post: LivePost): boolean =>
    post.turnCount === 0 && post.pinnedCount === 0 && post.queue.length === 0

  const giveUp = (post: LivePost): void => {
    if (set.remove(post)) discard(post.replica, post.cell)
  }

  const askToLeave = (post: LivePost, ask: (home: Home) => Promise<void>): Promise<void> => {
    post.replica.setResting(true)
    return ask(post.home)
      .catch(() => undefined)
      .finally(() => leaving.delete(post))
  }

  const rest = async (post: LivePost, deadlineMs: number): Promise<void> => {
    if (onRest === undefined) return
    const left = leaving.get(post) ?? askToLeave(post, onRest)
    leaving.set(post, left)
    await within(deadlineMs, left)
  }

  const hibernateGently = async (post: LivePost): Promise<void> => {
    if (post.home.resting) return
    await rest(post, wallMs)
    if (isIdle(post)) giveUp(post)
    else post.replica.setResting(false)
  }

  const stay = (post: LivePost): void => {
    retiring = undefined
    post.replica.setResting(false)
    set.reopen(post)
  }

  return {
    rest,
    hibernate(post) {
      if (onRest === undefined) giveUp(post)
      else void hibernateGently(post)
    },
    retire() {
      if (retiring !== undefined) return
      // A socket may stay open for days; the last one that came goes first.
      const post = set.open.findLast(({ replica, home }) => replica.lastingTurns === 0 && !home.resting)
      if (post === undefined || !set.shut(post)) return
      post.replica.setResting(true)
      retiring = { post, untilMs: performance.now() + wallMs, asked: false }
    },
    tick(nowMs) {
      if (retiring === undefined) return
      const { post, asked, untilMs } = retiring
      if (post.replica.gone) retiring = undefined
      else if (!asked && post.sharedTurns === 0) {
        retiring.asked = true
        void rest(post, wallMs).then(() => {
          if (retiring?.post !== post) return
          if (!isIdle(post)) return stay(post)
          retiring = undefined
          giveUp(post)
        })
      } else if (!asked && nowMs > untilMs) stay(post)
    },
    get isRetiring() {
      return retiring !== undefined
    },
  }
}
