/**
 * The two queues that channels are made of: a ring of values, and a list of those who wait, any of whom may give up. Neither
 * calls a method that code around it could have replaced.
 */
export class Ring<Item> {
  #items: (Item | undefined)[] = []
  #first = 0
  #size = 0

  get size(): number {
    return this.#size
  }

  /** Only while `size` is not 0. */
  get first(): Item {
    return this.#items[this.#first] as Item
  }

  push(item: Item): void {
    if (this.#size === this.#items.length) this.#grow()
    this.#items[(this.#first + this.#size++) & (this.#items.length - 1)] = item
  }

  /** Only while `size` is not 0. */
  shift(): Item {
    const item = this.#items[this.#first] as Item
    this.#items[this.#first] = undefined
    this.#first = (this.#first + 1) & (this.#items.length - 1)
    this.#size--
    return item
  }

  clear(): void {
    this.#items = []
    this.#first = 0
    this.#size = 0
  }

  /** Lengths are powers of two. */
  #grow(): void {
    const items: (Item | undefined)[] = []
    const length = this.#size === 0 ? 8 : this.#size * 2
    for (let index = 0; index < length; index++) {
      items[index] = index < this.#size ? this.#items[(this.#first + index) & (this.#size - 1)] : undefined
    }
    this.#items = items
    this.#first = 0
  }
}

export interface Place<Item> {
  readonly item: Item
  before: Place<Item> | undefined
  after: Place<Item> | undefined
  listed: boolean
}

/** In the order they came; leaving costs the same from anywhere. */
export class WaitingList<Item> {
  #first: Place<Item> | undefined
  #last: Place<Item> | undefined
  #size = 0

  get size(): number {
    return this.#size
  }

  get first(): Item | undefined {
    return this.#first?.item
  }

  add(item: Item): Place<Item> {
    const place: Place<Item> = { item, before: this.#last, after: undefined, listed: true }
    if (this.#last === undefined) this.#first = place
    else this.#last.after = place
    this.#last = place
    this.#size++
    return place
  }

  remove(place: Place<Item>): void {
    if (!place.listed) return
    place.listed = false
    if (place.before === undefined) this.#first = place.after
    else place.before.after = place.after
    if (place.after === undefined) this.#last = place.before
    else place.after.before = place.before
    this.#size--
  }

  shift(): Item | undefined {
    const place = this.#first
    if (place === undefined) return undefined
    this.remove(place)
    return place.item
  }

  /** The callback may remove what it is called with. False ends it. */
  each(callback: (item: Item, place: Place<Item>) => boolean | void): void {
    for (let place = this.#first; place !== undefined;) {
      const { after } = place
      if (place.listed && callback(place.item, place) === false) return
      place = after
    }
  }
}
