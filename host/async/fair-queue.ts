/**
 * What waits for a place, fairly between those who wait: each key's entries in their order, and the keys in turn, so
 * that one with many entries does not stand before one with few. Bounded; whoever has most can be made to give way.
 */
export interface FairQueue<Entry> {
  readonly length: number
  /** False: full. */
  push(key: string, entry: Entry): boolean
  /** Before all others; it was in before, so the bound does not apply. */
  putBack(key: string, entry: Entry): void
  /** Takes out the newest entry of the key that has most, if that is more than `key` will have; for whoever was full. */
  makeRoom(key: string): Entry | undefined
  peek(): Entry | undefined
  /** Takes out the next entry that may go now; undefined if there is none. */
  take(mayGo: (entry: Entry) => boolean): Entry | undefined
  /** Takes out one that is not wanted any more; false if it is not there. */
  remove(key: string, entry: Entry): boolean
  takeAll(): Entry[]
}

export function createFairQueue<Entry>(bound: number): FairQueue<Entry> {
  /** In the order of their turns: a key that was served goes to the end. */
  const lanes = new Map<string, Entry[]>()
  let length = 0

  const takeFrom = (key: string, lane: Entry[], index: number): Entry => {
    const [entry] = lane.splice(index, 1) as [Entry]
    length--
    lanes.delete(key)
    if (lane.length > 0) lanes.set(key, lane)
    return entry
  }

  return {
    get length() {
      return length
    },
    push(key, entry) {
      if (length >= bound) return false
      const lane = lanes.get(key)
      if (lane === undefined) lanes.set(key, [entry])
      else lane.push(entry)
      length++
      return true
    },
    putBack(key, entry) {
      const lane = lanes.get(key) ?? []
      lane.unshift(entry)
      // The first place of a Map is that of the key that was set first.
      const others = [...lanes].filter(([other]) => other !== key)
      lanes.clear()
      for (const [name, entries] of [[key, lane] as const, ...others]) lanes.set(name, entries)
      length++
    },
    makeRoom(key) {
      let longest: [string, Entry[]] | undefined
      for (const lane of lanes) if (lane[1].length > (longest?.[1].length ?? 0)) longest = lane
      if (longest === undefined || longest[1].length <= (lanes.get(key)?.length ?? 0) + 1) return undefined
      length--
      return longest[1].pop()
    },
    peek: () => lanes.values().next().value?.[0],
    take(mayGo) {
      for (const [key, lane] of lanes) {
        const index = lane.findIndex(mayGo)
        if (index >= 0) return takeFrom(key, lane, index)
      }
      return undefined
    },
    remove(key, entry) {
      const lane = lanes.get(key)
      const index = lane?.indexOf(entry) ?? -1
      if (lane === undefined || index < 0) return false
      lane.splice(index, 1)
      if (lane.length === 0) lanes.delete(key)
      length--
      return true
    },
    takeAll() {
      const all = [...lanes.values()].flat()
      lanes.clear()
      length = 0
      return all
    },
  }
}
