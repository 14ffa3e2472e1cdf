/**
 * Lists keys in the order of their bytes. A page goes on behind the last key looked at, so that keys which come and go
 * in between neither repeat nor hide others. Bounded in rows looked at (expired ones too) and in bytes, whatever the
 * tenant stored: all tenants wait for this thread.
 */
import type { Sql } from '../../registry/store/database.ts'
import { blob, integer, textOrNull } from '../../registry/store/rows.ts'
import type { Row } from '../../registry/store/rows.ts'
import type { KvListed, KvPage } from '../types.ts'
import { expiryOf, hasExpired } from './entries.ts'

const MAX_ROWS_READ = 4000
const MAX_PAGE_BYTES = 256 * 1024
// Behind every key: 0xff appears nowhere in UTF-8.
const END = Buffer.from([0xff])

export interface ListCall {
  readonly space: number
  readonly prefix: string
  readonly after: string | null
  readonly limit: number
  readonly reverse: boolean
  readonly nowMs: number
}

export const listReads = {
  list(sql: Sql, call: ListCall): KvPage {
    const { limit, nowMs } = call
    const keys: KvListed[] = []
    let [low, high] = rangeOf(call)
    let bytes = 0
    for (let read = 0; read < MAX_ROWS_READ; read += limit + 1) {
      const rows = call.reverse
        ? sql.all(`${SELECT} DESC LIMIT ?`, call.space, low, high, limit + 1)
        : sql.all(`${SELECT} LIMIT ?`, call.space, low, high, limit + 1)
      for (const row of rows) {
        if (keys.length === limit || bytes >= MAX_PAGE_BYTES)
          return { keys, after: keys.at(-1)?.name ?? null }
        if (hasExpired(row, nowMs)) continue
        const listed = listedOf(row)
        keys.push(listed)
        bytes += listed.name.length + (listed.metadata?.length ?? 0)
      }
      const last = rows.at(-1)
      if (last === undefined || rows.length <= limit) return { keys, after: null }
      if (call.reverse) high = blob(last, 'key')
      else low = behind(blob(last, 'key'))
    }
    return { keys, after: nameOf(call.reverse ? high : low.subarray(0, -1)) }
  },
}

const SELECT =
  'SELECT key, version, expires, metadata FROM entries WHERE space = ? AND key >= ? AND key < ? ORDER BY key'

/** From the first key that may be in the page to the first that may not. */
function rangeOf({ prefix, after, reverse }: ListCall): [low: Uint8Array, high: Uint8Array] {
  const low = Buffer.from(prefix)
  const high = Buffer.concat([low, END])
  if (after === null) return [low, high]
  const from = Buffer.from(after)
  if (reverse) return [low, Buffer.compare(from, high) < 0 ? from : high]
  const next = behind(from)
  return [Buffer.compare(next, low) > 0 ? next : low, high]
}

/** The very next key that could be. */
function behind(key: Uint8Array): Uint8Array {
  return Buffer.concat([key, Buffer.alloc(1)])
}

function listedOf(row: Row): KvListed {
  return {
    name: nameOf(blob(row, 'key')),
    metadata: textOrNull(row, 'metadata'),
    version: integer(row, 'version'),
    expiresAtMs: expiryOf(row),
  }
}

function nameOf(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('utf8')
}
