/**
 * A node's entry in the nodes bucket, as JSON. Other hosts wrote it, perhaps of another version of Vela: what does not fit
 * is no record, and nothing thrown.
 */
import type { NodeState, NodeStatus } from './types.ts'

export interface NodeRecord extends NodeStatus {
  readonly state: Exclude<NodeState, 'lost'>
  /** Counts the node's heartbeats: the same number read twice is one heartbeat. */
  readonly beat: number
  /** The node's own lease, which others have to wait for. */
  readonly leaseMs: number
}

const MAX_RECORD_BYTES = 4096
const ID = /^[A-Za-z0-9_-]{1,80}$/
const STATES: ReadonlySet<string> = new Set(['starting', 'ready', 'draining'])

export const encodeNode = (record: NodeRecord): string => JSON.stringify(record)

/** Undefined for what is no record of that node. */
export function decodeNode(id: string, bytes: Uint8Array): NodeRecord | undefined {
  if (bytes.length > MAX_RECORD_BYTES || !ID.test(id)) return undefined
  let value: unknown
  try {
    value = JSON.parse(Buffer.from(bytes).toString('utf8'))
  } catch {
    return undefined
  }
  if (typeof value !== 'object' || value === null) return undefined
  const record = value as Readonly<Record<string, unknown>>
  const { state } = record
  if (record['id'] !== id || typeof state !== 'string' || !STATES.has(state)) return undefined
  const load = (typeof record['load'] === 'object' ? record['load'] : null) as Record<string, unknown> | null
  return {
    id,
    name: textOf(record['name']),
    gateway: textOf(record['gateway']),
    admin: textOf(record['admin']),
    startedMs: numberOf(record['startedMs']),
    state: state as NodeRecord['state'],
    load: {
      cpu: numberOf(load?.['cpu']),
      turns: numberOf(load?.['turns']),
      queue: numberOf(load?.['queue']),
    },
    vela: textOf(record['vela']),
    runtime: textOf(record['runtime']),
    beat: numberOf(record['beat']),
    leaseMs: numberOf(record['leaseMs']),
  }
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value.slice(0, 300) : '')

const numberOf = (value: unknown): number =>
  typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : 0
