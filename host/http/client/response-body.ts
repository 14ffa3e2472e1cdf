/**
 * The bytes of a response between the socket and whoever reads: a bounded queue that stops the socket when it is full
 * and is pulled as an async iterable. Whoever holds one reads it to its end or cancels it; until then it keeps a
 * connection. Small chunks that have gathered are handed over as one, so that a server which sends single bytes
 * costs one step for many.
 */
const HIGH_WATER_BYTES = 64 * 1024
const MOST_CHUNKS = 512
/** What is read away, to keep a connection, of a body that nobody wants. */
const DISCARD_BYTES = 64 * 1024

type Result = IteratorResult<Buffer, undefined>

export interface Flow {
  resume(): void
  /** Ends the exchange; the connection is closed. */
  cancel(): void
}

export interface ClientBody extends AsyncIterableIterator<Buffer, undefined> {
  /** What is unread, if all of the body has arrived; then there is nothing more to read. */
  takeWhole(): Buffer | undefined
  /** Nobody wants (more of) it. */
  cancel(): void
  return(): Promise<Result>
}

export class ResponseBody implements ClientBody {
  readonly #flow: Flow
  #chunks: Buffer[] = []
  #queuedBytes = 0
  #full = false
  #state: 'open' | 'ended' | 'failed' | 'unwanted' = 'open'
  #discarded = 0
  #failure: unknown
  #reader: { resolve: (result: Result) => void; reject: (reason: unknown) => void } | undefined

  constructor(flow: Flow) {
    this.#flow = flow
  }

  /** False: stop the socket until `resume`. */
  push(chunk: Buffer): boolean {
    if (this.#state === 'unwanted') {
      this.#discarded += chunk.length
      if (this.#discarded > DISCARD_BYTES) this.#flow.cancel()
      return true
    }
    const reader = this.#reader
    if (reader !== undefined) {
      this.#reader = undefined
      reader.resolve({ done: false, value: chunk })
      return true
    }
    this.#chunks.push(chunk)
    this.#queuedBytes += chunk.length
    this.#full = this.#queuedBytes >= HIGH_WATER_BYTES || this.#chunks.length >= MOST_CHUNKS
    return !this.#full
  }

  end(): void {
    if (this.#state === 'open') this.#state = 'ended'
    this.#reader?.resolve({ done: true, value: undefined })
    this.#reader = undefined
  }

  /** What is queued is dropped: a body that failed is not to be taken for a short one. */
  fail(reason: unknown): void {
    if (this.#state === 'open') {
      this.#state = 'failed'
      this.#failure = reason
      this.#drop()
    }
    this.#reader?.reject(reason)
    this.#reader = undefined
  }

  next(): Promise<Result> {
    const chunk = this.#take()
    if (chunk !== undefined) return Promise.resolve({ done: false, value: chunk })
    if (this.#state === 'failed') return Promise.reject(this.#failure)
    if (this.#state !== 'open') return Promise.resolve({ done: true, value: undefined })
    return new Promise((resolve, reject) => {
      this.#reader = { resolve, reject }
    })
  }

  return(): Promise<Result> {
    this.cancel()
    return Promise.resolve({ done: true, value: undefined })
  }

  takeWhole(): Buffer | undefined {
    return this.#state === 'ended' ? (this.#take() ?? Buffer.alloc(0)) : undefined
  }

  cancel(): void {
    const open = this.#state === 'open'
    this.#state = open ? 'unwanted' : this.#state
    this.#drop()
    this.end()
    if (open) this.#flow.cancel()
  }

  /** Nobody will read it: a short rest is read away, and a long one closes the connection. */
  discard(): void {
    if (this.#state !== 'open') return this.#drop()
    this.#state = 'unwanted'
    this.#discarded = this.#queuedBytes
    const full = this.#full
    this.#drop()
    if (this.#discarded > DISCARD_BYTES) this.#flow.cancel()
    else if (full) this.#flow.resume()
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  #take(): Buffer | undefined {
    if (this.#chunks.length === 0) return undefined
    const chunk = this.#chunks.length === 1 ? this.#chunks[0] : Buffer.concat(this.#chunks)
    const full = this.#full
    this.#drop()
    if (full) this.#flow.resume()
    return chunk
  }

  #drop(): void {
    this.#chunks = []
    this.#queuedBytes = 0
    this.#full = false
  }
}
