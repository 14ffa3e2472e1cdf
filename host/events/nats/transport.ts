/**
 * Ephemeral events over core NATS: at most once, no storage, queue groups choose one member of all hosts. While NATS is lost, or takes
 * less than is published, `publish` says so and the bus serves this host's subscribers alone.
 * Bounds: what has been written and not yet taken by the server is counted by its answers to pings, since the client itself would
 * buffer without end; what comes in is handed on in the same tick, to queues that the bus bounds.
 */
import type { Msg } from '@nats-io/transport-node'
import type { Log } from '../../core/log.ts'
import type { Nats } from '../../nats/types.ts'
import type { BusEvent } from '../bus-event.ts'
import type { EventTransport } from '../types.ts'
import { eventNames } from './names.ts'
import { decodeEvent, encodeEvent } from './wire.ts'

/** Written and not yet taken by the server; more is refused. */
const MAX_UNANSWERED_BYTES = 8 * 1024 * 1024
/** The server is asked how far it is once this much has been written. */
const ASK_BYTES = 128 * 1024
/** Between two lines of log about messages that are no events. */
const COMPLAIN_MS = 10_000

export interface NatsTransport extends EventTransport {
  /** Messages that came in and were no events. */
  readonly malformed: number
}

interface Shared {
  readonly members: Set<(event: BusEvent) => void>
  readonly end: () => void
}

export function createNatsTransport(
  nats: Nats,
  log: Log,
  maxBytes: number = MAX_UNANSWERED_BYTES,
): NatsTransport {
  const names = eventNames(nats.prefix)
  const flow = createFlow(nats, maxBytes)
  const shared = new Map<string, Shared>()
  let malformed = 0
  let complainedMs = -COMPLAIN_MS

  const receive = (tenant: string, prefixLength: number, message: Msg): BusEvent | undefined => {
    try {
      return decodeEvent(tenant, message.subject.slice(prefixLength), message.data, Date.now())
    } catch (error) {
      malformed++
      const now = performance.now()
      if (now - complainedMs >= COMPLAIN_MS) {
        complainedMs = now
        log.warn('nats message is no event', { subject: message.subject, problem: String(error), malformed })
      }
      return undefined
    }
  }

  const listen = (
    tenant: string,
    pattern: string,
    group: string | null,
    deliver: (event: BusEvent) => void,
  ): (() => void) => {
    const prefixLength = names.ephemeral(tenant, '').length
    return nats.subscribe(
      names.ephemeral(tenant, pattern),
      (message) => {
        const event = receive(tenant, prefixLength, message)
        if (event !== undefined) deliver(event)
      },
      group === null ? {} : { queue: group },
    )
  }

  /** Without a group every subscriber of this host gets the same event: it comes over the wire, and is parsed, once. */
  const listenShared = (
    tenant: string,
    pattern: string,
    deliver: (event: BusEvent) => void,
  ): (() => void) => {
    const name = names.ephemeral(tenant, pattern)
    let entry = shared.get(name)
    if (entry === undefined) {
      const members = new Set<(event: BusEvent) => void>()
      const end = listen(tenant, pattern, null, (event) => {
        for (const member of members) member(event)
      })
      entry = { members, end }
      shared.set(name, entry)
    }
    const { members, end } = entry
    // An identity of its own, should the same function subscribe twice.
    const member = (event: BusEvent): void => deliver(event)
    members.add(member)
    return () => {
      if (!members.delete(member) || members.size > 0) return
      shared.delete(name)
      end()
    }
  }

  return {
    get connected() {
      return nats.state === 'connected'
    },
    get malformed() {
      return malformed
    },
    publish: (event) => {
      if (nats.state !== 'connected') return false
      const bytes = encodeEvent(event)
      if (!flow.take(bytes.length)) return false
      try {
        nats.connection.publish(names.ephemeral(event.tenant, event.subject), bytes)
        return true
      } catch {
        // Closed a moment ago, or more than the server takes in one message.
        return false
      }
    },
    subscribe: (tenant, pattern, group, deliver) =>
      group === null
        ? listenShared(tenant, pattern, deliver)
        : listen(tenant, pattern, queueOf(group), deliver),
    flush: async () => {
      if (nats.state === 'connected') await nats.connection.flush().catch(() => undefined)
    },
  }
}

/** Names of queues may hold anything but white space. */
const queueOf = (group: string): string => group.replaceAll(/\s/gu, '_')

interface Flow {
  /** False: too much has been written that the server has not taken. */
  take(bytes: number): boolean
}

function createFlow(nats: Nats, maxBytes: number): Flow {
  let unanswered = 0
  let asked = 0
  let round = 0
  nats.onState(() => {
    // What was on its way is lost, and with it the answers.
    round++
    unanswered = 0
    asked = 0
  })
  const ask = (): void => {
    const mine = round
    asked = unanswered
    const settle = (): void => {
      if (mine !== round) return
      unanswered -= asked
      asked = 0
      if (unanswered >= ASK_BYTES) ask()
    }
    nats.connection.flush().then(settle, () => undefined)
  }
  return {
    take: (bytes) => {
      if (unanswered + bytes > maxBytes) return false
      unanswered += bytes
      // In a microtask, so that the event is written before the question.
      if (asked === 0 && unanswered >= Math.min(ASK_BYTES, maxBytes / 2)) {
        asked = unanswered
        queueMicrotask(ask)
      }
      return true
    },
  }
}
