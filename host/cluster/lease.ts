/**
 * This host's lease: renewed by heartbeats that the bucket has acknowledged, counted from when each was *sent*. Others wait longer
 * than the lease from when they *saw* it, which is later, so a host stops owning before anyone may think so. What is asked is computed
 * at that moment: a process that was stopped finds its lease gone before any of its timers has run.
 */
export interface LeaseDeps {
  readonly heartbeatMs: number
  readonly leaseMs: number
  /** One heartbeat; resolves when it is acknowledged. */
  readonly send: () => Promise<unknown>
  /** Won or lost. */
  readonly onChange: () => void
  readonly onFailure: (error: unknown) => void
}

export interface Lease {
  readonly held: boolean
  /** Milliseconds left of it; 0 when it is not held. */
  readonly leftMs: number
  start(): void
  /** A heartbeat now; resolves when it is acknowledged or has failed. */
  beat(): Promise<void>
  /** Gives it up; resolves when no heartbeat is on its way. */
  stop(): Promise<void>
}

export function createLease({ heartbeatMs, leaseMs, send, onChange, onFailure }: LeaseDeps): Lease {
  let acknowledgedMs = Number.NEGATIVE_INFINITY
  let stopped = false
  let told = false
  let beating: NodeJS.Timeout | undefined
  let expiry: NodeJS.Timeout | undefined
  const underWay = new Set<Promise<void>>()

  const leftMs = (): number => (stopped ? 0 : Math.max(0, acknowledgedMs + leaseMs - performance.now()))

  const tell = (): void => {
    const held = leftMs() > 0
    if (held !== told) {
      told = held
      onChange()
    }
    clearTimeout(expiry)
    // One more millisecond: timers may be early by a fraction.
    if (held) expiry = setTimeout(tell, leftMs() + 1).unref()
  }

  const attempt = async (): Promise<void> => {
    if (stopped) return
    const sentMs = performance.now()
    try {
      await send()
      // One that ran out before any timer could say so was lost all the same.
      tell()
      acknowledgedMs = Math.max(acknowledgedMs, sentMs)
      tell()
    } catch (error) {
      onFailure(error)
    }
  }

  const beat = async (): Promise<void> => {
    const work = attempt()
    underWay.add(work)
    await work
    underWay.delete(work)
  }

  return {
    get held() {
      return leftMs() > 0
    },
    get leftMs() {
      return leftMs()
    },
    start() {
      // Not one after the other: where NATS is slow, late acknowledgements renew as well.
      beating ??= setInterval(() => void beat(), heartbeatMs).unref()
      void beat()
    },
    beat,
    async stop() {
      clearInterval(beating)
      stopped = true
      tell()
      await Promise.all(underWay)
    },
  }
}
