/** What the subscriptions of one tenant may make the host hold, and what all of them together hold. */

/** What all tenants hold. */
export class Ledger {
  items = 0
  characters = 0
  #onEmpty: (() => void)[] = []

  /** Resolves when nothing is held. */
  whenEmpty(): Promise<void> {
    if (this.items === 0) return Promise.resolve()
    return new Promise((resolve) => this.#onEmpty.push(resolve))
  }

  give(characters: number): void {
    this.items--
    this.characters -= characters
    if (this.items > 0 || this.#onEmpty.length === 0) return
    const callbacks = this.#onEmpty
    this.#onEmpty = []
    for (const callback of callbacks) callback()
  }
}

export class Budget {
  readonly #ledger: Ledger
  #free: number

  constructor(ledger: Ledger, limit: number) {
    this.#ledger = ledger
    this.#free = limit
  }

  get free(): number {
    return this.#free
  }

  /** For one event. False: not so much is left. */
  take(characters: number): boolean {
    if (characters > this.#free) return false
    this.#free -= characters
    this.#ledger.items++
    this.#ledger.characters += characters
    return true
  }

  give(characters: number): void {
    this.#free += characters
    this.#ledger.give(characters)
  }
}
