/**
 * What handlers get beside their request and `env`: `ctx`, and the controller of a scheduled run. Their fields are
 * private: a guest must not reach the turn through them.
 */
interface TurnLike {
  readonly requestId: string
}

/** What a context may ask of the turns. */
export interface ContextDeps<Turn> {
  readonly waitUntil: (turn: Turn, promise: unknown) => void
  readonly abortOf: (turn: Turn) => { readonly signal: object }
}

export class TurnContext<Turn extends TurnLike> {
  readonly #turn: Turn
  readonly #deps: ContextDeps<Turn>
  constructor(turn: Turn, deps: ContextDeps<Turn>) {
    this.#turn = turn
    this.#deps = deps
  }
  /** The turn of a context; undefined: it is none. */
  static turnOf(context: unknown): unknown {
    const isOne = typeof context === 'object' && context !== null && #turn in context
    return isOne ? context.#turn : undefined
  }
  get requestId(): string {
    return this.#turn.requestId
  }
  get props(): object {
    return {}
  }
  /** Aborts when nobody waits for the turn any more. */
  get signal(): object {
    return this.#deps.abortOf(this.#turn).signal
  }
  waitUntil(promise: unknown): void {
    this.#deps.waitUntil(this.#turn, promise)
  }
  passThroughOnException(): void {}
}

export class ScheduledController {
  readonly #cron: string
  readonly #scheduledTime: number
  constructor(cron: string, scheduledTime: number) {
    this.#cron = cron
    this.#scheduledTime = scheduledTime
  }
  get type(): string {
    return 'scheduled'
  }
  /** The schedule as the manifest has it. */
  get cron(): string {
    return this.#cron
  }
  /** The minute it stands for (milliseconds since the epoch). */
  get scheduledTime(): number {
    return this.#scheduledTime
  }
  /** There for Workers' code: a run that fails is never repeated. */
  noRetry(): void {}
}
