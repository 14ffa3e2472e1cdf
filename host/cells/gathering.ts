/**
 * When a batch goes: after the turn of the event loop in which its first call came, so that all that the loop had to
 * read is in it. If fewer calls wait than the last batch carried, one turn more: clients that were just answered
 * are about to ask again, and a turn of the loop costs less than a batch for each of them.
 */
export interface Gathering {
  /** A call (or other word for a guest) has come. */
  note(): void
  /** Sees to it that `flush` runs soon; once, however often it is asked. */
  schedule(): void
}

export function createGathering(flush: () => void): Gathering {
  let scheduled = false
  let noted = 0
  let notedLast = 0
  const go = (): void => {
    scheduled = false
    notedLast = noted
    noted = 0
    flush()
  }
  const afterTurn = (): void => {
    if (noted < notedLast) setImmediate(go)
    else go()
  }
  return {
    note() {
      noted++
    },
    schedule() {
      if (scheduled) return
      scheduled = true
      setImmediate(afterTurn)
    },
  }
}
