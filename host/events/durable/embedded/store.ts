/**
 * The embedded log of durable events: SQLite on a thread of its own, with the latest events in memory before it. What resolved is on
 * the disk; tenants take turns at the thread, and what waits is bounded.
 */
import { resolve } from 'node:path'
import { VelaError } from '../../../core/errors.ts'
import { moduleBeside } from '../../../core/module-beside.ts'
import { createLanes } from '../../../kv/lanes.ts'
import { createSweeper } from '../../../kv/sweeper.ts'
import { openStore } from '../../../registry/store/client.ts'
import type { LogLevel } from '../../../registry/store/protocol.ts'
import { BusEvent } from '../../bus-event.ts'
import type { DurableLog } from '../log.ts'
import { RETENTION_MS } from '../log.ts'
import { createAppends } from './appends.ts'
import type { LogOperations } from './operations/table.ts'
import { bytesOf, deadOf, rowOf, storedOf } from './rows.ts'
import { createTail } from './tail.ts'
import { createWakes } from './wakes.ts'

export const DEFAULT_QUOTA_BYTES: number = 64 * 1024 * 1024

export interface EventLogOptions {
  /** Made if it does not exist; the files are `events.*` in it. null: in memory, and gone at close(). */
  readonly dataDir: string | null
  /** Of one tenant: events that are kept, and ids that are remembered. Again as much for its dead letters. 64 MiB if left out. */
  readonly quotaBytes?: number
  /** Ceiling for the file; a write beyond it is refused with VELA_STORE_FULL. */
  readonly maxStoreBytes?: number
  /** Events older than this go, handled or not; seven days if left out. */
  readonly retentionMs?: number
  /** How often room is reclaimed; 10 s if left out. */
  readonly sweepEveryMs?: number
  /** Milliseconds since the epoch. */
  readonly now?: () => number
  onLog?(level: LogLevel, message: string): void
}

const MEBIBYTE = 1024 * 1024
const WINDOW = { windowCalls: 256, windowBytes: 8 * MEBIBYTE, laneCalls: 4096 }
const TAIL = { tenantBytes: 2 * MEBIBYTE, totalBytes: 32 * MEBIBYTE }
// What a call weighs between the threads beside its values.
const CALL_BYTES = 1024

/** Throws VELA_STORE_LOCKED, VELA_STORE_DAMAGED, VELA_STORE_FULL or VELA_STORE_FAILED. */
export async function openEventLog(options: EventLogOptions): Promise<DurableLog> {
  const { dataDir, quotaBytes = DEFAULT_QUOTA_BYTES, retentionMs = RETENTION_MS, now = Date.now } = options
  const log = (level: LogLevel, message: string): void => options.onLog?.(level, message)
  const store = await openStore<LogOperations>({
    dataDir: dataDir === null ? null : resolve(dataDir),
    maxStoreBytes: options.maxStoreBytes ?? null,
    entry: moduleBeside(import.meta.url, 'thread'),
    log,
  })
  const lanes = createLanes(WINDOW)
  const tail = createTail(TAIL)
  const wakes = createWakes()
  let closing: Promise<void> | undefined

  const run = <Value>(lane: string, bytes: number, start: () => Promise<Value>): Promise<Value> =>
    closing === undefined
      ? lanes.run(lane, bytes + CALL_BYTES, start)
      : Promise.reject(new VelaError('VELA_STORE_FAILED', 'The store of events is closed.'))

  // A lane of its own, so that sweeping takes turns with tenants like one more of them.
  const sweeper = createSweeper({
    everyMs: options.sweepEveryMs ?? 10_000,
    step: (from) => lanes.run('sweep:', 0, () => store.call('sweep', from, { nowMs: now(), retentionMs })),
    failed: (thrown) => log('warn', `The store of events could not reclaim room: ${String(thrown)}`),
  })

  const appends = createAppends({
    quotaBytes,
    store: (tenant, rows, bytes) =>
      run(tenant, bytes, () => store.call('append', { tenant, quotaBytes, nowMs: now(), rows })),
    onStored(tenant, stored) {
      if (stored.length === 0) return
      // Nobody reads along, so nothing need be kept for that.
      if (!wakes.has(tenant)) return tail.drop(tenant)
      // Consumers get what was stored, and not the publisher's objects.
      tail.push(
        tenant,
        stored.map(({ sequence, event }) => ({ sequence, event: BusEvent.encoded(event, event.text) })),
      )
      wakes.wake(tenant)
    },
  })

  return {
    append: (event, dedupe) => appends.append(event, dedupe),

    async read(tenant, pattern, after, limit, bytes) {
      const page = tail.read(tenant, pattern, after, limit, bytes)
      if (page !== undefined) return page
      const { rows, last, atEnd } = await run(tenant, bytes, () =>
        store.call('read', tenant, pattern, after, limit, bytes),
      )
      return { events: rows.map((row) => storedOf(tenant, row)), last, atEnd }
    },

    async readAt(tenant, sequences, bytes) {
      const rows = await run(tenant, bytes, () => store.call('readAt', tenant, sequences, bytes))
      return rows.map((row) => storedOf(tenant, row))
    },

    onAppended: (tenant, wake) => wakes.add(tenant, wake),

    async openCursor(tenant, consumer, from) {
      const { epoch, state } = await run(tenant, 0, () => store.call('openCursor', tenant, consumer, from))
      return {
        state,
        save: (next) =>
          run(tenant, 0, () => store.call('saveCursor', { tenant, consumer, epoch, state: next })),
      }
    },

    cursors: (tenant) => run(tenant, 0, () => store.call('cursors', tenant)),
    dropCursor: (tenant, consumer) => run(tenant, 0, () => store.call('dropCursor', tenant, consumer)),

    addDead(tenant, letter) {
      const { sequence, event, consumer, attempts, reason, atMs, replaying } = letter
      const row = rowOf(event)
      const bytes = bytesOf(row) + Buffer.byteLength(reason)
      const call = {
        ...row,
        tenant,
        sequence,
        consumer,
        attempts,
        reason,
        atMs,
        replaying,
        bytes,
        quotaBytes,
      }
      return run(tenant, bytes, () => store.call('addDead', call))
    },

    async listDead(tenant, consumer, limit) {
      const rows = await run(tenant, 0, () => store.call('listDead', tenant, consumer, limit))
      return rows.map((row) => deadOf(tenant, row))
    },

    countDead: async (tenant) => new Map(await run(tenant, 0, () => store.call('countDead', tenant))),

    markReplay: (tenant, consumer, sequences) =>
      run(tenant, 0, () => store.call('markReplay', tenant, consumer, sequences)),

    async listReplay(tenant, consumer, limit) {
      const rows = await run(tenant, 0, () => store.call('listReplay', tenant, consumer, limit))
      return rows.map((row) => deadOf(tenant, row))
    },

    dropDead: (tenant, consumer, sequences) =>
      run(tenant, 0, () => store.call('dropDead', tenant, consumer, sequences)),

    async usage(tenant) {
      return { ...(await run(tenant, 0, () => store.call('usage', tenant))), quotaBytes }
    },

    async trim(tenant, below) {
      while (await run(tenant, 0, () => store.call('trim', tenant, below)));
    },

    tenants: () => run('tenants:', 0, () => store.call('storedTenants')),

    async deleteTenant(tenant) {
      appends.drop(tenant)
      await run(tenant, 0, () => store.call('dropTenant', tenant))
      tail.drop(tenant)
      sweeper.wake()
    },

    close() {
      closing ??= sweeper
        .close()
        .then(() => lanes.idle())
        .then(() => store.close())
      return closing
    },
  }
}
