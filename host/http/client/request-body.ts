/**
 * The bytes of a streamed request on their way to the socket: counted against the cap, pulled only as fast as the
 * socket takes them, and let go at once when the exchange is over, even while the guest owes a chunk; undici alone
 * would wait for that chunk forever.
 */
import { VelaError } from '../../core/errors.ts'

type Result = IteratorResult<Uint8Array, undefined>

export class RequestBody implements AsyncIterableIterator<Uint8Array, undefined> {
  readonly #source: AsyncIterator<Uint8Array>
  readonly #mostBytes: number
  #bytes = 0
  #over = false
  #waiting: ((result: Result) => void) | undefined

  constructor(source: AsyncIterable<Uint8Array>, mostBytes: number) {
    this.#source = source[Symbol.asyncIterator]()
    this.#mostBytes = mostBytes
  }

  next(): Promise<Result> {
    if (this.#over) return Promise.resolve({ done: true, value: undefined })
    return new Promise((resolve, reject) => {
      this.#waiting = resolve
      this.#source.next().then(
        (result) => {
          if (result.done === true) return resolve({ done: true, value: undefined })
          this.#bytes += result.value.length
          if (this.#bytes <= this.#mostBytes) return resolve({ done: false, value: result.value })
          reject(bodyTooLarge(this.#mostBytes))
          this.stop()
        },
        (thrown: unknown) =>
          reject(new VelaError('VELA_FETCH_FAILED', 'the body of the request failed', { cause: thrown })),
      )
    })
  }

  return(): Promise<Result> {
    this.stop()
    return Promise.resolve({ done: true, value: undefined })
  }

  /** The exchange is over; idempotent. */
  stop(): void {
    if (this.#over) return
    this.#over = true
    this.#waiting?.({ done: true, value: undefined })
    // A source that is in the middle of a chunk ends after it; nobody waits for that.
    void Promise.resolve(this.#source.return?.()).catch(() => undefined)
  }

  [Symbol.asyncIterator](): this {
    return this
  }
}

export const bodyTooLarge = (mostBytes: number): VelaError =>
  new VelaError('VELA_FETCH_TOO_LARGE', `the body of the request is larger than ${mostBytes} bytes`)
