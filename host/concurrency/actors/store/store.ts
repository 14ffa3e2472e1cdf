/**
 * Opens the store of actors: what is durable of them, on a thread of its own. Invariants: what resolved is on the disk; calls for
 * one tenant take effect in the order they were made, so a load sees every change that was handed over before it; tenants
 * take turns, and what waits is bounded.
 */
import { resolve } from 'node:path'
import { VelaError } from '../../../core/errors.ts'
import { moduleBeside } from '../../../core/module-beside.ts'
import { createLanes } from '../../../kv/lanes.ts'
import { createSweeper } from '../../../kv/sweeper.ts'
import { openStore } from '../../../registry/store/client.ts'
import type { LogLevel } from '../../../registry/store/protocol.ts'
import type { ActorAddress, DeadLetter, Listed, ListRange, StateChange } from '../types.ts'
import { MAX_ANSWER_BYTES, MAX_VALUE_BYTES, MEBIBYTE } from '../types.ts'
import type { Claimed, DueAlarm } from './operations/alarms.ts'
import type { Changed } from './operations/change.ts'
import type { ActorUsage, StoredActor, StoredService } from './operations/services.ts'
import type { Loaded } from './operations/state.ts'
import type { ActorOperations } from './operations/table.ts'

export type { Claimed, DueAlarm } from './operations/alarms.ts'
export type { Changed } from './operations/change.ts'
export type { ActorUsage, StoredActor } from './operations/services.ts'
export type { Loaded } from './operations/state.ts'

export interface ActorStoreOptions {
  /** Made if it does not exist; the files are `actors.*` in it. null: in memory, and gone at close(). */
  readonly dataDir: string | null
  readonly maxStoreBytes?: number
  /** How often room of deleted services is reclaimed; 10 s if left out. */
  readonly sweepEveryMs?: number
  onLog?(level: LogLevel, message: string): void
}

/**
 * Errors of every method: VELA_STORE_*, VELA_TENANT_QUOTA_EXCEEDED for too much at once; of `change` also
 * VELA_ACTOR_QUOTA_EXCEEDED and VELA_SERVICE_NOT_FOUND after the service was deleted.
 */
export interface ActorStore {
  load(address: ActorAddress): Promise<Loaded>
  /** `row` as `load` or `change` told it. Those of the keys that are there. */
  read(tenant: string, row: number, keys: readonly string[]): Promise<Listed>
  list(tenant: string, row: number, range: ListRange): Promise<Listed>
  /** Resolves once it is on the disk, to where the actor stands now; null: it keeps nothing. */
  change(
    address: ActorAddress,
    row: number | null,
    change: StateChange,
    quotaBytes: number,
  ): Promise<number | null>
  /** The same, and tells what the actor takes of the quota now. */
  changeMeasured(
    address: ActorAddress,
    row: number | null,
    change: StateChange,
    quotaBytes: number,
  ): Promise<Changed>
  /** Up to `most` alarms that are due and not of a service in `busy`; each is to be ended or retried. */
  claimAlarms(nowMs: number, most: number, busy: readonly number[]): Promise<Claimed>
  /** False: the actor has set it anew meanwhile, or is gone. */
  endAlarm(alarm: DueAlarm): Promise<boolean>
  /** `retries`: how often it has been tried by then. */
  retryAlarm(alarm: DueAlarm, atMs: number, retries: number): Promise<void>
  addDead(tenant: string, service: string, letter: DeadLetter): Promise<void>
  /** The latest first. */
  deadLetters(tenant: string, service: string, limit: number): Promise<readonly DeadLetter[]>
  countDead(tenant: string, service: string): Promise<number>
  /** Of a tenant, or of one of its services. Zeroes for what stored nothing. */
  usage(tenant: string, service?: string): Promise<ActorUsage>
  /** That have, or had, actors. */
  services(): Promise<readonly StoredService[]>
  /** Actors of a service by their rows, the next few behind `after`. */
  page(tenant: string, service: string, after: number): Promise<readonly StoredActor[]>
  /** Unlinks all that the service (or the tenant) stored, at once and durably; its room is reclaimed in the background. */
  drop(tenant: string, service?: string): Promise<void>
  /** The same of what is in this host's store alone. */
  leave(tenant: string, service?: string): Promise<void>
  /** Finishes what waits; calls made afterwards fail with VELA_STORE_FAILED. */
  close(): Promise<void>
}

