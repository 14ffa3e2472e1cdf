/** What is being made asynchronously, until it is there: it stands in the place of the instance, and is seen by nobody outside. */
export class Pending {
  readonly promise: Promise<unknown>
  isSettled = false
  value: unknown

  /** `onFailed`: whoever asks next shall find nothing, and try again. */
  constructor(promise: Promise<unknown>, onFailed: () => void) {
    this.promise = promise.then(
      (value) => {
        this.isSettled = true
        this.value = value
        return value
      },
      (thrown: unknown) => {
        onFailed()
        throw thrown
      },
    )
    // Whoever waits hears of it; that nobody does is no accident of its own.
    this.promise.catch(() => undefined)
  }
}

/** The instance if it is there, else the same. */
export const settled = (value: unknown): unknown =>
  value instanceof Pending && value.isSettled ? value.value : value

/** The values when all are there: at once, or as a promise. */
export function whenAll(values: readonly unknown[]): readonly unknown[] | Promise<unknown[]> {
  if (!values.some((value) => value instanceof Pending)) return values
  return Promise.all(values.map((value) => (value instanceof Pending ? value.promise : value)))
}
