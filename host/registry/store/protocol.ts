/**
 * What travels between the host's thread and the store thread: numbered calls one way, replies the other, both in
 * arrays so that one wake-up carries all that is waiting. Both ends are trusted and of the same build.
 */
import { ERRORS, VelaError } from '../../core/errors.ts'
import type { ErrorCode } from '../../core/errors.ts'

export type LogLevel = 'info' | 'warn' | 'error'

/** What the worker is started with. `dataDir` null: in memory, and gone when the store closes. */
export interface StoreOptions {
  readonly dataDir: string | null
  /** Ceiling for the database file; more is refused with VELA_STORE_FULL. null: as far as the disk goes. */
  readonly maxStoreBytes: number | null
}

export interface StoreCall {
  readonly id: number
  /** null asks the thread to finish, close the files and end. */
  readonly operation: string | null
  readonly args: readonly unknown[]
}

export interface PlainError {
  readonly code: ErrorCode
  readonly message: string
  readonly details: Readonly<Record<string, unknown>>
}

export type StoreReply =
  | { readonly kind: 'opened' }
  | { readonly kind: 'refused'; readonly error: PlainError }
  | { readonly kind: 'done'; readonly id: number; readonly value: unknown }
  | { readonly kind: 'failed'; readonly id: number; readonly error: PlainError }
  | { readonly kind: 'log'; readonly level: LogLevel; readonly message: string }

/** A function of the store thread. It may touch nothing but the database: a group that fails is run again. */
export type Operation<Context> = (context: Context, ...args: never[]) => unknown

export interface Operations<Context> {
  readonly reads: Readonly<Record<string, Operation<Context>>>
  readonly writes: Readonly<Record<string, Operation<Context>>>
  /**
   * Writes that refuse, if they do, before they change anything. There is nothing of theirs to undo alone, and not
   * preparing for it saves a quarter of a small write.
   */
  readonly checkedWrites?: Readonly<Record<string, Operation<Context>>>
}

// Structured cloning keeps neither the class nor the code of an error, so errors travel as data.
export function flattenError(error: VelaError): PlainError {
  return { code: error.code, message: error.message, details: error.details }
}

export function reviveError(error: PlainError): VelaError {
  const code = Object.hasOwn(ERRORS, error.code) ? error.code : 'VELA_STORE_FAILED'
  return new VelaError(code, error.message, { details: error.details })
}
