/**
 * Where an attack has another shape or another end on one of the engines, with the reason, in one place: everything else
 * in this folder must hold on both alike.
 */
import type { EngineName } from '../engines.ts'

export interface Difference<Value> {
  readonly v8: Value
  readonly quickjs: Value
  readonly why: string
}

export const DIFFERENCES: {
  readonly intl: Difference<boolean>
  readonly prepareStackTrace: Difference<boolean>
  readonly uncountedMemory: Difference<boolean>
  readonly abortsItsProcess: Difference<boolean>
  readonly loops: Difference<number>
  readonly bombMemoryMb: Difference<number>
} = {
  intl: {
    v8: true,
    quickjs: false,
    why: 'QuickJS has no Intl, and so no clock or uncounted memory behind it',
  },
  prepareStackTrace: {
    v8: true,
    quickjs: false,
    why: 'the hook that V8 calls when a stack is first read is a property like others to QuickJS',
  },
  uncountedMemory: {
    v8: true,
    quickjs: false,
    why: 'all that a guest on QuickJS has lies in its one memory, which cannot grow; V8 keeps some outside its heap',
  },
  abortsItsProcess: {
    v8: true,
    quickjs: false,
    why: 'V8 ends its process when one huge table does not fit; QuickJS returns, and its memory is dropped',
  },
  loops: { v8: 3e8, quickjs: 1e7, why: 'an interpreter is slower: both take some tenths of a second' },
  bombMemoryMb: { v8: 32, quickjs: 16, why: 'an interpreter needs longer to fill as much' },
}

/** The value for this engine. */
export function on<Name extends keyof typeof DIFFERENCES>(
  engine: EngineName,
  name: Name,
): (typeof DIFFERENCES)[Name][EngineName] {
  return DIFFERENCES[name][engine]
}
