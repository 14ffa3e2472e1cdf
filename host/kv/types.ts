/**
 * The key-value store as the rest of the host sees it: bytes under names, in namespaces that belong to a tenant.
 * What it promises to guests is in docs/kv.md. Invariants: what resolved is on the disk; calls on one namespace take
 * effect in the order they were made, and what was read is never older than what was acknowledged before; a version is
 * given once in the life of a tenant, so that compare-and-set cannot mistake a new value for an old one.
 */
import type { JsonValue } from '../registry/types.ts'

/** In UTF-8. */
export const MAX_KEY_BYTES = 512
/** As JSON. */
export const MAX_METADATA_BYTES = 1024
export const MAX_KEYS_AT_ONCE = 100
export const MAX_LIST_LIMIT = 1000
/** Of one tenant. */
export const MAX_NAMESPACES = 100
/** Counted against the quota for every key, since a short one takes room too. */
export const KEY_OVERHEAD_BYTES = 64
/** Values up to this are kept in the host's memory, and come with the first answer of the store thread. */
export const SMALL_VALUE_BYTES: number = 64 * 1024

export const MEBIBYTE: number = 1024 * 1024
export const DEFAULT_QUOTA_BYTES: number = 64 * MEBIBYTE
export const DEFAULT_MAX_VALUE_BYTES: number = 8 * MEBIBYTE

export interface KvStore {
  /** Bytes of guests that the host holds for a while, by tenant. */
  readonly memory: MemoryBudget
  /**
   * A namespace of a tenant; made in the store by its first use. The same object for the same names, until the tenant is
   * deleted: then every call on it fails with VELA_TENANT_NOT_FOUND. Throws VELA_DEPLOY_INVALID_NAME.
   */
  namespace(tenant: string, name: string): KvNamespace
  /** Zeroes for a tenant that stored nothing. */
  usage(tenant: string): Promise<KvUsage>
  /** Tenants that have, or had, something stored. */
  tenants(): Promise<string[]>
  /**
   * Unlinks all that the tenant stored, at once and durably; its room is reclaimed in the background. A tenant made
   * later under the same name starts with nothing.
   */
  deleteTenant(tenant: string): Promise<void>
  readonly replica: KvReplica
  /** Reclaims the room of what expired or was deleted; the store does so by itself. */
  sweep(): Promise<void>
  /** Resolves when it has what the other hosts of a cluster wrote before, or at the deadline (milliseconds from now). */
  whenCurrent(withinMs: number): Promise<void>
  /** Finishes what waits; calls made afterwards fail with VELA_STORE_FAILED. */
  close(): Promise<void>
}

export interface KvUsage {
  /** Keys, values and metadata, and KEY_OVERHEAD_BYTES for each key; also of expired ones that were not swept yet. */
  readonly bytes: number
  readonly keys: number
}

/**
 * Errors of every method: VELA_KV_BAD_REQUEST for what cannot be a key or option, VELA_TENANT_QUOTA_EXCEEDED for too
 * much at once, VELA_TENANT_NOT_FOUND after the tenant was deleted, VELA_STORE_*.
 */
export interface KvNamespace {
  readonly tenant: string
  readonly name: string
  /** Answers at once, without a promise, if the value is in memory. */
  get(key: string): MaybePromise<KvEntry | null>
  /** In the order of `keys`, of one moment. VELA_KV_BAD_REQUEST if the values have more than maxValueBytes together. */
  getMany(keys: readonly string[]): MaybePromise<(KvEntry | null)[]>
  /**
   * Resolves once it is on the disk. Throws VELA_KV_CONFLICT, with `details.version`, if the key has another version
   * than `ifVersion`, and VELA_KV_QUOTA_EXCEEDED. A value that comes in parts takes its place in the order when whole.
   */
  put(
    key: string,
    value: Uint8Array | AsyncIterable<Uint8Array>,
    options?: KvPutOptions,
  ): Promise<{ readonly version: number }>
  delete(key: string, options?: KvDeleteOptions): Promise<{ readonly deleted: boolean }>
  list(options?: KvListOptions): Promise<KvPage>
}

