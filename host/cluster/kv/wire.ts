/**
 * One change of the key-value store as a message of the cluster's journal: a line of JSON, then the value's bytes. A key has one subject,
 * of which the stream keeps the last message, so the journal is never longer than what is stored.
 */
import { createHash } from 'node:crypto'
import { z } from 'zod'
import { isName } from '../../registry/names.ts'
import type { KvChange } from '../../kv/types.ts'

export type KvKeyChange = Extract<KvChange, { key: string }>

const NEWLINE = 10

const Head = z.union([
  z.strictObject({ drop: z.literal(true), tenant: z.string() }),
  z.strictObject({
    tenant: z.string(),
    namespace: z.string(),
    key: z.string().min(1),
    put: z.nullable(
      z.strictObject({ metadata: z.nullable(z.string()), expiresAtMs: z.nullable(z.number()) }),
    ),
  }),
])

export const journalSubjects = (prefix: string): string => `${prefix}.k.>`
/** Where the end of a tenant is told. */
export const tenantSubject = (prefix: string, tenant: string): string => `${prefix}.k.${tenant}`
export const keySubjects = (prefix: string, tenant: string): string => `${prefix}.k.${tenant}.*`

/** Keys are any text, and tokens of a subject are not: a digest stands for the key, and the key is in the message. */
export function keySubject(prefix: string, tenant: string, namespace: string, key: string): string {
  // NUL is in no name of a namespace.
  const digest = createHash('sha256').update(`${namespace}\0${key}`).digest('base64url')
  return `${prefix}.k.${tenant}.${digest}`
}

export function encodeChange({ tenant, namespace, key, put }: Omit<KvKeyChange, 'sequence'>): Buffer {
  const about = put === null ? null : { metadata: put.metadata, expiresAtMs: put.expiresAtMs }
  const head = Buffer.from(`${JSON.stringify({ tenant, namespace, key, put: about })}\n`)
  return put === null ? head : Buffer.concat([head, put.value])
}

export const encodeDrop = (tenant: string): Buffer =>
  Buffer.from(`${JSON.stringify({ drop: true, tenant })}\n`)

/** undefined: this is no change that this version of Vela knows. */
export function decodeChange(data: Uint8Array, sequence: number): KvChange | undefined {
  const end = data.indexOf(NEWLINE)
  if (end === -1) return undefined
  const head = Head.safeParse(parse(Buffer.from(data.subarray(0, end)).toString('utf8')))
  if (!head.success || !isName('tenant', head.data.tenant)) return undefined
  if ('drop' in head.data) return { tenant: head.data.tenant, key: null, sequence }
  const { tenant, namespace, key, put } = head.data
  if (!isName('namespace', namespace)) return undefined
  return {
    tenant,
    namespace,
    key,
    // The message's bytes stand in a larger buffer that is used again.
    put: put === null ? null : { ...put, value: new Uint8Array(data.subarray(end + 1)) },
    sequence,
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
