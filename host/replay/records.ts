/** Reads the JSON records of a recording: who wrote it, and how the cell ended. Both are hostile until checked. */
import type { CellEnd } from '../cells/cell.ts'
import type { RecordedEnd, RecordingHeader } from '../cells/recorder.ts'

const REASONS: Readonly<Record<CellEnd, true>> = {
  exited: true,
  killed: true,
  'exceeded-cpu': true,
  'exceeded-memory': true,
  stuck: true,
  protocol: true,
  stopped: true,
}
const MAX_MEMORY_MB = 1024 * 1024
const MAX_BUDGET_MS = 24 * 3600 * 1000

export function readHeader(payload: Buffer): RecordingHeader | undefined {
  const { format, version, image, node, memoryMb, residentMb } = parseObject(payload)
  if (format !== 'vela-recording' || version !== 1) return undefined
  if (!isName(image) || !isName(node)) return undefined
  if (!isNatural(memoryMb, MAX_MEMORY_MB) || memoryMb < 8 || !isNatural(residentMb, MAX_MEMORY_MB))
    return undefined
  return { format, version, image, node, memoryMb, residentMb }
}

export function readEnd(payload: Buffer): RecordedEnd | undefined {
  const { reason, duringBatch, budgetMs } = parseObject(payload)
  if (typeof reason !== 'string' || !Object.hasOwn(REASONS, reason)) return undefined
  if (!isNatural(duringBatch, 0xffff_ffff) || !isNatural(budgetMs, MAX_BUDGET_MS)) return undefined
  return { reason: reason as CellEnd, duringBatch, budgetMs }
}

function parseObject(payload: Buffer): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(payload.toString('utf8'))
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}

const isName = (value: unknown): value is string => typeof value === 'string' && /^[\w.+-]{1,64}$/.test(value)

const isNatural = (value: unknown, most: number): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value <= most
