/**
 * A body that did not come whole, of a request or with the answer of a capability: parts arrive as messages, and only under the credit that the
 * guest's own reading grants, so what waits here is bounded by one window.
 */
import { engineBytes, WORTHWHILE_BYTES } from './engine-bytes.ts'
import { FROM_GUEST } from './messages.ts'
import { PromiseOf, charCodeAt } from './primordials.ts'
import type { Outbox } from './outbox.ts'

const WINDOW_BYTES = 262_144

export interface Inbound {
  pull(): Promise<Uint8Array | undefined>
  cancel(reason: unknown): void
  /** A part came; `last`: 0 more follows, 1 complete, 2 broke off. */
  push(part: string, last: number): void
  /** Breaks it off from this side: reading rejects with `reason`. */
  fail(reason: unknown): void
}

/** `onOver`: no more parts will come, or none are wanted. */
export function createInbound(id: number, outbox: Outbox, onOver: () => void = () => undefined): Inbound {
  let queue: Uint8Array[] = []
  let state: 'open' | 'complete' | 'broken' | 'canceled' = 'open'
  let credit = 0
  let waiting: { resolve(part: Uint8Array | undefined): void; reject(reason: unknown): void } | undefined
  let failure: { reason: unknown } | undefined
  const brokenOff = (): unknown =>
    failure === undefined ? new TypeError('The body broke off: the other side went away') : failure.reason

  const grant = (): void => {
    if (state !== 'open' || credit > WINDOW_BYTES / 2) return
    const bytes = WINDOW_BYTES - credit
    credit += bytes
    outbox.add(`[${FROM_GUEST.credit},${id},${bytes}]`, '')
  }

  const push = (part: string, last: number): void => {
    if (state !== 'open') return
    credit -= part.length
    if (part !== '') queue[queue.length] = bytesOf(part)
    if (last === 1) state = 'complete'
    else if (last === 2) state = 'broken'
    if (last !== 0) onOver()
    const reader = waiting
    if (reader === undefined) return
    const next = queue[0]
    if (next !== undefined) {
      queue = queue.slice(1)
      grant()
      reader.resolve(next)
    } else if (state === 'complete') reader.resolve(undefined)
    else if (state === 'broken') reader.reject(brokenOff())
    else return
    waiting = undefined
  }

  return {
    pull() {
      return new PromiseOf((resolve, reject) => {
        const part = queue[0]
        if (part !== undefined) {
          queue = queue.slice(1)
          grant()
          resolve(part)
        } else if (state === 'complete' || state === 'canceled') resolve(undefined)
        else if (state === 'broken') reject(brokenOff())
        else {
          waiting = { resolve, reject }
          grant()
        }
      })
    },
    cancel() {
      if (state !== 'open') return
      state = 'canceled'
      queue = []
      outbox.add(`[${FROM_GUEST.credit},${id},0]`, '')
      onOver()
    },
    fail(reason) {
      failure = { reason }
      push('', 2)
    },
    push,
  }
}

export function bytesOf(byteString: string): Uint8Array {
  if (engineBytes !== undefined && byteString.length > WORTHWHILE_BYTES)
    return new Uint8Array(engineBytes.toBuffer(byteString))
  const bytes = new Uint8Array(byteString.length)
  for (let at = 0; at < bytes.length; at++) bytes[at] = charCodeAt(byteString, at)
  return bytes
}
