/**
 * The V8 engine, on isolated-vm: an isolate per guest, every crossing synchronous on the cell's only thread.
 * After a timeout or a memory fault the isolate's state is suspect: it is disposed, never reused.
 */
import type ivm from 'isolated-vm'
import type { Engine, EnterResult, Guest, LoadRequest, LoadResult } from './contract.ts'
import { EngineFault, cpuMicros } from './engine-fault.ts'
import { describeError, faultOf, wallMsOf } from './v8-errors.ts'
import {
  bootIsolate,
  createKernelSnapshot,
  type BootedIsolate,
  type Ivm,
  type KernelImage,
} from './v8-isolate.ts'
import { compileForCache, linkGuest } from './v8-modules.ts'

export interface V8Options {
  readonly ivm: Ivm
  /** Missing while the snapshot is being made: then only `compile` works. */
  readonly kernel: KernelImage | undefined
  /** Memory limit of spare isolates; loads that ask for another get a fresh one. */
  readonly defaultMemoryMb: number
}

export function createV8Engine({ ivm, kernel, defaultMemoryMb }: V8Options): Engine {
  let spare: BootedIsolate | undefined
  const boot = (memoryMb: number): BootedIsolate => {
    if (kernel === undefined) throw new Error('This cell has no kernel snapshot: it can only compile')
    return bootIsolate(ivm, kernel, memoryMb)
  }
  return {
    warm() {
      spare ??= boot(defaultMemoryMb)
    },
    compile: (source, kind) =>
      kind === 'kernel' ? createKernelSnapshot(ivm, source) : compileForCache(ivm, source),
    load(request) {
      const booted = spare?.memoryMb === request.memoryMb ? spare : boot(request.memoryMb)
      if (booted === spare) spare = undefined
      booted.host = request.host
      return loadGuest(ivm, booted, request)
    },
  }
}

function loadGuest(ivm: Ivm, booted: BootedIsolate, request: LoadRequest): LoadResult {
  const { isolate, bridge } = booted
  const before = cpuMicros()
  try {
    referenceTo(bridge, 'configure').applySync(undefined, [request.config])
    const options = request.startupMs > 0 ? { timeout: wallMsOf(request.startupMs) } : {}
    linkGuest(ivm, booted, request).evaluateSync(options)
  } catch (thrown) {
    const fault = faultOf(isolate, thrown, before, request.startupMs)
    dispose(isolate)
    if (fault === undefined) return { fault: { reason: 'start-threw', ...describeError(thrown) } }
    return { fault: fault.reason === 'exceeded-cpu' ? { ...fault, reason: 'start-timeout' } : fault }
  }
  return { guest: createGuest(booted) }
}

function createGuest({ isolate, bridge }: BootedIsolate): Guest {
  const deliver = referenceTo(bridge, 'deliver')
  const fire = referenceTo(bridge, 'fire')
  const rejected = referenceTo(bridge, 'rejected')
  const collect = referenceTo(bridge, 'collect')
  const describe = referenceTo(bridge, 'describe')

  return {
    enter(nowMs, text, budgetMs) {
      const before = budgetMs > 0 ? cpuMicros() : 0
      const options = budgetMs > 0 ? { timeout: wallMsOf(budgetMs) } : {}
      let unhandled: EnterResult['unhandled']
      let telling = false
      /** The guest hears of it first. What its listener leaves itself is not told again, or that might never end. */
      const tell = (thrown: unknown): void => {
        const description = describeError(thrown)
        const isFirst = unhandled === undefined
        unhandled ??= description
        if (telling) return
        telling = true
        const isError = thrown instanceof Error
        const dealtWith = cross(
          rejected,
          isError ? [JSON.stringify(description)] : [undefined, thrown as string],
        )
        telling = false
        if (isFirst && dealtWith === true) unhandled = undefined
      }
      /** What a crossing throws is either the isolate's end or a rejection that nobody handled. */
      const cross = (reference: GuestFunction, args: ivm.Transferable[]): unknown => {
        try {
          return reference.applySync(undefined, args, options)
        } catch (thrown) {
          const fault = faultOf(isolate, thrown, before, budgetMs)
          if (fault !== undefined) throw new EngineFault(fault)
          tell(thrown)
          return undefined
        }
      }
      try {
        let due = cross(deliver, [nowMs, text])
        let output: unknown = true
        while (output === true) {
          while (due === true) due = cross(fire, [])
          output = due = cross(collect, [])
        }
        return { output: typeof output === 'string' ? output : undefined, unhandled }
      } catch (thrown) {
        dispose(isolate)
        if (thrown instanceof EngineFault) return { fault: thrown.fault }
        throw thrown
      }
    },
    describe() {
      try {
        return isolate.isDisposed ? undefined : (describe.applySync(undefined, []) as string | undefined)
      } catch {
        // Only an isolate at its end throws here; the next entry finds it gone.
        return undefined
      }
    },
    dispose: () => dispose(isolate),
  }
}

type GuestFunction = ivm.Reference<(...args: ivm.Transferable[]) => unknown>

function referenceTo(bridge: BootedIsolate['bridge'], name: string): GuestFunction {
  return bridge.getSync(name, { reference: true }) as GuestFunction
}

function dispose(isolate: ivm.Isolate): void {
  if (!isolate.isDisposed) isolate.dispose()
}
