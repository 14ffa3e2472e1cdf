/** What the container stands on inside a guest: what the kernel knows of turns, actors and bindings. It gives no power that `env` does not. */

/** A turn or an instance of an actor, as far as it has things of its own. */
export interface Life {
  readonly kind: 'request' | 'actor'
  /** `ctx`, as handlers and actors have it. */
  readonly context: object
  /** True when nothing can be its own any more. */
  readonly isOver: boolean
  /** What `env` has under that name, on its behalf; undefined: nothing. */
  binding(name: string, deadlineMs: number | undefined): unknown
  /** Runs once, as the last thing of it: it is over when the promise is settled, which never rejects. */
  atEnd(work: () => Promise<void>): void
  /** Runs guest code on its behalf. */
  within(work: () => void): void
}

export interface WiringKit {
  /** Of a `ctx`; undefined: it is none. */
  lifeOf(context: unknown): Life | undefined
  /** Of the turn whose synchronous part runs now. */
  currentLife(): Life | undefined
  /** On nobody's behalf: what `import { env }` has. */
  binding(name: string, deadlineMs: number | undefined): unknown
  has(binding: string): boolean
  /** Runs guest code on nobody's behalf, so that no turn's end ends what it began. */
  outside(work: () => void): void
  /** The host is told that the service does not work without it, and by which path. False: it starts no more, so nobody is told. */
  need(path: string, binding: string, hasDeadline: boolean): boolean
  createError(code: string, message: string, cause?: unknown): object
  reportError(thrown: unknown): void
}
