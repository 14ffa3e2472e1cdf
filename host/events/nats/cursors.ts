/**
 * Where the consumers stand: a key each in a bucket, changed by compare-and-set only. Who opens a cursor writes its own name into it;
 * from then on whatever an earlier holder saves is refused, wherever that one is and whatever it believes.
 */
import { randomUUID } from 'node:crypto'
import type { KV, KvEntry } from '@nats-io/kv'
import { VelaError } from '../../core/errors.ts'
import { hasApiCode, isWrongSequence, STREAM_NOT_FOUND } from '../../nats/api-errors.ts'
import type { Nats } from '../../nats/types.ts'
import type { ConsumerCursor, Cursor, CursorState, OpenEvent } from '../durable/log.ts'
import { fromToken, type EventNames, toToken } from './names.ts'
import { guarded, ignoring, type Streams } from './streams.ts'

export interface Cursors {
  open(tenant: string, consumer: string, from: 'new' | 'all'): Promise<Cursor>
  list(tenant: string): Promise<readonly ConsumerCursor[]>
  /** Held on this host, and dropped by another. */
  isGone(tenant: string, consumer: string): Promise<boolean>
  drop(tenant: string, consumer: string): Promise<void>
  dropTenant(tenant: string): Promise<void>
  /** Refuses what the tenant's cursors save from now on: their holders have to open them again. */
  expire(tenant: string): void
}

interface Stored {
  readonly holder: string
  /** Birthday of the stream that the positions are of. */
  readonly created: string
  readonly state: CursorState
}

export function createCursors(nats: Nats, names: EventNames, streams: Streams): Cursors {
  const bucket = (): Promise<KV> => nats.kv(names.cursors, { history: 1 })
  /** By tenant and key, the latest of each. */
  const held = new Map<string, Map<string, HeldCursor>>()

  const open = async (tenant: string, consumer: string, from: 'new' | 'all'): Promise<Cursor> => {
    const kv = await bucket()
    const key = keyOf(tenant, consumer)
    for (;;) {
      const { created, last } = await streams.ensure(tenant)
      const entry = await kv.get(key)
      const isNew = entry === null || entry.operation !== 'PUT'
      const state = isNew
        ? { position: from === 'all' ? 0 : last, open: [] }
        : fit(parseStored(entry), created, last)
      const stored: Stored = { holder: randomUUID(), created, state }
      try {
        const text = printStored(stored)
        const put = (): Promise<number> =>
          entry === null ? kv.create(key, text) : kv.update(key, text, entry.revision)
        const revision = isNew ? await streams.forTenant(tenant, put, () => purge(key)) : await put()
        const cursor = new HeldCursor(nats, kv, key, stored, revision)
        const others = held.get(tenant) ?? new Map<string, HeldCursor>()
        held.set(tenant, others.set(key, cursor))
        return cursor
      } catch (error) {
        // Somebody else took it at the same moment: whoever comes last holds it.
        if (!isWrongSequence(error)) throw error
      }
    }
  }

  const purge = (filter: string): Promise<void> =>
    guarded(nats, async () => {
      const manager = await nats.manager()
      const stream = `KV_${names.cursors}`
      await ignoring(
        STREAM_NOT_FOUND,
        manager.streams.purge(stream, { filter: `$KV.${names.cursors}.${filter}` }),
      )
    })

  return {
    open: (tenant, consumer, from) => guarded(nats, () => open(tenant, consumer, from)),
    list: (tenant) =>
      guarded(nats, async () => {
        const kv = await bucket()
        const facts = await streams.facts(tenant)
        const found: ConsumerCursor[] = []
        for (const key of await keysOf(nats, names.cursors, `${tenant}.*`)) {
          const entry = await kv.get(key)
          if (entry === null || entry.operation !== 'PUT') continue
          const state = fit(parseStored(entry), facts?.created, facts?.last ?? 0)
          found.push({ consumer: fromToken(key.slice(tenant.length + 1)), state })
        }
        return found.sort((a, b) => (a.consumer < b.consumer ? -1 : 1))
      }),
    isGone: (tenant, consumer) =>
      guarded(nats, async () => {
        const key = keyOf(tenant, consumer)
        if (held.get(tenant)?.has(key) !== true) return false
        const entry = await (await bucket()).get(key)
        return entry === null || entry.operation !== 'PUT'
      }),
    drop: async (tenant, consumer) => {
      const key = keyOf(tenant, consumer)
      await purge(key)
      held.get(tenant)?.delete(key)
    },
    dropTenant: async (tenant) => {
      await purge(`${tenant}.>`)
      held.delete(tenant)
    },
    expire: (tenant) => {
      const cursors = held.get(tenant)
      held.delete(tenant)
      for (const cursor of cursors?.values() ?? []) cursor.expire()
    },
  }
}

