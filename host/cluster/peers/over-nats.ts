/**
 * Messages between nodes over core NATS: a subject for each node and operation, and one that answers come back to. Who may publish here has
 * the cluster's credentials, and is trusted as far as they go; what comes is parsed with care all the same.
 */
import type { Msg } from '@nats-io/transport-node'
import type { Nats } from '../../nats/types.ts'
import type { Asking, Way } from './asking.ts'
import type { Serving } from './serving.ts'
import type { PeerHandler, PeerMessage, PeerReceived } from './types.ts'
import { createAssembler, encodeMessage, KIND } from './wire.ts'

export interface OverNatsDeps {
  readonly nats: Pick<Nats, 'prefix' | 'connection' | 'maxPayload' | 'state' | 'onState' | 'subscribe'>
  readonly self: string
  readonly asking: Asking
  readonly serving: Serving
  /** What was sent with this tag reached nobody. */
  readonly undelivered: (tag: string) => void
}

export interface OverNats {
  to(node: string): Way
  /** Returns how to stop. */
  serve(op: string, handler: PeerHandler): () => void
  send(node: string, channel: string, message: PeerMessage, tag: string): void
  /** Returns how to stop. */
  listen(channel: string, receive: (received: PeerReceived, from: string) => void): () => void
  close(): void
}

/** NATS answers with this where nobody listens. */
const NO_RESPONDERS = 503
/** Opens the token that answers would go to, of messages that have none. */
const TAG = '-'
const LEFT = 'c'

export function createOverNats(deps: OverNatsDeps): OverNats {
  const { nats, self, asking, serving, undelivered } = deps
  const prefix = `${nats.prefix}.n.`
  const subjectOf = (node: string, rest: string): string => `${prefix}${node}.${rest}`
  const replies = subjectOf(self, 'r.')
  const requestParts = createAssembler(() => performance.now())
  const answerParts = createAssembler(() => performance.now())
  let isClosed = false

  /** Nothing may be published while NATS is lost; who waits has been told by then. */
  const isOpen = (): boolean => nats.state === 'connected' && !isClosed

  const publish = (
    subject: string,
    kind: 'R' | 'A' | 'E' | 'M',
    message: PeerMessage,
    reply?: string,
  ): void => {
    const { connection } = nats
    for (const payload of encodeMessage(kind, message, nats.maxPayload))
      connection.publish(subject, payload, reply === undefined ? {} : { reply })
  }

  const senderOf = (reply: string | undefined): string | undefined => {
    if (reply?.startsWith(prefix) !== true) return undefined
    const end = reply.indexOf('.', prefix.length)
    return end < 0 ? undefined : reply.slice(prefix.length, end)
  }

  const onAnswer = (message: Msg): void => {
    const id = message.subject.slice(replies.length)
    const nobody = message.headers?.code === NO_RESPONDERS
    if (id.startsWith(TAG)) {
      if (nobody) undelivered(id.slice(TAG.length))
      return
    }
    if (nobody) return asking.unserved(id)
    const decoded = answerParts.take(id, message.data)
    if (decoded !== undefined) asking.answered(id, decoded)
  }

  const onRequest = (handler: PeerHandler, message: Msg): void => {
    const { reply: to } = message
    const from = senderOf(to)
    if (to === undefined || from === undefined) return
    const decoded = requestParts.take(to, message.data)
    if (decoded?.kind !== KIND.request) return
    const answer = (kind: 'A' | 'E', given: PeerMessage): void => {
      if (isOpen()) publish(to, kind, given)
    }
    serving.take({ from, to, answer }, decoded, handler)
  }

  const stops = new Set([
    nats.subscribe(`${replies}*`, onAnswer),
    nats.subscribe(subjectOf(self, LEFT), (message) => serving.left(message.string())),
    nats.onState((state) => {
      if (state === 'connected') return
      answerParts.clear()
      requestParts.clear()
    }),
  ])

  const add = (stop: () => void): (() => void) => {
    stops.add(stop)
    return () => {
      stops.delete(stop)
      stop()
    }
  }

  return {
    to: (node) => ({
      send: (id, op, message) => publish(subjectOf(node, op), KIND.request, message, replies + id),
      leave: (id) => {
        if (isOpen()) nats.connection.publish(subjectOf(node, LEFT), replies + id)
      },
    }),
    serve: (op, handler) =>
      add(nats.subscribe(subjectOf(self, op), (message) => onRequest(handler, message))),
    send: (node, channel, message, tag) =>
      publish(subjectOf(node, channel), KIND.message, message, replies + TAG + tag),
    listen: (channel, receive) =>
      add(
        nats.subscribe(subjectOf(self, channel), (message) => {
          const from = senderOf(message.reply)
          if (from === undefined) return
          const decoded = requestParts.take(`${channel} ${from}`, message.data)
          if (decoded?.kind === KIND.message) receive(decoded, from)
        }),
      ),
    close() {
      isClosed = true
      for (const stop of stops) stop()
      stops.clear()
    },
  }
}
