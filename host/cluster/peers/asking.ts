/**
 * The asker's half of requests between nodes. A request settles once: by its answer, its deadline, its caller's leaving, or the loss of the
 * node or of the way it took; and it is never sent twice.
 */
import { createDeadlines } from '../../concurrency/actors/deadlines.ts'
import { VelaError } from '../../core/errors.ts'
import type { PeerMessage, PeerOptions, PeerReceived } from './types.ts'
import { type Decoded, KIND, readError } from './wire.ts'

/** How requests get to one node. */
export interface Way {
  /** Throws for what cannot be sent. */
  send(id: string, op: string, message: PeerMessage): void
  /** Nobody waits for the answer any more. */
  leave(id: string): void
}

export interface Asking {
  request(
    node: string,
    way: Way,
    op: string,
    message: PeerMessage,
    options: PeerOptions,
  ): Promise<PeerReceived>
  answered(id: string, decoded: Decoded): void
  /** Nobody serves it there: nothing was done. */
  unserved(id: string): void
  /** They may have been done or not. */
  lose(why: string, isMeant: (node: string, way: Way) => boolean): void
  readonly waiting: number
  close(): void
}

/** Requests of this node that may wait at once. */
const MOST_WAITING = 20_000

interface Waiting {
  readonly node: string
  readonly way: Way
  resolve(received: PeerReceived): void
  reject(error: Error): void
}

export function createAsking(): Asking {
  const deadlines = createDeadlines()
  const waiting = new Map<string, Waiting>()
  let count = 0

  const take = (id: string): Waiting | undefined => {
    const one = waiting.get(id)
    waiting.delete(id)
    return one
  }

  return {
    request(node, way, op, message, { deadlineMs, signal }) {
      if (waiting.size >= MOST_WAITING) {
        const words = `${MOST_WAITING} requests to other nodes wait already; retry later`
        return Promise.reject(new VelaError('VELA_CELL_OVERLOADED', words))
      }
      if (signal?.aborted === true) return Promise.reject(canceled())
      const { promise, resolve, reject } = Promise.withResolvers<PeerReceived>()
      const id = (++count).toString(36)
      const end = (): void => {
        unwatch()
        signal?.removeEventListener('abort', leave)
      }
      const giveUp = (error: VelaError): void => {
        if (take(id) === undefined) return
        end()
        way.leave(id)
        reject(error)
      }
      const leave = (): void => giveUp(canceled())
      const unwatch = deadlines.watch(deadlineMs, () =>
        giveUp(new VelaError('VELA_TASK_TIMEOUT', `The node ${node} did not answer in time`)),
      )
      signal?.addEventListener('abort', leave, { once: true })
      waiting.set(id, {
        node,
        way,
        resolve(received) {
          end()
          resolve(received)
        },
        reject(error) {
          end()
          reject(error)
        },
      })
      try {
        way.send(id, op, message)
      } catch (thrown) {
        take(id)?.reject(thrown instanceof VelaError ? thrown : lost('The request could not be sent'))
      }
      return promise
    },
    answered(id, decoded) {
      const one = take(id)
      if (one === undefined) return
      if (decoded.kind === KIND.answer) one.resolve(decoded)
      else if (decoded.kind === KIND.error) one.reject(readError(decoded.header))
      else one.reject(lost(`The node ${one.node} answered with something that is no answer`))
    },
    unserved(id) {
      const one = take(id)
      one?.reject(lost(`The node ${one.node} does not serve this (any more)`))
    },
    lose(why, isMeant) {
      for (const [id, one] of waiting) {
        if (!isMeant(one.node, one.way)) continue
        waiting.delete(id)
        one.reject(lost(why))
      }
    },
    get waiting() {
      return waiting.size
    },
    close() {
      deadlines.close()
      this.lose('This host goes down', () => true)
    },
  }
}

const lost = (message: string): VelaError => new VelaError('VELA_NODE_LOST', message)
const canceled = (): VelaError => new VelaError('VELA_TURN_CANCELED', 'The caller went away')
