/**
 * Bytes that a guest sends in parts, as something to iterate over: they wait here until they are pulled, and pulling gives
 * the guest credit for more, so that a slow reader slows the guest.
 */
import { ProtocolViolation } from '../../sandbox/protocol/frame-reader.ts'

/** Bytes that an honest guest may be ahead: its credit, and one part that an entry bounds (sandbox/guest-host.ts). */
const MAX_AHEAD_BYTES = 32 * 1024 * 1024
/** What was pulled is acknowledged in lots of this size. */
const GRANT_BYTES = 131_072

/** `grant` gives the guest leave for so many more bytes; `onReturn`: the reader wants no more. */
export class ByteQueue implements AsyncIterableIterator<Buffer> {
  readonly #grant: (bytes: number) => void
  readonly #queue: Buffer[] = []
  #queued = 0
  #ungranted = 0
  #state: 'open' | 'complete' | 'broken' = 'open'
  #waiting:
    | { resolve(result: IteratorResult<Buffer, undefined>): void; reject(reason: unknown): void }
    | undefined

  readonly #onReturn: () => void

  constructor(grant: (bytes: number) => void, onReturn: () => void = () => undefined) {
    this.#grant = grant
    this.#onReturn = onReturn
  }

  push(part: Buffer): void {
    if (this.#state !== 'open' || part.length === 0) return
    const waiting = this.#waiting
    if (waiting !== undefined) {
      this.#waiting = undefined
      this.#taken(part)
      return waiting.resolve({ done: false, value: part })
    }
    this.#queue.push(part)
    this.#queued += part.length
    if (this.#queued > MAX_AHEAD_BYTES) throw new ProtocolViolation('A body runs ahead of its credit')
  }

  end(broken: boolean): void {
    if (this.#state !== 'open') return
    this.#state = broken ? 'broken' : 'complete'
    const waiting = this.#waiting
    this.#waiting = undefined
    if (broken) waiting?.reject(brokenOff())
    else waiting?.resolve({ done: true, value: undefined })
  }

  async next(): Promise<IteratorResult<Buffer, undefined>> {
    const part = this.#queue.shift()
    if (part !== undefined) {
      this.#queued -= part.length
      this.#taken(part)
      return { done: false, value: part }
    }
    if (this.#state === 'complete') return { done: true, value: undefined }
    if (this.#state === 'broken') throw brokenOff()
    return await new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject }
    })
  }

  async return(): Promise<IteratorResult<Buffer, undefined>> {
    this.#queue.length = 0
    this.end(true)
    this.#onReturn()
    return { done: true, value: undefined }
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  #taken(part: Buffer): void {
    this.#ungranted += part.length
    if (this.#ungranted < GRANT_BYTES) return
    this.#grant(this.#ungranted)
    this.#ungranted = 0
  }
}

const brokenOff = (): Error => new Error('The guest broke the body off')
