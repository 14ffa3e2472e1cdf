/**
 * Requests between nodes, over core NATS: one message there and one back, which is all that an ask of an actor elsewhere costs. A request
 * settles once: by its answer, its deadline, its caller's leaving, or the loss of the node or of NATS; and it is never sent twice.
 * Who may publish here has the cluster's credentials, and is trusted as far as they go; what comes is parsed with care all the same.
 */
import type { Msg } from '@nats-io/transport-node'
import { createDeadlines } from '../../concurrency/actors/deadlines.ts'
import { VelaError } from '../../core/errors.ts'
import type { Log } from '../../core/log.ts'
import type { Nats } from '../../nats/types.ts'
import type { Membership } from '../types.ts'
import type { PeerContext, PeerHandler, PeerMessage, PeerReceived, Peers } from './types.ts'
import { createAssembler, describeError, encodeMessage, KIND, readError } from './wire.ts'

export type { Peers } from './types.ts'

export interface PeersDeps {
  readonly nats: Pick<Nats, 'prefix' | 'connection' | 'state' | 'onState' | 'subscribe'>
  readonly membership: Pick<Membership, 'self' | 'isAlive' | 'onChange'>
  readonly log: Pick<Log, 'warn'>
  /** Requests of others that may be served at once; 10,000 if left out. */
  readonly mostServed?: number
}

/** Requests of this node that may wait at once. */
const MOST_WAITING = 20_000
const MOST_SERVED = 10_000
const DEFAULT_MAX_PAYLOAD = 1024 * 1024
/** NATS answers with this where nobody listens. */
const NO_RESPONDERS = 503
/** Opens the token that answers would go to, of messages that have none. */
const TAG = '-'

interface Waiting {
  readonly node: string
  resolve(received: PeerReceived): void
  reject(error: Error): void
}

