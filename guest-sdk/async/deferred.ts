/** A promise whose outcome is decided from outside. */
export interface Deferred<Value> {
  readonly promise: Promise<Value>
  /** Only the first of `resolve` and `reject` counts. */
  resolve(value: Value | PromiseLike<Value>): void
  reject(reason: unknown): void
}

export function deferred<Value = void>(): Deferred<Value> {
  let resolve!: Deferred<Value>['resolve']
  let reject!: Deferred<Value>['reject']
  const promise = new Promise<Value>((fulfil, fail) => {
    resolve = fulfil
    reject = fail
  })
  return { promise, resolve, reject }
}

/** A rejection that nobody waits for is no accident here: who wants to know asks. */
export function quiet<Value>(promise: Promise<Value>): Promise<Value> {
  promise.catch(() => undefined)
  return promise
}

export const isThenable = (value: unknown): value is PromiseLike<unknown> =>
  typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
