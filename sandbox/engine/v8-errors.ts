/** Tells apart how an entry into an isolate failed, from what isolated-vm throws into the cell. */
import type ivm from 'isolated-vm'
import type { Fault } from '../protocol/frame.ts'
import { EngineFault, cpuMicros } from './engine-fault.ts'

const MAX_TEXT = 16_384

/**
 * isolated-vm's timer runs on the wall clock. It gets some room beyond the CPU budget; when it fires although
 * the guest had less CPU time than its budget, the machine was busy and the guest is not to blame ('starved').
 */
export function wallMsOf(budgetMs: number): number {
  return Math.ceil(budgetMs * 1.5) + 20
}

/** The fault that ended the isolate, or undefined when the guest merely threw. */
export function faultOf(
  isolate: ivm.Isolate,
  thrown: unknown,
  cpuBeforeMicros: number,
  budgetMs: number,
): Fault | undefined {
  if (thrown instanceof EngineFault) return thrown.fault
  const message = thrown instanceof Error ? thrown.message : ''
  if (message === 'Script execution timed out.' && !isDisposed(isolate)) {
    const usedMs = (cpuMicros() - cpuBeforeMicros) / 1000
    if (usedMs < budgetMs)
      return { reason: 'starved', message: 'The machine was too busy to give the turn its CPU time' }
    return { reason: 'exceeded-cpu', message: `The turn used more than its ${budgetMs} ms of CPU time` }
  }
  if (isDisposed(isolate)) {
    return { reason: 'exceeded-memory', message: 'The isolate ran out of memory' }
  }
  return undefined
}

const isDisposed = (isolate: ivm.Isolate): boolean => isolate.isDisposed

export function describeError(thrown: unknown): { name: string; message: string; stack?: string } {
  if (!(thrown instanceof Error))
    return { name: 'Error', message: clip(`Thrown value is no Error: ${kindOf(thrown)}`) }
  if (thrown.message.startsWith(UNCOPIED))
    return { name: 'Error', message: 'Thrown value is no Error: an object or symbol' }
  const stack = typeof thrown.stack === 'string' ? guestFrames(thrown.stack) : undefined
  return {
    name: clip(thrown.name),
    message: clip(thrown.message),
    ...(stack === undefined ? {} : { stack }),
  }
}

/** isolated-vm's words for a thrown object that it does not copy. */
const UNCOPIED = 'An object was thrown from supplied code within isolated-vm'

/** What lies beyond the boundary are the cell's own frames: they carry host paths and say nothing to a tenant. */
function guestFrames(stack: string): string {
  const boundary = stack.indexOf('\n    at (<isolated-vm boundary>)')
  return clip(boundary < 0 ? stack : stack.slice(0, boundary))
}

const kindOf = (thrown: unknown): string => (typeof thrown === 'string' ? thrown : typeof thrown)

/** The fields of what a guest threw may be anything, whatever their types say. */
const clip = (value: unknown): string => String(value).slice(0, MAX_TEXT)
