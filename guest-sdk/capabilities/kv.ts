/**
 * The guest's half of the `kv` capability, with the names of Cloudflare's Workers KV and, beyond it, compare-and-set
 * (`ifVersion`) and attenuation (`prefix`). Values cross as bytes; what type they have is up to who reads them.
 */
import type { CallBody, CallResult } from '../kernel/calls.ts'
import type { CapabilityFactory, CapabilityKit, Power } from '../kernel/capabilities.ts'

interface Entry {
  readonly metadata: unknown
  readonly version: number
}

interface Reader {
  text(): Promise<string>
  json(): Promise<unknown>
  arrayBuffer(): Promise<ArrayBuffer>
  readonly body: object | null
}

interface Key {
  name: string
}

interface Listing {
  readonly keys: readonly Key[]
}

const HEAD = { status: 200, statusText: '', headers: [], url: '', redirected: false }

export const create: CapabilityFactory = (kit) => (power, options) => {
  const { write = true } = (options ?? {}) as { write?: boolean }
  return Object.freeze(new KvNamespace(kit, power, '', write))
}

class KvNamespace {
  readonly #kit: CapabilityKit
  readonly #power: Power
  /** In front of every key: what `prefix()` narrowed this to. The host keeps the grant's own prefix. */
  readonly #prefix: string
  readonly #write: boolean

  constructor(kit: CapabilityKit, power: Power, prefix: string, write: boolean) {
    this.#kit = kit
    this.#power = power
    this.#prefix = prefix
    this.#write = write
  }

  /** The value, or null; `type`: text (default), json, arrayBuffer, stream. Many keys give a Map, at most 100. */
  async get(key: unknown, type: unknown = undefined): Promise<unknown> {
    const wanted = typeOf(type)
    if (Array.isArray(key)) return await this.#getMany(key, wanted, (read) => read.value)
    const { value, body } = await this.#call('get', [this.#key(key)])
    return value === null ? null : await this.#read(body, wanted)
  }

  async getWithMetadata(key: unknown, type: unknown = undefined): Promise<unknown> {
    const wanted = typeOf(type)
    if (Array.isArray(key)) return await this.#getMany(key, wanted, (read) => read)
    const { value, body } = await this.#call('get', [this.#key(key)])
    if (value === null) return { value: null, metadata: null, version: 0 }
    const { metadata, version } = value as Entry
    return { value: await this.#read(body, wanted), metadata: metadata ?? null, version }
  }

  /** Resolves when it is durable, to `{ version }`. A string, bytes, a Blob or a stream. */
  async put(key: unknown, value: unknown, options: unknown = undefined): Promise<unknown> {
    this.#mayWrite()
    const name = this.#key(key)
    if (value === undefined || value === null) throw new TypeError('kv.put: the value is missing')
    return (await this.#call('put', [name, options ?? {}], this.#bodyOf(value))).value
  }

  async delete(key: unknown, options: unknown = undefined): Promise<unknown> {
    this.#mayWrite()
    const { value } = await this.#call('delete', [this.#key(key), options ?? {}])
    return (value as { deleted: boolean }).deleted
  }

  async list(options: unknown = undefined): Promise<unknown> {
    const given = { ...(options as object | undefined) } as { prefix?: unknown }
    const asked = given.prefix === undefined ? '' : `${given.prefix as string}`
    const { value } = await this.#call('list', [{ ...given, prefix: this.#prefix + asked }])
    const listing = value as Listing
    const cut = this.#prefix.length
    return { ...listing, keys: listing.keys.map((key) => Object.assign(key, { name: key.name.slice(cut) })) }
  }

  /** The same store, narrowed to keys that begin so; names are given and listed without it. */
  prefix(prefix: unknown): Readonly<KvNamespace> {
    return Object.freeze(
      new KvNamespace(this.#kit, this.#power, this.#prefix + `${prefix as string}`, this.#write),
    )
  }

  /** The same store, without put and delete. */
  readOnly(): Readonly<KvNamespace> {
    return Object.freeze(new KvNamespace(this.#kit, this.#power, this.#prefix, false))
  }

  get [Symbol.toStringTag](): string {
    return 'KvNamespace'
  }

  #call(method: string, args: readonly unknown[], body: CallBody = null): Promise<CallResult> {
    return this.#power.call(method, args, body)
  }

  #key(key: unknown): string {
    if (typeof key !== 'string' || key === '') throw new TypeError('kv: a key is a string that is not empty')
    return this.#prefix + key
  }

  #mayWrite(): void {
    if (this.#write) return
    throw this.#kit.createError(
      'Error',
      'This namespace can only be read: it was granted or narrowed so',
      'VELA_CAPABILITY_DENIED',
    )
  }

  #bodyOf(value: unknown): CallBody {
    if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint') {
      throw new TypeError('kv.put: the value is a string, bytes or a stream; use JSON.stringify for others')
    }
    if (typeof value === 'string') return { text: value }
    const { body } = this.#kit.web.readRequest('http://kv/', { method: 'PUT', body: value, duplex: 'half' })
    return body ?? { text: '' }
  }

  async #read(body: CallResult['body'], type: string): Promise<unknown> {
    const reader = this.#kit.web.createResponse(HEAD, body) as Reader
    if (type === 'json') return await reader.json()
    if (type === 'arrayBuffer') return await reader.arrayBuffer()
    if (type === 'stream') return reader.body ?? (this.#kit.web.createResponse(HEAD, EMPTY) as Reader).body
    return await reader.text()
  }

  async #text(bytes: Uint8Array): Promise<string> {
    return await (this.#kit.web.createResponse(HEAD, bytes) as Reader).text()
  }

  async #getMany(
    keys: readonly unknown[],
    type: string,
    pick: (read: { value: unknown; metadata: unknown }) => unknown,
  ): Promise<Map<unknown, unknown>> {
    if (type !== 'text' && type !== 'json')
      throw new TypeError('kv.get: many keys can be read as text or json only')
    const { value, body } = await this.#call('getMany', [keys.map((key) => this.#key(key))])
    const entries = value as readonly ({ size: number; metadata: unknown } | null)[]
    // The values come joined, in order.
    const bytes = new Uint8Array(await (this.#kit.web.createResponse(HEAD, body) as Reader).arrayBuffer())
    let at = 0
    const found = new Map<unknown, unknown>()
    for (const [index, key] of keys.entries()) {
      const entry = entries[index] ?? null
      const text = entry === null ? null : await this.#text(bytes.subarray(at, at + entry.size))
      at += entry?.size ?? 0
      const read = text === null ? null : type === 'json' ? (JSON.parse(text) as unknown) : text
      found.set(key, pick({ value: read, metadata: entry?.metadata ?? null }))
    }
    return found
  }
}

const EMPTY = { byteString: '', ascii: true }
const TYPES: ReadonlySet<string> = new Set(['text', 'json', 'arrayBuffer', 'stream'])

/** Workers KV takes the type by itself or as `{ type }`. */
function typeOf(given: unknown): string {
  const type = typeof given === 'object' && given !== null ? (given as { type?: unknown }).type : given
  if (type === undefined) return 'text'
  if (typeof type === 'string' && TYPES.has(type)) return type
  throw new TypeError('kv.get: the type is text, json, arrayBuffer or stream')
}
