/**
 * Gathers what is published before it goes to the store thread: all of a tick is one call, and while two calls are under way the
 * rest waits to be the next, so that load makes calls larger and events cheaper. Invariants: events of a tenant are stored in the
 * order they came; each settles exactly once; what waits is bounded.
 */
import { VelaError } from '../../../core/errors.ts'
import type { BusEvent } from '../../bus-event.ts'
import type { Appended } from '../log.ts'
import type { NewRow } from './operations/events.ts'
import { bytesOf, rowOf } from './rows.ts'

export interface AppendsDeps {
  /** Sequences as the operation `append` gives them. */
  readonly store: (tenant: string, rows: readonly NewRow[], bytes: number) => Promise<readonly number[]>
  /** What was stored just now, in order, before its publishers hear of it. */
  readonly onStored: (tenant: string, stored: readonly { sequence: number; event: BusEvent }[]) => void
  readonly quotaBytes: number
}

export interface Appends {
  append(event: BusEvent, dedupe: boolean): Promise<Appended>
  /** The tenant is deleted: what still waits is rejected. What is under way was before it. */
  drop(tenant: string): void
}

interface Waiting {
  readonly event: BusEvent
  readonly row: NewRow
  readonly resolve: (appended: Appended) => void
  readonly reject: (thrown: unknown) => void
}

interface Outbox {
  waiting: Waiting[]
  bytes: number
  underWay: number
  isScheduled: boolean
}

const CALL_EVENTS = 256
const CALL_BYTES = 1024 * 1024
const CALLS_UNDER_WAY = 2
const MAX_WAITING = 8_192
const MAX_WAITING_BYTES = 8 * 1024 * 1024

export function createAppends({ store, onStored, quotaBytes }: AppendsDeps): Appends {
  const outboxes = new Map<string, Outbox>()

  const send = (tenant: string, outbox: Outbox): void => {
    outbox.isScheduled = false
    while (outbox.underWay < CALLS_UNDER_WAY && outbox.waiting.length > 0) {
      let count = 0
      let bytes = 0
      for (const { row } of outbox.waiting) {
        if (count === CALL_EVENTS || (count > 0 && bytes + row.bytes > CALL_BYTES)) break
        count += 1
        bytes += row.bytes
      }
      const sent = outbox.waiting.splice(0, count)
      outbox.bytes -= bytes
      outbox.underWay += 1
      void carry(tenant, outbox, sent, bytes)
    }
    if (outbox.underWay === 0) outboxes.delete(tenant)
  }

  const carry = async (
    tenant: string,
    outbox: Outbox,
    sent: readonly Waiting[],
    bytes: number,
  ): Promise<void> => {
    try {
      const rows = sent.map(({ row }) => row)
      const answers = await store(tenant, rows, bytes)
      settle(tenant, sent, answers)
    } catch (thrown) {
      for (const { reject } of sent) reject(thrown)
    } finally {
      outbox.underWay -= 1
      send(tenant, outbox)
    }
  }

  const settle = (tenant: string, sent: readonly Waiting[], answers: readonly number[]): void => {
    const stored = sent.flatMap(({ event }, index) => {
      const sequence = answers[index] ?? 0
      return sequence > 0 ? [{ sequence, event }] : []
    })
    onStored(tenant, stored)
    for (const [index, { resolve, reject }] of sent.entries()) {
      const answer = answers[index] ?? 0
      if (answer === 0) reject(full(quotaBytes))
      else resolve({ sequence: Math.abs(answer), duplicate: answer < 0 })
    }
  }

  return {
    append(event, dedupe) {
      const { tenant } = event
      const plain = rowOf(event)
      const row: NewRow = { ...plain, bytes: bytesOf(plain), dedupe }
      const outbox = outboxes.get(tenant) ?? { waiting: [], bytes: 0, underWay: 0, isScheduled: false }
      if (
        outbox.waiting.length >= MAX_WAITING ||
        (outbox.bytes + row.bytes > MAX_WAITING_BYTES && outbox.waiting.length > 0)
      )
        return Promise.reject(tooMany())
      outboxes.set(tenant, outbox)
      const { promise, resolve, reject } = Promise.withResolvers<Appended>()
      outbox.waiting.push({ event, row, resolve, reject })
      outbox.bytes += row.bytes
      if (!outbox.isScheduled && outbox.underWay < CALLS_UNDER_WAY) {
        outbox.isScheduled = true
        queueMicrotask(() => send(tenant, outbox))
      }
      return promise
    },
    drop(tenant) {
      const outbox = outboxes.get(tenant)
      if (outbox === undefined) return
      outbox.bytes = 0
      for (const { reject } of outbox.waiting.splice(0)) reject(deleted())
    },
  }
}

function deleted(): VelaError {
  return new VelaError('VELA_TENANT_NOT_FOUND', 'The tenant was deleted before the event was stored')
}

function full(quotaBytes: number): VelaError {
  return new VelaError(
    'VELA_EVENTS_FULL',
    `Not stored: the tenant's durable events that wait for a consumer take the ${Math.floor(quotaBytes / 1024)} KiB that they may.`,
    { details: { quotaBytes } },
  )
}

function tooMany(): VelaError {
  return new VelaError(
    'VELA_EVENTS_OVERLOADED',
    `${MAX_WAITING} events of this tenant, or ${MAX_WAITING_BYTES} bytes, wait to be stored. Await some of them first.`,
  )
}
