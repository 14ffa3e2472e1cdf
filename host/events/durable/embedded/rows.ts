/** Events as rows of the store, and back. Data stays the text it is; nothing here decodes it. */
import { VelaError } from '../../../core/errors.ts'
import { BusEvent } from '../../bus-event.ts'
import type { DeadEvent, StoredEvent } from '../log.ts'
import type { DeadRow } from './operations/dead.ts'
import type { EventRow, SequencedRow } from './operations/events.ts'

/** Counted for every event beside its texts. */
const EVENT_OVERHEAD_BYTES = 64

export function rowOf(event: BusEvent): EventRow {
  const { id, subject, timeMs, text } = event
  return { id, subject, timeMs: Math.trunc(timeMs), meta: metaOf(event), data: text }
}

export function bytesOf({ id, subject, meta, data }: EventRow): number {
  return EVENT_OVERHEAD_BYTES + id.length + subject.length + Buffer.byteLength(meta) + Buffer.byteLength(data)
}

export function storedOf(tenant: string, row: SequencedRow): StoredEvent {
  const { id, subject, timeMs, meta, data } = row
  const fields = { tenant, id, subject, timeMs, ...readMeta(meta) }
  return { sequence: row.sequence, event: BusEvent.encoded(fields, data) }
}

export function deadOf(tenant: string, row: DeadRow): DeadEvent {
  const { consumer, attempts, reason, atMs, replaying } = row
  return { ...storedOf(tenant, row), consumer, attempts, reason, atMs, replaying }
}

interface Meta {
  readonly source: string
  readonly key: string | null
  readonly headers: Readonly<Record<string, string>>
  readonly depth: number
}

// JSON, since it carries any text, and columns of SQLite end at a NUL.
function metaOf({ source, key, headers, depth }: BusEvent): string {
  const meta: Meta = { source, key, headers, depth }
  return JSON.stringify(meta)
}

function readMeta(text: string): Meta {
  try {
    return JSON.parse(text)
  } catch {
    throw new VelaError('VELA_STORE_DAMAGED', 'The store of events is damaged: an event cannot be read.')
  }
}
