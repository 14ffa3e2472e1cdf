/** The other half of requests between nodes: gives what was asked to who serves it, and its outcome to where the answer goes. */
import { VelaError } from '../../core/errors.ts'
import type { PeerContext, PeerHandler, PeerMessage } from './types.ts'
import { type Decoded, describeError } from './wire.ts'

export interface Asked {
  /** The node that asks. */
  readonly from: string
  /** Where the answer goes: what `left` is told, and unlike that of any other request. */
  readonly to: string
  /** Never throws for an 'E'. Throws for an answer that is too large. */
  answer(kind: 'A' | 'E', message: PeerMessage): void
}

export interface Serving {
  take(asked: Asked, decoded: Decoded, handler: PeerHandler): void
  /** Nobody waits for the answer any more. */
  left(to: string): void
  /** Likewise for all whose answers go to something that begins so. */
  leftAll(prefix: string): void
}

export function createServing(mostServed: number): Serving {
  /** Served just now, by where their answers go. */
  const served = new Map<string, () => void>()

  const answer = (asked: Asked, message: PeerMessage): void => {
    try {
      asked.answer('A', message)
    } catch (thrown) {
      asked.answer('E', { header: describeError(thrown) })
    }
  }

  return {
    take(asked, decoded, handler) {
      const { from, to } = asked
      if (served.size >= mostServed) {
        const error = new VelaError('VELA_CELL_OVERLOADED', 'The node serves too many requests of others')
        return asked.answer('E', { header: describeError(error) })
      }
      let controller: AbortController | undefined
      let isOver = false
      const context: PeerContext = {
        from,
        get signal() {
          controller ??= new AbortController()
          if (isOver) controller.abort()
          return controller.signal
        },
      }
      served.set(to, () => {
        isOver = true
        controller?.abort()
      })
      const failed = (thrown: unknown): void => {
        served.delete(to)
        asked.answer('E', { header: describeError(thrown) })
      }
      const finish = (given: PeerMessage): void => {
        served.delete(to)
        answer(asked, given)
      }
      try {
        const result = handler(decoded, context)
        if (result instanceof Promise) result.then(finish, failed)
        else finish(result)
      } catch (thrown) {
        failed(thrown)
      }
    },
    left: (to) => served.get(to)?.(),
    leftAll(prefix) {
      for (const [to, abort] of served) if (to.startsWith(prefix)) abort()
    },
  }
}
