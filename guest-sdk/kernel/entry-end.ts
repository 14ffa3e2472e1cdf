/** What is to be done once before an entry leaves: whoever gathers in it sends what was gathered as one call. */
export interface EntryEnd {
  add(callback: () => void): void
  /** Runs what was added, and what that adds. Whether there was any. */
  run(): boolean
}

export function createEntryEnd(onError: (thrown: unknown) => void): EntryEnd {
  let first: Item | undefined
  let last: Item | undefined
  return {
    add(callback) {
      const item = { callback, next: undefined }
      if (last === undefined) first = item
      else last.next = item
      last = item
    },
    run() {
      const hasAny = first !== undefined
      for (let item = first; item !== undefined; item = item.next) {
        try {
          item.callback()
        } catch (thrown) {
          onError(thrown)
        }
      }
      first = undefined
      last = undefined
      return hasAny
    },
  }
}

interface Item {
  readonly callback: () => void
  next: Item | undefined
}