const keyOf = (tenant: string, consumer: string): string => `${tenant}.${toToken(consumer)}`

/**
 * A position is of one stream: in another of the same name the consumer begins anew, and in one that has lost its end what is left counts
 * as handled. One whose cursor is damaged, or of a version that nobody here can read, begins anew as well: better twice than never.
 */
function fit(known: Stored | undefined, created: string | undefined, last: number): CursorState {
  if (known === undefined || known.created !== created) return { position: 0, open: [] }
  if (known.state.position <= last) return known.state
  return { position: last, open: known.state.open.filter(({ sequence }) => sequence <= last) }
}

class HeldCursor implements Cursor {
  readonly state: CursorState
  #isExpired = false
  #onLost: (() => void) | undefined
  readonly #nats: Nats
  readonly #kv: KV
  readonly #key: string
  readonly #holder: string
  readonly #created: string
  #revision: number
  #saving: Promise<void> = Promise.resolve()

  constructor(nats: Nats, kv: KV, key: string, stored: Stored, revision: number) {
    this.#nats = nats
    this.#kv = kv
    this.#key = key
    this.#holder = stored.holder
    this.#created = stored.created
    this.#revision = revision
    this.state = stored.state
  }

  onLost(callback: () => void): void {
    this.#onLost = callback
  }

  /** What it says is of a log that is no more. */
  expire(): void {
    this.#isExpired = true
    this.#onLost?.()
  }

  async save(state: CursorState): Promise<void> {
    const text = printStored({ holder: this.#holder, created: this.#created, state })
    const saved = this.#saving.then(() => guarded(this.#nats, () => this.#write(text)))
    this.#saving = saved.catch(() => undefined)
    await saved
  }

  async #write(text: string): Promise<void> {
    for (;;) {
      if (this.#isExpired) throw fenced()
      try {
        this.#revision = await this.#kv.update(this.#key, text, this.#revision)
        return
      } catch (error) {
        if (!isWrongSequence(error)) throw error
      }
      // A save of our own may have been stored although its answer was lost; anybody else's ends us.
      const entry = await this.#kv.get(this.#key)
      if (entry === null || entry.operation !== 'PUT') throw fenced()
      if (parseStored(entry)?.holder !== this.#holder || entry.revision === this.#revision) throw fenced()
      this.#revision = entry.revision
    }
  }
}

const fenced = (): VelaError =>
  new VelaError('VELA_EVENTS_FENCED', 'The consumer’s cursor was taken over by another host, or dropped')

function printStored({ holder, created, state }: Stored): string {
  const open = state.open.map(({ sequence, attempts, dueMs }) => [sequence, attempts, dueMs])
  return JSON.stringify({ v: 1, holder, created, position: state.position, open })
}

/** Undefined: damaged, or of a version that nobody here can read. */
function parseStored(entry: KvEntry): Stored | undefined {
  let json: unknown
  try {
    json = entry.json()
  } catch {
    return undefined
  }
  if (typeof json !== 'object' || json === null) return undefined
  const { v, holder, created, position, open } = json as Record<string, unknown>
  if (v !== 1 || typeof holder !== 'string' || typeof created !== 'string') return undefined
  if (!isCount(position) || !Array.isArray(open)) return undefined
  const parsed: OpenEvent[] = []
  for (const each of open as unknown[]) {
    if (!Array.isArray(each) || each.length !== 3 || !each.every(isCount)) return undefined
    const [sequence, attempts, dueMs] = each as [number, number, number]
    parsed.push({ sequence, attempts, dueMs })
  }
  return { holder, created, state: { position, open: parsed } }
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0

/** Keys of a bucket that match, without their values: the server lists subjects. */
export async function keysOf(nats: Nats, bucket: string, filter: string): Promise<string[]> {
  const manager = await nats.manager()
  const prefix = `$KV.${bucket}.`
  try {
    const info = await manager.streams.info(`KV_${bucket}`, { subjects_filter: `${prefix}${filter}` })
    return Object.keys(info.state.subjects ?? {}).map((subject) => subject.slice(prefix.length))
  } catch (error) {
    if (hasApiCode(error, STREAM_NOT_FOUND)) return []
    throw error
  }
}