export type MaybePromise<Value> = Value | Promise<Value>

export interface KvEntry {
  /** Shared with other readers: not to be changed. */
  readonly value: Uint8Array
  /** JSON text. */
  readonly metadata: string | null
  /** Grows with every put of the tenant. */
  readonly version: number
  /** Milliseconds since the epoch. */
  readonly expiresAtMs: number | null
}

export interface KvPutOptions {
  readonly expiresAtMs?: number | null | undefined
  /** Instead of `expiresAtMs`: from the call on. */
  readonly ttlMs?: number | undefined
  readonly metadata?: JsonValue | undefined
  /** 0: only if there is no such key. Left out: whatever is there. */
  readonly ifVersion?: number | undefined
  /** What the tenant may store in all its namespaces; DEFAULT_QUOTA_BYTES if left out. */
  readonly quotaBytes?: number | undefined
}

export interface KvDeleteOptions {
  readonly ifVersion?: number | undefined
}

export interface KvListOptions {
  readonly prefix?: string | undefined
  /** Only keys behind this one in the direction of the list. */
  readonly after?: string | undefined
  readonly limit?: number | undefined
  readonly reverse?: boolean | undefined
}

export interface KvPage {
  /** In the order of their UTF-8 bytes. May be fewer than the limit, even none, before the end. */
  readonly keys: readonly KvListed[]
  /** Where to go on; null at the end. */
  readonly after: string | null
}

export interface KvListed {
  readonly name: string
  readonly metadata: string | null
  readonly version: number
  readonly expiresAtMs: number | null
}

/** A change whose place in the order was given elsewhere: carried out here as it is. `key` null: the whole tenant goes. */
export type KvChange =
  | {
      readonly tenant: string
      readonly namespace: string
      readonly key: string
      /** null: it is deleted. */
      readonly put: Pick<KvEntry, 'value' | 'metadata' | 'expiresAtMs'> | null
      /** Its place; the version of what is put. */
      readonly sequence: number
    }
  | { readonly tenant: string; readonly key: null; readonly sequence: number }

/** What a write asks of the store before it is sent to be put in order. */
export interface KvIntent {
  readonly tenant: string
  readonly namespace: string
  readonly key: string
  /** Of value and metadata; null: a deletion. */
  readonly bytes: number | null
  readonly quotaBytes: number
  readonly nowMs: number
}

export interface KvStanding {
  /** What readers see; 0: there is no such key. */
  readonly version: number
  /** The same with what has expired. */
  readonly stored: number
}

/**
 * The store as a copy of a journal, in which several hosts put their writes in order. Once `begin` was called, writes come
 * by `apply` alone, and what has expired stays until the journal says that it goes.
 */
export interface KvReplica {
  /** How far the journal has been applied; null: the store is no copy of one. */
  position(): Promise<{ readonly journal: string; readonly sequence: number } | null>
  /** Becomes a copy of the journal from its beginning: all that is stored goes. */
  begin(journal: string): Promise<void>
  /** In the order of their sequences, all or none; resolves when they are on the disk. What was applied before is passed over. */
  apply(changes: readonly KvChange[]): Promise<void>
  /** Throws VELA_KV_QUOTA_EXCEEDED if the write would be too much. */
  admit(intent: KvIntent): Promise<KvStanding>
  /** Entries behind a place, with their values; `next` null: that was all. */
  page(
    after: KvPlace | null,
  ): Promise<{ readonly changes: readonly KvChange[]; readonly next: KvPlace | null }>
  /** Keys that have expired, and have not gone. */
  expired(nowMs: number, most: number): Promise<readonly KvExpired[]>
}

export interface KvPlace {
  readonly space: number
  readonly key: Uint8Array
}

export type KvExpired = Pick<Extract<KvChange, { key: string }>, 'tenant' | 'namespace' | 'key'> & {
  readonly version: number
}

export interface MemoryBudget {
  /** Throws VELA_TENANT_QUOTA_EXCEEDED, or VELA_STORE_FAILED if all tenants together hold too much. */
  take(tenant: string, bytes: number): void
  give(tenant: string, bytes: number): void
}
