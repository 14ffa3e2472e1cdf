/** Bytes that the channels of one tenant may make the host hold. Who finds no room waits, and is called when there is some. */
export interface Budget {
  readonly usedBytes: number
  /** How many bytes too few are left for so many; 0 or less: none. */
  lacking(bytes: number): number
  /** False: not so much is left. */
  take(bytes: number): boolean
  give(bytes: number): void
  /** Calls back once, when something has been given. The same callback is noted once, however often it comes. */
  onRoom(callback: () => void): void
}

export function createBudget(limitBytes: number): Budget {
  let usedBytes = 0
  let waiting = new Set<() => void>()
  return {
    get usedBytes() {
      return usedBytes
    },
    lacking: (bytes) => usedBytes + bytes - limitBytes,
    take(bytes) {
      if (usedBytes + bytes > limitBytes) return false
      usedBytes += bytes
      return true
    },
    give(bytes) {
      if (bytes === 0) return
      usedBytes -= bytes
      if (waiting.size === 0) return
      const callbacks = waiting
      waiting = new Set()
      for (const callback of callbacks) callback()
    },
    onRoom: (callback) => void waiting.add(callback),
  }
}
