/**
 * Consumers of one copy are made on any server that has the stream, also on one that has died in the last minute or so, which NATS has not
 * noticed yet: then nobody answers, and the next one falls somewhere else. So who gets no answer soon asks again meanwhile.
 */

const AGAIN_MS = 1000
const MOST = 4

/** The first answer. What comes later is discarded. Rejects when all that were asked have. */
export async function hedged<Value>(
  ask: () => Promise<Value>,
  discard: (late: Value) => unknown,
): Promise<Value> {
  const { promise, resolve, reject } = Promise.withResolvers<Value>()
  let asked = 0
  let pending = 0
  let isSettled = false
  let timer: NodeJS.Timeout | undefined

  const settle = (tell: () => void): void => {
    isSettled = true
    clearTimeout(timer)
    tell()
  }
  const begin = (): void => {
    asked += 1
    pending += 1
    if (asked < MOST) timer = setTimeout(begin, AGAIN_MS)
    ask().then(
      (value) => {
        if (isSettled) void discard(value)
        else settle(() => resolve(value))
      },
      (error: unknown) => {
        pending -= 1
        if (!isSettled && pending === 0) settle(() => reject(error))
      },
    )
  }
  begin()
  return await promise
}
