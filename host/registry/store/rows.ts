/**
 * Typed access to the columns of a row. STRICT tables make a wrong type impossible in a sound file, so one that appears
 * means the file is damaged, and is reported as that rather than carried on.
 */
import type { SQLInputValue, SQLOutputValue } from 'node:sqlite'
import { VelaError } from '../../core/errors.ts'

export type Row = Readonly<Record<string, SQLOutputValue>>
export type Value = SQLInputValue

export function text(row: Row, column: string): string {
  const value = row[column]
  return typeof value === 'string' ? value : wrong(column)
}

export function textOrNull(row: Row, column: string): string | null {
  return row[column] === null ? null : text(row, column)
}

export function integer(row: Row, column: string): number {
  const value = number(row, column)
  return Number.isSafeInteger(value) ? value : wrong(column)
}

export function number(row: Row, column: string): number {
  const value = row[column]
  return typeof value === 'number' ? value : wrong(column)
}

export function blob(row: Row, column: string): Uint8Array {
  const value = row[column]
  return value instanceof Uint8Array ? value : wrong(column)
}

export function blobOrNull(row: Row, column: string): Uint8Array | null {
  return row[column] === null ? null : blob(row, column)
}

/** A column that this build wrote as JSON of a `Shape`. */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- says at the call what was written there
export function json<Shape>(row: Row, column: string): Shape {
  const value = text(row, column)
  try {
    return JSON.parse(value)
  } catch {
    return wrong(column)
  }
}

function wrong(column: string): never {
  throw new VelaError(
    'VELA_STORE_DAMAGED',
    `The store is damaged: a value of "${column}" is not of its type. Stop the host and restore the data directory from a backup.`,
  )
}
