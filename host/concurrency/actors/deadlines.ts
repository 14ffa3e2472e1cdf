/**
 * Ends messages at their deadlines: one coarse timer for all, since most are answered long before. The kernel keeps deadlines
 * too, and more exactly; this is for messages that wait in the host and for guests that do not answer.
 */
export interface Deadlines {
  /** `expire` is called once `atMs` (performance.now() milliseconds) has passed, unless the result is called before. */
  watch(atMs: number, expire: () => void): () => void
  close(): void
}

interface Watched {
  readonly atMs: number
  readonly expire: () => void
}

const TICK_MS = 50
/** The kernel's own word on it is better, if it comes. */
const GRACE_MS = 50

export function createDeadlines(): Deadlines {
  const all = new Set<Watched>()
  let timer: NodeJS.Timeout | undefined

  const tick = (): void => {
    const nowMs = performance.now()
    for (const watched of all) {
      if (watched.atMs > nowMs) continue
      all.delete(watched)
      watched.expire()
    }
    if (all.size > 0) return
    clearInterval(timer)
    timer = undefined
  }

  return {
    watch(atMs, expire) {
      const watched: Watched = { atMs: atMs + GRACE_MS, expire }
      all.add(watched)
      timer ??= setInterval(tick, TICK_MS).unref()
      return () => void all.delete(watched)
    },
    close() {
      clearInterval(timer)
      timer = undefined
      all.clear()
    },
  }
}
