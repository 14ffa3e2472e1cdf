/**
 * Reads an object of the store, whole or not at all. The client itself waits for ever for a part that is missing, and takes whatever size
 * it is told; what is damaged is told from a NATS that does not answer, for the one is mended by a deploy, and the other by itself.
 */
import type { ObjectResult } from '@nats-io/obj'
import type { Nats } from '../../nats/types.ts'
import { openObjects } from '../buckets.ts'

/** No part for so long: NATS does not answer. */
const IDLE_MS = 15_000

/** Undefined when it is missing or damaged. Rejects when NATS does not answer. */
export async function fetchBlob(
  nats: Pick<Nats, 'jetstream' | 'replicas' | 'manager'>,
  store: string,
  name: string,
  mostBytes: number,
): Promise<Uint8Array | undefined> {
  const objects = await openObjects(nats, store)
  const known = await objects.info(name).catch(damaged)
  if (known === undefined || known === null || known.deleted || known.size > mostBytes) return undefined
  const subject = `$O.${store}.C.${known.nuid}`
  const manager = await nats.manager()
  const { state } = await manager.streams.info(`OBJ_${store}`, { subjects_filter: subject })
  if (state.subjects?.[subject] !== known.chunks) return undefined
  const found: ObjectResult | null | undefined = await objects.get(name).catch(damaged)
  if (found === undefined || found === null) return undefined
  // Said by the reader as well.
  found.error.catch(() => undefined)
  const reader = found.data.getReader()
  const parts: Uint8Array[] = []
  try {
    for (;;) {
      const { done, value } = await inTime(reader.read())
      if (done) return Buffer.concat(parts)
      parts.push(value)
    }
  } catch (error) {
    reader.cancel().catch(() => undefined)
    return damaged(error)
  }
}

/** The client has no types for what it finds damaged. */
function damaged(error: unknown): undefined {
  if (error instanceof SyntaxError || (error instanceof Error && /corrupt|digest/i.test(error.message)))
    return undefined
  throw error
}

async function inTime<Result>(work: Promise<Result>): Promise<Result> {
  const { promise, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(new Error(`nothing came for ${IDLE_MS} ms`)), IDLE_MS)
  try {
    return await Promise.race([work, promise])
  } finally {
    clearTimeout(timer)
  }
}
