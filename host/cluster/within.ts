/** Waiting that a NATS which is gone does not hold up. */

/** Resolves with the work, or after the time. */
export async function within(ms: number, work: Promise<void>): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, ms)
  await Promise.race([work, promise])
  clearTimeout(timer)
}
