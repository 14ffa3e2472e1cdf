/** Reads an actor's state on the store thread: whole if it is small, by keys, or a page of a range in the order of its keys' bytes. */
import type { Sql } from '../../../../registry/store/database.ts'
import { blob, integer, text } from '../../../../registry/store/rows.ts'
import type { Row } from '../../../../registry/store/rows.ts'
import { MAX_ANSWER_BYTES, WHOLE_STATE_BYTES } from '../../types.ts'
import type { ActorAddress, Activation, Entry, ListRange, Listed } from '../../types.ts'

/** `row` is where the actor stands in the store; null: nowhere. */
export interface Loaded extends Omit<Activation, 'epoch'> {
  readonly row: number | null
}

// Behind every key: 0xff appears nowhere in UTF-8.
const END = Buffer.from([0xff])

export const stateReads = {
  load(sql: Sql, { tenant, service, class: className, name }: ActorAddress): Loaded {
    const actor = sql.get(
      `SELECT a.id, a.version, a.bytes, a.due FROM services s JOIN actors a ON a.service = s.id
       WHERE s.tenant = ? AND s.name = ? AND a.class = ? AND a.name = ?`,
      tenant,
      service,
      className,
      Buffer.from(name),
    )
    if (actor === undefined) return { row: null, version: null, entries: [], complete: true, alarmMs: null }
    const row = integer(actor, 'id')
    const complete = integer(actor, 'bytes') <= WHOLE_STATE_BYTES
    const entries = complete ? sql.all('SELECT key, value FROM state WHERE actor = ?', row).map(entryOf) : []
    return {
      row,
      version: actor['version'] === null ? null : integer(actor, 'version'),
      entries,
      complete,
      alarmMs: actor['due'] === null ? null : integer(actor, 'due'),
    }
  },

  /** Those of the keys that are there, up to an answer's worth of bytes. */
  read(sql: Sql, row: number, keys: readonly string[]): Listed {
    const entries: Entry[] = []
    let bytes = 0
    for (const key of keys) {
      const found = sql.get('SELECT key, value FROM state WHERE actor = ? AND key = ?', row, Buffer.from(key))
      if (found === undefined) continue
      const entry = entryOf(found)
      bytes += entry[1].length
      if (bytes > MAX_ANSWER_BYTES) return { entries, more: true }
      entries.push(entry)
    }
    return { entries, more: false }
  },

  list(sql: Sql, row: number, range: ListRange): Listed {
    const [low, high] = boundsOf(range)
    const entries: Entry[] = []
    let bytes = 0
    let [from, to] = [low, high]
    // In small steps: a page may be full after few rows, and each may have 128 KiB.
    for (;;) {
      const step = Math.min(STEP_ROWS, range.limit - entries.length)
      const rows = range.reverse
        ? sql.all(`${SELECT} DESC LIMIT ?`, row, from, to, step)
        : sql.all(`${SELECT} LIMIT ?`, row, from, to, step)
      for (const found of rows) {
        const entry = entryOf(found)
        bytes += entry[0].length + entry[1].length
        if (bytes > MAX_ANSWER_BYTES && entries.length > 0) return { entries, more: true }
        entries.push(entry)
      }
      const last = rows.at(-1)
      if (last === undefined || rows.length < step) return { entries, more: false }
      if (range.reverse) to = blob(last, 'key')
      else from = Buffer.concat([blob(last, 'key'), Buffer.alloc(1)])
      if (entries.length >= range.limit) return { entries, more: false }
    }
  },
}

const STEP_ROWS = 64
const SELECT = 'SELECT key, value FROM state WHERE actor = ? AND key >= ? AND key < ? ORDER BY key'

function boundsOf({ start, end, prefix }: ListRange): [low: Uint8Array, high: Uint8Array] {
  const first = Buffer.from(prefix)
  const behind = Buffer.concat([first, END])
  const from = start === null ? first : Buffer.from(start)
  const to = end === null ? behind : Buffer.from(end)
  return [Buffer.compare(from, first) > 0 ? from : first, Buffer.compare(to, behind) < 0 ? to : behind]
}

function entryOf(row: Row): Entry {
  return [textOf(blob(row, 'key')), text(row, 'value')]
}

export const textOf = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')
