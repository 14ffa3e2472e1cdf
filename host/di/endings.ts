/** What a level made and has to end: in reverse order, each awaited, all of it whatever fails. */

interface Ending {
  readonly name: string
  readonly instance: unknown
  readonly end: (instance: unknown) => unknown
}

export class Endings {
  readonly #list: Ending[] = []

  add(ending: Ending): void {
    this.#list.push(ending)
  }

  /** One whose making failed, so that those who try again and again leave nothing behind. What it throws is the lesser evil. */
  async end(instance: unknown): Promise<void> {
    const at = this.#list.findLastIndex((ending) => ending.instance === instance)
    const [failed] = at < 0 ? [] : this.#list.splice(at, 1)
    try {
      await failed?.end(instance)
    } catch {
      // Who asked hears why it could not be made.
    }
  }

  /** Resolves to what could not be ended, `[name, thrown]`. */
  async endAll(): Promise<readonly (readonly [string, unknown])[]> {
    const failures: (readonly [string, unknown])[] = []
    for (let last = this.#list.pop(); last !== undefined; last = this.#list.pop()) {
      try {
        const ended = last.end(last.instance)
        if (isThenable(ended)) await ended
      } catch (thrown) {
        failures.push([last.name, thrown])
      }
    }
    return failures
  }
}

const isThenable = (value: unknown): value is PromiseLike<unknown> =>
  typeof value === 'object' && value !== null && typeof Reflect.get(value, 'then') === 'function'
