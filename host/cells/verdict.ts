/**
 * Who pays when an isolate is gone. An entry that was killed has had no effect, so calls that were new in it are tried once
 * more, each by itself; a call that fails alone, or was the only one that can have done it, gets the limit's code.
 */
import type { ErrorCode } from '../core/errors.ts'
import type { Call } from './call.ts'
import type { Turn } from './turn-table.ts'

export interface Verdict {
  readonly retry: readonly Call[]
  readonly failed: readonly { readonly call: Call; readonly code: ErrorCode }[]
}

const MAX_ATTEMPTS = 1
/** The machine's fault, not the call's: it may try again beyond that, a few times. */
const MAX_STARVED_ATTEMPTS = 3

const GUILT: ReadonlySet<string> = new Set(['exceeded-cpu', 'exceeded-memory', 'exceeded-output'])
const INNOCENT: ReadonlySet<string> = new Set(['starved', 'exited', 'killed', 'stuck'])

/** A fault that the guest itself is to blame for. */
export const isGuilty = (reason: string): boolean => GUILT.has(reason)

/** It says nothing about the guest: a busy machine, a cell that was lost. */
export const isInnocent = (reason: string): boolean => INNOCENT.has(reason)

const CODES: Readonly<Record<string, ErrorCode>> = {
  'exceeded-cpu': 'VELA_TURN_EXCEEDED_CPU',
  'exceeded-memory': 'VELA_TURN_EXCEEDED_MEMORY',
  'exceeded-output': 'VELA_GUEST_RESPONSE_TOO_LARGE',
}

const TEXTS: Readonly<Record<string, string>> = {
  'exceeded-cpu': 'A turn used more CPU time than it may, and its cell was ended',
  'exceeded-memory': 'A turn used more memory than it may, and its cell was ended',
}

/** What those are told who were in a cell that is gone: the one to blame, and others. */
export const textOf = (reason: string): string => TEXTS[reason] ?? `The cell ended (${reason})`

/** `batch` is the one that was killed, 0 if none; `guilt`: it was the guest that broke a limit in it. Counts the attempt of `retry`. */
export function judge(turns: readonly Turn[], batch: number, guilt: boolean, reason: string): Verdict {
  // Hooks come in no batch of their own, and whoever made them sees to what follows.
  const isFresh = (turn: Turn): boolean => batch !== 0 && turn.batch === batch && !turn.touched
  const fresh = turns.filter(isFresh)
  const suspects = guilt ? (fresh.length > 0 ? fresh : turns) : []
  const proven = suspects.length === 1
  const attempts = reason === 'starved' ? MAX_STARVED_ATTEMPTS : MAX_ATTEMPTS
  const retry: Call[] = []
  const failed: { call: Call; code: ErrorCode }[] = []
  for (const turn of turns) {
    const { call } = turn
    if (turn.settled) continue
    if (suspects.includes(turn) && (proven || call.attempts > 0 || !isFresh(turn))) {
      failed.push({ call, code: CODES[reason] ?? 'VELA_CELL_LOST' })
    } else if (isFresh(turn) && !turn.pinned && call.attempts < attempts) {
      call.attempts++
      retry.push(call)
    } else failed.push({ call, code: 'VELA_CELL_LOST' })
  }
  return { retry, failed }
}
