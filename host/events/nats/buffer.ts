/** Events that were received and not yet taken, in order, with what they weigh. Its owner keeps the bound. */
import type { StoredEvent } from '../durable/log.ts'

export class EventBuffer {
  #items: { readonly stored: StoredEvent; readonly bytes: number }[] = []
  #head = 0
  bytes = 0

  get length(): number {
    return this.#items.length - this.#head
  }

  push(stored: StoredEvent, bytes: number): void {
    this.#items.push({ stored, bytes })
    this.bytes += bytes
  }

  /** The first ones: at most `limit` and so many bytes, but at least one if there is one. */
  take(limit: number, bytes: number): StoredEvent[] {
    const taken: StoredEvent[] = []
    let sum = 0
    for (let item = this.#items[this.#head]; item !== undefined; item = this.#items[this.#head]) {
      if (taken.length >= limit || (taken.length > 0 && sum + item.bytes > bytes)) break
      this.#head++
      sum += item.bytes
      taken.push(item.stored)
    }
    this.bytes -= sum
    if (this.length === 0) {
      this.#items = []
      this.#head = 0
    }
    return taken
  }
}
