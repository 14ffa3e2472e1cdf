/**
 * Ends of which it is found out, when they are first used, where their channel is. What is asked meanwhile waits and goes on in its
 * order; if that host is lost, the next call finds another.
 */
import type { ChannelEnds } from '../../concurrency/channels/ends.ts'

export interface FoundEndsDeps {
  readonly find: () => Promise<string>
  /** `onMoved`: the channel is not at that node any more. */
  readonly open: (node: string, onMoved: () => void) => Found
}

/** `left` is called when nothing is asked of the ends any more. Ends that are broken are looked for again. */
interface Found {
  readonly ends: ChannelEnds & { readonly isBroken?: boolean }
  readonly left: () => void
}

interface Queued {
  readonly run: (ends: ChannelEnds) => void
  readonly fail: ((thrown: unknown) => void) | undefined
}

export function createFoundEnds({ find, open }: FoundEndsDeps): ChannelEnds {
  let found: Found | undefined
  let queue: Queued[] = []
  let isFinding = false

  const leave = (): void => {
    const before = found
    found = undefined
    before?.ends.leaveAll()
    before?.left()
  }

  const flush = ({ ends }: Found): void => {
    const queued = queue
    queue = []
    for (const { run, fail } of queued) {
      try {
        run(ends)
      } catch (thrown) {
        fail?.(thrown)
      }
    }
  }

  const begin = (): void => {
    isFinding = true
    find().then(
      (node) => {
        isFinding = false
        // Whoever asked has left meanwhile: ends that nobody uses would be kept for ever.
        if (queue.length === 0) return
        found = open(node, leave)
        flush(found)
      },
      (thrown: unknown) => {
        isFinding = false
        const queued = queue
        queue = []
        for (const { fail } of queued) fail?.(thrown)
      },
    )
  }

  const use = (run: Queued['run'], fail?: Queued['fail']): void => {
    if (found?.ends.isBroken === true) found = undefined
    if (found !== undefined) return run(found.ends)
    queue.push({ run, fail })
    if (!isFinding) begin()
  }

  return {
    get reservedBytes() {
      return found?.ends.reservedBytes ?? 0
    },
    put: (chunk, options, reply, fail) => use((ends) => ends.put(chunk, options, reply, fail), fail),
    take: (id, consumed, want, isEngaged, reply, fail) =>
      use((ends) => ends.take(id, consumed, want, isEngaged, reply, fail), fail),
    close: (reason) => use((ends) => ends.close(reason)),
    // Nothing is out of what has not been found yet, but for what is queued before it.
    rest: () => (found === undefined && queue.length === 0 ? undefined : use((ends) => ends.rest())),
    giveUp: (id) => (found === undefined && queue.length === 0 ? undefined : use((ends) => ends.giveUp(id))),
    leave: (id) => (found === undefined && queue.length === 0 ? undefined : use((ends) => ends.leave(id))),
    leaveAll() {
      queue = []
      leave()
    },
  }
}
