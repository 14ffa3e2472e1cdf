/** What is counted of durable events. Every method is cheap and never throws. */
export interface DurableMeter {
  /** Published: stored, or a duplicate. */
  stored(isDuplicate: boolean): void
  /** The log refused: it is full, or away. */
  refused(): void
  handled(): void
  retried(): void
  dead(): void
}
