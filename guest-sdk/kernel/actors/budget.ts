/**
 * Messages that make further ones would let an entry never end. After so many of them the rest waits for the next entry, which goes by
 * the host and is metered, like everything that goes on.
 */
const MOST_PER_ENTRY = 5000

export interface Budget {
  /** False: `resume` is called in a later entry. */
  take(resume: () => void): boolean
  reset(): void
}

interface Waiting {
  readonly resume: () => void
  readonly next: Waiting | undefined
}

export function createBudget(later: (callback: () => void) => void): Budget {
  let left = MOST_PER_ENTRY
  let waiting: Waiting | undefined
  const resumeAll = (): void => {
    let first = waiting
    waiting = undefined
    for (; first !== undefined; first = first.next) first.resume()
  }
  return {
    take(resume) {
      if (left > 0) {
        left--
        return true
      }
      if (waiting === undefined) later(resumeAll)
      waiting = { resume, next: waiting }
      return false
    },
    reset() {
      left = MOST_PER_ENTRY
    },
  }
}
