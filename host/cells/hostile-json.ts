/** Reads the JSON that frames of a cell carry. The cell may be broken out of: what is not as agreed ends it. */
import type { Fault, FaultReason, Frame } from '../../sandbox/protocol/frame.ts'
import { ProtocolViolation } from '../../sandbox/protocol/frame-reader.ts'
import { textOf } from '../../sandbox/protocol/frame-writer.ts'

const REASONS: Readonly<Record<FaultReason, true>> = {
  'exceeded-cpu': true,
  'exceeded-memory': true,
  'exceeded-output': true,
  starved: true,
  'start-threw': true,
  'start-timeout': true,
  'syntax-error': true,
  'unknown-import': true,
  'not-loaded': true,
}

export function parseJson(frame: Frame): unknown {
  try {
    return JSON.parse(textOf(frame.flags, frame.payload))
  } catch {
    throw new ProtocolViolation('A frame carries text that is no JSON')
  }
}

export function parseFault(frame: Frame): Fault {
  const value = parseJson(frame)
  if (typeof value !== 'object' || value === null) throw new ProtocolViolation('A fault is no object')
  const { reason, message, name, stack } = value as Record<string, unknown>
  if (typeof reason !== 'string' || !Object.hasOwn(REASONS, reason) || typeof message !== 'string') {
    throw new ProtocolViolation('A fault is malformed')
  }
  return {
    reason: reason as FaultReason,
    message,
    ...(typeof name === 'string' ? { name } : {}),
    ...(typeof stack === 'string' ? { stack } : {}),
  }
}