const WINDOW = { windowCalls: 256, windowBytes: 8 * MEBIBYTE, laneCalls: 4096 }
// What a call weighs between the threads beside its values.
const CALL_BYTES = 1024

/** Throws VELA_STORE_LOCKED, VELA_STORE_DAMAGED, VELA_STORE_FULL or VELA_STORE_FAILED. */
export async function openActorStore(options: ActorStoreOptions): Promise<ActorStore> {
  const { dataDir } = options
  const log = (level: LogLevel, message: string): void => options.onLog?.(level, message)
  const store = await openStore<ActorOperations>({
    dataDir: dataDir === null ? null : resolve(dataDir),
    maxStoreBytes: options.maxStoreBytes ?? null,
    entry: moduleBeside(import.meta.url, 'thread'),
    log,
  })
  const lanes = createLanes(WINDOW)
  // Lanes of their own, so that alarms and the sweep take turns with tenants like one more of them.
  const sweeper = createSweeper({
    everyMs: options.sweepEveryMs ?? 10_000,
    step: () => lanes.run('sweep:', 0, () => store.call('sweep')),
    failed: (thrown) => log('warn', `The store of actors could not reclaim room: ${String(thrown)}`),
  })
  let closing: Promise<void> | undefined
  const change = (
    address: ActorAddress,
    row: number | null,
    given: StateChange,
    quotaBytes: number,
  ): Promise<Changed> => {
    let bytes = 0
    for (const [key, value] of given.puts) bytes += key.length + value.length
    return run(address.tenant, bytes, () => store.call('change', { ...given, address, row, quotaBytes }))
  }
  const run = <Value>(lane: string, bytes: number, start: () => Promise<Value>): Promise<Value> =>
    closing === undefined
      ? lanes.run(lane, bytes + CALL_BYTES, start)
      : Promise.reject(new VelaError('VELA_STORE_FAILED', 'The store of actors is closed.'))

  const drop = async (tenant: string, service?: string): Promise<void> => {
    await run(tenant, 0, () => store.call('drop', tenant, service ?? null))
    sweeper.wake()
  }
  return {
    load: (address) => run(address.tenant, 0, () => store.call('load', address)),
    read: (tenant, row, keys) => run(tenant, answerBytes(keys.length), () => store.call('read', row, keys)),
    list: (tenant, row, range) => run(tenant, answerBytes(range.limit), () => store.call('list', row, range)),
    change: async (...given) => (await change(...given)).row,
    changeMeasured: change,
    claimAlarms: (nowMs, most, busy) => run('alarms:', 0, () => store.call('claimAlarms', nowMs, most, busy)),
    endAlarm: ({ address, row, changes }) =>
      run(address.tenant, 0, () => store.call('endAlarm', row, changes)),
    retryAlarm: ({ address, row, changes }, atMs, retries) =>
      run(address.tenant, 0, () => store.call('retryAlarm', row, changes, atMs, retries)),
    addDead: (tenant, service, letter) =>
      run(tenant, letter.args?.length ?? 0, () => store.call('addDead', { tenant, service, ...letter })),
    deadLetters: (tenant, service, limit) =>
      run(tenant, 0, () => store.call('deadLetters', tenant, service, limit)),
    countDead: (tenant, service) => run(tenant, 0, () => store.call('countDead', tenant, service)),
    usage: (tenant, service) => run(tenant, 0, () => store.call('usage', tenant, service ?? null)),
    services: () => store.call('storedServices'),
    page: (tenant, service, after) =>
      run(tenant, 0, () => store.call('storedActors', tenant, service, after)),
    drop,
    leave: drop,
    close() {
      closing ??= sweeper
        .close()
        .then(() => lanes.idle())
        .then(() => store.close())
      return closing
    },
  }
}

/** What so many entries may have, so that few large answers are under way at a time. */
const answerBytes = (entries: number): number => Math.min(entries * MAX_VALUE_BYTES, MAX_ANSWER_BYTES)