export function createPeers(deps: PeersDeps): Peers {
  const { nats, membership, log, mostServed = MOST_SERVED } = deps
  const { self } = membership
  const subjectOf = (node: string, rest: string): string => `${nats.prefix}.n.${node}.${rest}`
  const replies = subjectOf(self, 'r.')
  const deadlines = createDeadlines()
  const waiting = new Map<string, Waiting>()
  /** Served just now, by what their answers go to. */
  const served = new Map<string, () => void>()
  const requestParts = createAssembler(() => performance.now())
  const answerParts = createAssembler(() => performance.now())
  const undelivered = new Set<(tag: string) => void>()
  let count = 0
  let closed = false

  const maxPayload = (): number => nats.connection.info?.max_payload ?? DEFAULT_MAX_PAYLOAD

  const publish = (
    subject: string,
    kind: 'R' | 'A' | 'E' | 'M',
    message: PeerMessage,
    reply?: string,
  ): void => {
    const { connection } = nats
    for (const payload of encodeMessage(kind, message, maxPayload()))
      connection.publish(subject, payload, reply === undefined ? {} : { reply })
  }

  const failAll = (error: () => VelaError, isMeant: (one: Waiting) => boolean): void => {
    for (const [id, one] of waiting) {
      if (!isMeant(one)) continue
      waiting.delete(id)
      one.reject(error())
    }
  }

  const onAnswer = (message: Msg): void => {
    const id = message.subject.slice(replies.length)
    if (id.startsWith(TAG)) {
      if (message.headers?.code !== NO_RESPONDERS) return
      for (const listener of undelivered) listener(id.slice(TAG.length))
      return
    }
    const one = waiting.get(id)
    if (one === undefined) return
    if (message.headers?.code === NO_RESPONDERS) {
      waiting.delete(id)
      return one.reject(lost(`The node ${one.node} does not serve this (any more)`))
    }
    const decoded = answerParts.take(id, message.data)
    if (decoded === undefined) return
    waiting.delete(id)
    if (decoded.kind === KIND.answer) one.resolve(decoded)
    else if (decoded.kind === KIND.error) one.reject(readError(decoded.header))
    else one.reject(lost(`The node ${one.node} answered with something that is no answer`))
  }

  const onRequest = (handler: PeerHandler, message: Msg): void => {
    const { reply } = message
    const from = reply === undefined ? undefined : senderOf(reply)
    if (reply === undefined || from === undefined) return
    const decoded = requestParts.take(reply, message.data)
    if (decoded?.kind !== KIND.request) return
    const answer = (kind: 'A' | 'E', given: PeerMessage): void => {
      // Nothing may be published while NATS is lost; who asked has been told by then.
      if (nats.state !== 'connected' || closed) return
      try {
        publish(reply, kind, given)
      } catch (thrown) {
        if (kind === 'A') publish(reply, 'E', { header: describeError(thrown) })
      }
    }
    if (served.size >= mostServed) {
      const error = new VelaError('VELA_CELL_OVERLOADED', 'The node serves too many requests of others')
      return answer('E', { header: describeError(error) })
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
    served.set(reply, () => {
      isOver = true
      controller?.abort()
    })
    const failed = (thrown: unknown): void => {
      served.delete(reply)
      answer('E', { header: describeError(thrown) })
    }
    const finish = (given: PeerMessage): void => {
      served.delete(reply)
      answer('A', given)
    }
    try {
      const result = handler(decoded, context)
      if (result instanceof Promise) result.then(finish, failed)
      else finish(result)
    } catch (thrown) {
      failed(thrown)
    }
  }

  const prefix = `${nats.prefix}.n.`
  const senderOf = (reply: string): string | undefined => {
    if (!reply.startsWith(prefix)) return undefined
    const end = reply.indexOf('.', prefix.length)
    return end < 0 ? undefined : reply.slice(prefix.length, end)
  }

  const subscriptions = new Set([
    nats.subscribe(`${replies}*`, onAnswer),
    // Nobody waits for what is named here any more.
    nats.subscribe(subjectOf(self, 'c'), (message) => {
      const reply = message.string()
      served.get(reply)?.()
    }),
    nats.onState((state) => {
      if (state === 'connected') return
      answerParts.clear()
      requestParts.clear()
      failAll(
        () => lost('The connection to NATS was lost while a node was asked; it may have done it or not'),
        () => true,
      )
    }),
    membership.onChange(() =>
      failAll(
        () => lost('The node is gone; it may have done what it was asked or not'),
        ({ node }) => !membership.isAlive(node),
      ),
    ),
  ])

  const add = (stop: () => void): (() => void) => {
    subscriptions.add(stop)
    return () => {
      subscriptions.delete(stop)
      stop()
    }
  }

  return {
    serve: (op, handler) =>
      add(nats.subscribe(subjectOf(self, op), (message) => onRequest(handler, message))),
    request(node, op, message, { deadlineMs, signal }) {
      if (nats.state !== 'connected' || closed)
        return Promise.reject(new VelaError('VELA_CLUSTER_UNAVAILABLE', 'NATS is lost; nothing was sent'))
      if (waiting.size >= MOST_WAITING) {
        const words = `${MOST_WAITING} requests to other nodes wait already; retry later`
        return Promise.reject(new VelaError('VELA_CELL_OVERLOADED', words))
      }
      if (signal?.aborted === true) return Promise.reject(canceled())
      const { promise, resolve, reject } = Promise.withResolvers<PeerReceived>()
      const id = (++count).toString(36)
      const reply = replies + id
      const end = (): void => {
        unwatch()
        signal?.removeEventListener('abort', leave)
      }
      const giveUp = (error: VelaError): void => {
        if (!waiting.delete(id)) return
        end()
        if (nats.state === 'connected' && !closed) nats.connection.publish(subjectOf(node, 'c'), reply)
        reject(error)
      }
      const leave = (): void => giveUp(canceled())
      const unwatch = deadlines.watch(deadlineMs, () =>
        giveUp(new VelaError('VELA_TASK_TIMEOUT', `The node ${node} did not answer in time`)),
      )
      signal?.addEventListener('abort', leave, { once: true })
      waiting.set(id, {
        node,
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
        publish(subjectOf(node, op), 'R', message, reply)
      } catch (thrown) {
        waiting.delete(id)
        end()
        reject(thrown instanceof VelaError ? thrown : lost('The request could not be sent'))
      }
      return promise
    },
    send(node, channel, message, tag = '') {
      if (nats.state !== 'connected' || closed) return false
      publish(subjectOf(node, channel), 'M', message, replies + TAG + tag)
      return true
    },
    onUndelivered(listener) {
      undelivered.add(listener)
      return () => undelivered.delete(listener)
    },
    listen: (channel, receive) =>
      add(
        nats.subscribe(subjectOf(self, channel), (message) => {
          const from = message.reply === undefined ? undefined : senderOf(message.reply)
          if (from === undefined) return
          const decoded = requestParts.take(`${channel} ${from}`, message.data)
          if (decoded?.kind !== KIND.message) return
          try {
            receive(decoded, from)
          } catch (error) {
            log.warn('message of a node', { message: 'not understood', from, error })
          }
        }),
      ),
    get waiting() {
      return waiting.size
    },
    close() {
      closed = true
      for (const stop of subscriptions) stop()
      subscriptions.clear()
      deadlines.close()
      for (const abort of served.values()) abort()
      failAll(
        () => lost('This host goes down'),
        () => true,
      )
    },
  }
}

const lost = (message: string): VelaError => new VelaError('VELA_NODE_LOST', message)
const canceled = (): VelaError => new VelaError('VELA_TURN_CANCELED', 'The caller went away')
