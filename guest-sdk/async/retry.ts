/** Doing work again when it fails, later each time. */
export interface RetryOptions {
  /** How often it is done at most, the first time included. */
  readonly times: number
  /** The pause after the first failure (milliseconds); 100 if not given. */
  readonly backoffMs?: number | undefined
  /** What each further pause is multiplied by; 2 if not given. */
  readonly factor?: number | undefined
  /** The longest pause (milliseconds); 30,000 if not given. */
  readonly maxBackoffMs?: number | undefined
  /** The part of a pause that is random, from 0 to 1, so that many who failed together do not come back together; 0 if not given. */
  readonly jitter?: number | undefined
  /** Whether this failure is worth another try; if not given, each is. */
  readonly retryIf?: ((error: unknown) => boolean) | undefined
}

export function checkRetry({
  times,
  backoffMs = 0,
  factor = 1,
  maxBackoffMs = 0,
  jitter = 0,
}: RetryOptions): void {
  const isGood =
    Number.isInteger(times) &&
    times >= 1 &&
    backoffMs >= 0 &&
    factor >= 1 &&
    maxBackoffMs >= 0 &&
    jitter >= 0 &&
    jitter <= 1
  if (isGood) return
  throw new RangeError(
    'retry: times is a whole number from 1, backoffMs and maxBackoffMs are milliseconds, factor is at least 1, jitter from 0 to 1',
  )
}

interface RetryDeps {
  /** Rejects when nobody wants it any more. */
  readonly sleep: (ms: number) => Promise<void>
  readonly random: () => number
}

export async function tryAgain<Value>(
  attempt: () => Promise<Value>,
  { times, backoffMs = 100, factor = 2, maxBackoffMs = 30_000, jitter = 0, retryIf }: RetryOptions,
  { sleep, random }: RetryDeps,
): Promise<Value> {
  let pauseMs = Math.min(backoffMs, maxBackoffMs)
  for (let count = 1; ; count++) {
    try {
      return await attempt()
    } catch (thrown) {
      if (count >= times || retryIf?.(thrown) === false) throw thrown
    }
    await sleep(pauseMs * (1 - jitter * random()))
    pauseMs = Math.min(pauseMs * factor, maxBackoffMs)
  }
}
