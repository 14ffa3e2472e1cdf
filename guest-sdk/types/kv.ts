/**
 * Types of the `kv` capability: the names of Cloudflare's Workers KV and, beyond it, versions and attenuation.
 * docs/kv.md says what it promises and where its limits are.
 */
import type { Bytes, GuestBlobOrStream, GuestReadableStream, JsonValue } from './web.ts'

/** What a value is read as. */
export interface KvTypes<Value = unknown> {
  readonly text: string
  /** As `JSON.parse` gives it; a `SyntaxError` if it is no JSON. */
  readonly json: Value
  readonly arrayBuffer: ArrayBuffer
  readonly stream: GuestReadableStream
}

export type KvType = keyof KvTypes

/** The type, by itself or as Workers KV also has it. */
export type KvGetOptions<Type extends KvType> = Type | { readonly type: Type }

export interface KvEntry<Value, Metadata = unknown> {
  /** null: there is no such key. */
  readonly value: Value | null
  readonly metadata: Metadata | null
  /** For `ifVersion`; 0 if there is no such key. */
  readonly version: number
}

export interface KvPutOptions {
  /** When the key is gone (seconds since the epoch). */
  readonly expiration?: number
  /** After how many seconds the key is gone; at least 1. Comes before `expiration`. */
  readonly expirationTtl?: number
  /** JSON that lists show beside the key, at most 1,024 bytes. */
  readonly metadata?: JsonValue
  /**
   * Only if the key has this version, else it rejects with `VELA_KV_CONFLICT`; 0 or null: only if there is no such key.
   */
  readonly ifVersion?: number | null
}

export interface KvListOptions {
  /** Only keys that begin so. */
  readonly prefix?: string
  /** Most keys of a page; 1,000 if left out, and at most. */
  readonly limit?: number
  /** Where the page before ended. */
  readonly cursor?: string
  /** From the last key to the first. */
  readonly reverse?: boolean
}

export interface KvKey<Metadata = unknown> {
  readonly name: string
  readonly version: number
  /** Seconds since the epoch, rounded up. */
  readonly expiration?: number
  readonly metadata?: Metadata
}

/** A page of keys, in the order of their UTF-8 bytes. */
export type KvList<Metadata = unknown> =
  | { readonly keys: readonly KvKey<Metadata>[]; readonly list_complete: true }
  | { readonly keys: readonly KvKey<Metadata>[]; readonly list_complete: false; readonly cursor: string }

/** A namespace that can only be read: granted so (`"access": "read"`), or narrowed by `readOnly()`. */
export interface KvReader {
  /**
   * The value, or null. Keys have 1 to 512 bytes of UTF-8. Many keys (at most 100) give a Map with null for what is not
   * there, read at one moment. Rejects with `VELA_KV_BAD_REQUEST`, `VELA_TENANT_QUOTA_EXCEEDED`, `VELA_CAPABILITY_*`.
   *
   * @example
   * const cart = await env.CARTS.get<Cart>(`cart/${id}`, 'json')
   */
  get(key: string, type?: KvGetOptions<'text'>): Promise<string | null>
  get<Value = unknown>(key: string, type: KvGetOptions<'json'>): Promise<Value | null>
  get<Type extends KvType>(key: string, type: KvGetOptions<Type>): Promise<KvTypes[Type] | null>
  get(keys: readonly string[], type?: KvGetOptions<'text'>): Promise<Map<string, string | null>>
  get<Value = unknown>(
    keys: readonly string[],
    type: KvGetOptions<'json'>,
  ): Promise<Map<string, Value | null>>

  /** The value with its metadata and version. Rejects as `get` does. */
  getWithMetadata<Metadata = unknown>(
    key: string,
    type?: KvGetOptions<'text'>,
  ): Promise<KvEntry<string, Metadata>>
  getWithMetadata<Value = unknown, Metadata = unknown>(
    key: string,
    type: KvGetOptions<'json'>,
  ): Promise<KvEntry<Value, Metadata>>
  getWithMetadata<Type extends KvType, Metadata = unknown>(
    key: string,
    type: KvGetOptions<Type>,
  ): Promise<KvEntry<KvTypes[Type], Metadata>>

  /**
   * One page of keys. It may have fewer than `limit`, even none, before `list_complete`.
   *
   * @example
   * for (let cursor: string | undefined; ; ) {
   *   const page = await env.CARTS.list({ prefix: 'cart/', ...(cursor && { cursor }) })
   *   for (const { name } of page.keys) console.log(name)
   *   if (page.list_complete) break
   *   cursor = page.cursor
   * }
   */
  list<Metadata = unknown>(options?: KvListOptions): Promise<KvList<Metadata>>
  /** The same store, narrowed to keys that begin so; names are given and listed without it. To hand on less power. */
  prefix(prefix: string): KvReader
  /** The same store, without `put` and `delete`. */
  readOnly(): KvReader
}

/**
 * Keys and values in a namespace of the tenant: `"capabilities": {"kv": {"CARTS": {"namespace": "carts"}}}` is `env.CARTS`.
 *
 * @example
 * const { value, version } = await env.CARTS.getWithMetadata<number>('visits', 'json')
 * await env.CARTS.put('visits', JSON.stringify((value ?? 0) + 1), { ifVersion: version })
 */
export interface KvNamespace extends KvReader {
  /**
   * Resolves when it is durable. At most 8 MiB. Rejects with `VELA_KV_CONFLICT`, `VELA_KV_QUOTA_EXCEEDED`,
   * `VELA_KV_BAD_REQUEST`, `VELA_STORE_FULL`, `VELA_TENANT_QUOTA_EXCEEDED`, `VELA_CAPABILITY_*`; nothing of it is stored
   * then.
   *
   * @example
   * await env.SESSIONS.put(id, JSON.stringify(session), { expirationTtl: 3600, metadata: { user } })
   */
  put(
    key: string,
    value: string | Bytes | GuestBlobOrStream,
    options?: KvPutOptions,
  ): Promise<{ readonly version: number }>
  /** Resolves, when it is durable, to whether there was such a key. Rejects as `put` does. */
  delete(key: string, options?: Pick<KvPutOptions, 'ifVersion'>): Promise<boolean>
  prefix(prefix: string): KvNamespace
}
