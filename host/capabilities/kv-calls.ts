/**
 * Carries out a guest's calls on a kv binding: `get`, `getMany`, `put`, `delete`, `list`, with the meaning that docs/kv.md
 * gives them. Everything in a call is hostile. The binding's prefix stands before every key that goes in and is
 * taken off every key that comes out, and a list never leaves the keys behind it, whatever prefix or cursor the guest sends.
 * Threat: a guest that asks for large values and reads none of them; they are counted while the host holds them.
 */
import { VelaError } from '../core/errors.ts'
import type { KvEntry, KvListed, KvNamespace, KvStore } from '../kv/types.ts'
import { SMALL_VALUE_BYTES } from '../kv/types.ts'
import type { JsonValue } from '../registry/types.ts'
import { GuestFacingError } from './capability.ts'
import type { Capability, CapabilityCall, CapabilityResult } from './capability.ts'
import { readCursor, readDelete, readKeys, readList, readPut, writeCursor } from './kv-args.ts'

export interface KvBinding {
  readonly store: KvStore
  readonly namespace: KvNamespace
  readonly prefix: string
  readonly canWrite: boolean
  readonly quotaBytes: number
}

const PART_BYTES = 64 * 1024
const NOTHING = new Uint8Array(0)

export function createKvCalls(binding: KvBinding): Capability {
  const { store, namespace, prefix, quotaBytes } = binding
  const unread = new Set<() => void>()

  const get = (call: CapabilityCall): CapabilityResult | Promise<CapabilityResult> => {
    const entry = namespace.get(inside(prefix, call.args[0]))
    return entry instanceof Promise ? entry.then((late) => found(late, call)) : found(entry, call)
  }

  const found = (entry: KvEntry | null, call: CapabilityCall): CapabilityResult => {
    if (entry === null) return { value: null }
    return { value: about(entry), body: bodyOf(entry.value, call) }
  }

  /** Small values go at once, and need no signal: reading it makes one. */
  const bodyOf = (value: Uint8Array, call: CapabilityCall): CapabilityResult['body'] =>
    value.length > SMALL_VALUE_BYTES ? counted(value, call.signal) : value

  /** The bytes in parts, counted against the tenant until they are read, given up or nobody's any more. */
  const counted = (value: Uint8Array, signal: AbortSignal): AsyncIterable<Uint8Array> => {
    const { tenant } = namespace
    store.memory.take(tenant, value.length)
    const release = (): void => {
      if (!unread.delete(release)) return
      signal.removeEventListener('abort', release)
      store.memory.give(tenant, value.length)
    }
    unread.add(release)
    signal.addEventListener('abort', release)
    if (signal.aborted) release()
    return partsOf(value, release)
  }

  const getMany = async (call: CapabilityCall): Promise<CapabilityResult> => {
    const entries = await namespace.getMany(readKeys(call.args[0]).map((key) => inside(prefix, key)))
    return {
      value: entries.map((entry) => (entry === null ? null : { ...about(entry), size: entry.value.length })),
      body: bodyOf(Buffer.concat(entries.map((entry) => entry?.value ?? NOTHING)), call),
    }
  }

  const put = async ({ args, body }: CapabilityCall): Promise<CapabilityResult> => {
    const options = readPut(args[1])
    const { version } = await namespace.put(inside(prefix, args[0]), body ?? NOTHING, {
      ...options,
      quotaBytes,
    })
    return { value: { version } }
  }

  const remove = async ({ args }: CapabilityCall): Promise<CapabilityResult> => {
    const { deleted } = await namespace.delete(inside(prefix, args[0]), readDelete(args[1]))
    return { value: { deleted } }
  }

  const list = async ({ args }: CapabilityCall): Promise<CapabilityResult> => {
    const { prefix: asked, cursor, limit, reverse } = readList(args[0])
    const { keys, after } = await namespace.list({
      prefix: prefix + asked,
      after: cursor === undefined ? undefined : prefix + readCursor(cursor),
      limit,
      reverse,
    })
    return {
      value: {
        keys: keys.map((listed) => outside(prefix, listed)),
        list_complete: after === null,
        ...(after === null ? {} : { cursor: writeCursor(after.slice(prefix.length)) }),
      },
    }
  }

  const act = (call: CapabilityCall): CapabilityResult | Promise<CapabilityResult> => {
    switch (call.method) {
      case 'get':
        return get(call)
      case 'getMany':
        return getMany(call)
      case 'list':
        return list(call)
      case 'put':
        return binding.canWrite ? put(call) : readOnly()
      case 'delete':
        return binding.canWrite ? remove(call) : readOnly()
      default:
        throw new GuestFacingError('TypeError', 'A kv namespace has no such method.', 'VELA_METHOD_NOT_FOUND')
    }
  }

  return {
    call: act,
    close() {
      for (const release of unread) release()
    },
  }
}

/** The key in the namespace. Checked here alone, so that two halves of a surrogate pair cannot meet at the seam. */
function inside(prefix: string, hostileKey: JsonValue | undefined): string {
  if (typeof hostileKey === 'string' && hostileKey !== '' && hostileKey.isWellFormed())
    return prefix + hostileKey
  throw new VelaError('VELA_KV_BAD_REQUEST', 'A key is a string that is not empty, without lone surrogates.')
}

/** As Workers KV lists a key. */
function outside(
  prefix: string,
  { name, metadata, version, expiresAtMs }: KvListed,
): Record<string, JsonValue> {
  const key: Record<string, JsonValue> = { name: name.slice(prefix.length), version }
  if (expiresAtMs !== null) key['expiration'] = seconds(expiresAtMs)
  if (metadata !== null) key['metadata'] = parse(metadata)
  return key
}

function about({ metadata, version, expiresAtMs }: KvEntry): Record<string, JsonValue> {
  return {
    metadata: metadata === null ? null : parse(metadata),
    version,
    expiration: expiresAtMs === null ? null : seconds(expiresAtMs),
  }
}

/** Whole ones, as Workers KV has them: the moment itself may be up to a second before. */
function seconds(expiresAtMs: number): number {
  return Math.ceil(expiresAtMs / 1000)
}

function parse(metadata: string): JsonValue {
  return JSON.parse(metadata) as JsonValue
}

function readOnly(): never {
  throw new GuestFacingError(
    'Error',
    'This binding may only read. Ask for "access": "write" in the manifest.',
    'VELA_CAPABILITY_DENIED',
  )
}

// No generator: one that was never begun would not run its `finally` when it is given up.
function partsOf(value: Uint8Array, release: () => void): AsyncIterable<Uint8Array> {
  let offset = 0
  const end = (): Promise<IteratorResult<Uint8Array>> => {
    offset = value.length
    release()
    return Promise.resolve({ done: true, value: undefined })
  }
  const iterator: AsyncIterator<Uint8Array> = {
    next() {
      if (offset >= value.length) return end()
      const part = value.subarray(offset, offset + PART_BYTES)
      offset += part.length
      return Promise.resolve({ done: false, value: part })
    },
    return: end,
  }
  return { [Symbol.asyncIterator]: () => iterator }
}
