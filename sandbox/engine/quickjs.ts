/**
 * The QuickJS engine: an interpreter in WebAssembly, a memory of its own for each guest. Slower than V8 by far, and the answer to a hole in V8's
 * JavaScript compilers: a guest's code is data to it, and what a guest may break in QuickJS is its own linear memory.
 *
 * The memory cannot grow, so its limit holds; CPU time is asked every some thousand operations, which long native ones never reach: the
 * host's stopwatch ends those. After a fault the memory is suspect and is dropped.
 */
import type { Engine, EnterResult, Guest, GuestHost, LoadRequest, LoadResult } from './contract.ts'
import { EngineFault } from './engine-fault.ts'
import { createNatives, NATIVE_NAMES } from './natives.ts'
import { EVAL } from './quickjs-abi.ts'
import {
  BEGAN,
  ENTRY_MODULE,
  ENTRY_SOURCE,
  SDK_MODULE,
  SERVICE_MODULE,
  TO_BUFFER,
  TO_TEXT,
  cloneMachine,
  makeImage,
  openImage,
  type QuickjsImage,
} from './quickjs-image.ts'
import { createInstanceFactory, type InstanceFactory } from './quickjs-instance.ts'
import type { Machine } from './quickjs-machine.ts'
import { EVERY_NAME, SDK_MODULES, sdkImports, sdkModule } from './sdk-imports.ts'

export interface QuickjsFiles {
  readonly wasm: Uint8Array
  /** The image, as `compile` made it; undefined while there is none: then only `compile` works. */
  readonly image: Buffer | undefined
  readonly parts: Readonly<Record<string, string>>
}

export interface QuickjsOptions {
  /** Called when the engine is first used: cells that never use it pay nothing. */
  readonly readFiles: () => QuickjsFiles
  /** Memory limit of spare machines; loads that ask for another get a fresh one. */
  readonly defaultMemoryMb: number
}

interface Booted {
  readonly machine: Machine
  readonly functions: QuickjsImage['functions']
  readonly sdk: QuickjsImage['sdk']
  readonly memoryMb: number
  /** Set when a guest moves in; natives answer nothing until then. */
  host: GuestHost | undefined
  /** Imports are looked up only while the service's own code does not run yet. */
  linking: boolean
  /** The SDK has been made for this service, with libraries. */
  ownSdk: boolean
  unknownImport: string | undefined
}

interface Loaded {
  readonly factory: InstanceFactory
  readonly image: QuickjsImage | undefined
  readonly parts: QuickjsFiles['parts']
}

export function createQuickjsEngine({ readFiles, defaultMemoryMb }: QuickjsOptions): Engine {
  let loaded: Loaded | undefined
  let spare: Booted | undefined
  const load = (): Loaded => {
    if (loaded !== undefined) return loaded
    const { wasm, image, parts } = readFiles()
    loaded = {
      factory: createInstanceFactory(wasm),
      image: image === undefined ? undefined : openImage(image),
      parts,
    }
    return loaded
  }
  return {
    warm() {
      spare ??= boot(load(), defaultMemoryMb)
    },
    compile: (source, kind) => (kind === 'kernel' ? makeImage(load().factory, source) : undefined),
    load(request) {
      const booted = spare?.memoryMb === request.memoryMb ? spare : boot(load(), request.memoryMb)
      if (booted === spare) spare = undefined
      booted.host = request.host
      return loadGuest(booted, request)
    },
  }
}

function boot({ factory, image, parts }: Loaded, memoryMb: number): Booted {
  if (image === undefined) throw new Error('This cell has no image of QuickJS: it can only compile')
  const occupant = {
    host: undefined as GuestHost | undefined,
    linking: false,
    ownSdk: false,
    unknownImport: undefined as string | undefined,
  }
  const natives = createNatives(
    {
      randomBytes: (length) => occupant.host?.randomBytes(length) ?? Buffer.alloc(0),
      flush: (text) => occupant.host?.flush(text),
      emit: (id, bytes) => occupant.host?.emit(id, bytes),
      log: (level, requestId, text) => occupant.host?.log(level, requestId, text) ?? false,
    },
    parts,
  )
  const byNumber = [undefined, ...NATIVE_NAMES.map((name) => natives[name])]
  const machine = cloneMachine(factory, image, memoryMb, {
    native(number, args) {
      switch (number) {
        case BEGAN:
          occupant.linking = false
          return undefined
        case TO_TEXT:
          return Buffer.isBuffer(args[0]) ? args[0].toString('latin1') : ''
        case TO_BUFFER:
          return Buffer.from(String(args[0]), 'latin1')
        default:
          return byNumber[number]?.(...args)
      }
    },
    resolveModule(base, name) {
      if (!occupant.linking) return undefined
      if (base === ENTRY_MODULE || base === SDK_MODULE) return name
      if (SDK_MODULES.has(name)) return occupant.ownSdk ? SDK_MODULE : name
      occupant.unknownImport ??= name
      return undefined
    },
  })
  return Object.assign(occupant, { machine, functions: image.functions, sdk: image.sdk, memoryMb })
}

function loadGuest(booted: Booted, request: LoadRequest): LoadResult {
  const { machine, functions } = booted
  try {
    machine.budget(request.startupMs)
    machine.ask(functions.configure, [request.config])
    provideSdk(booted, sdkImports(request.source))
    const fault = evaluateService(booted, Buffer.from(request.source)) ?? leftBehind(booted)
    if (fault !== undefined) return { fault }
    return { guest: createGuest(booted) }
  } catch (thrown) {
    const fault = faultOf(thrown)
    return { fault: fault.reason === 'exceeded-cpu' ? { ...fault, reason: 'start-timeout' } : fault }
  }
}

type LoadFault = EngineFault['fault']

/** The image has the SDK without its libraries. Who imports names of those gets a module of its own, before its code runs. */
function provideSdk(booted: Booted, wanted: string): void {
  const { machine, sdk } = booted
  const lazy = sdk.lazyNames.split(',')
  if (wanted !== EVERY_NAME && !wanted.split(',').some((name) => lazy.includes(name))) return
  booted.linking = true
  machine.release(machine.evaluate(Buffer.from(sdkModule(sdk.names, wanted)), SDK_MODULE, EVAL.module))
  booted.linking = false
  booted.ownSdk = true
  machine.runJobs()
}

function evaluateService(booted: Booted, source: Buffer): LoadFault | undefined {
  const { machine } = booted
  let fault: LoadFault | undefined
  booted.linking = true
  // Looks up what it imports as well. A module's box stays: QuickJS holds it as long as the context.
  machine.evaluate(source, SERVICE_MODULE, EVAL.module | EVAL.compileOnly, (error) => {
    fault = unknownImport(booted) ?? { reason: 'syntax-error', ...describeThrown(booted, error) }
  })
  if (fault !== undefined) return fault
  const result = machine.evaluate(Buffer.from(ENTRY_SOURCE), ENTRY_MODULE, EVAL.module, (error) => {
    // Before the service's code runs only a name can be missing that a module of ours does not export.
    const reason = booted.linking ? 'unknown-import' : 'start-threw'
    fault = { reason, ...describeThrown(booted, error) }
  })
  booted.linking = false
  machine.release(result)
  machine.runJobs()
  return fault
}

function unknownImport({ unknownImport: specifier }: Booted): LoadFault | undefined {
  if (specifier === undefined) return undefined
  const message = `The service imports '${specifier.slice(0, 200)}', which does not exist here; bundle it into the service`
  return { reason: 'unknown-import', message }
}

/** A rejection that the service's first code left unhandled ends its start. */
function leftBehind(booted: Booted): LoadFault | undefined {
  const [first, ...others] = booted.machine.takeRejections()
  if (first === undefined) return undefined
  const description = describeThrown(booted, first)
  for (const reason of [first, ...others]) booted.machine.release(reason)
  return { reason: 'start-threw', ...description }
}

function createGuest(booted: Booted): Guest {
  const { functions } = booted
  let machine: Machine | undefined = booted.machine
  const gone = { reason: 'exceeded-memory', message: 'The isolate is gone' } as const

  const enter = (on: Machine, nowMs: number, text: string): EnterResult => {
    let unhandled: EnterResult['unhandled']
    let telling = false
    const tell = (reason: number): void => {
      const isFirst = unhandled === undefined
      if (isFirst) unhandled = describeThrown(booted, reason)
      // What a listener leaves itself is not told again, or that might never end.
      if (telling) return
      telling = true
      const answer = on.tell(functions.rejected, reason)
      on.runJobs()
      settle()
      telling = false
      if (isFirst && answer === true) unhandled = undefined
    }
    const settle = (): void => {
      for (const reason of on.takeRejections()) {
        tell(reason)
        on.release(reason)
      }
    }
    const cross = (fn: number, args: readonly (string | number)[]): unknown => {
      const result = on.ask(fn, args, tell)
      on.runJobs()
      settle()
      return result
    }
    let due = cross(functions.deliver, [nowMs, text])
    let output: unknown = true
    while (output === true) {
      while (due === true) due = cross(functions.fire, [])
      output = due = cross(functions.collect, [])
    }
    return { output: typeof output === 'string' ? output : undefined, unhandled }
  }

  return {
    enter(nowMs, text, budgetMs) {
      if (machine === undefined) return { fault: gone }
      try {
        machine.budget(budgetMs)
        return enter(machine, nowMs, text)
      } catch (thrown) {
        machine = undefined
        return { fault: faultOf(thrown) }
      }
    },
    describe() {
      try {
        const description = machine?.ask(functions.describe, [])
        return typeof description === 'string' ? description : undefined
      } catch {
        // Only a machine at its end throws here; the next entry finds that too.
        return undefined
      }
    },
    dispose() {
      machine = undefined
    },
  }
}

/** A guest that broke its memory may make anything of QuickJS fail at any place: that is its end, and not the cell's. */
const faultOf = (thrown: unknown): LoadFault =>
  thrown instanceof EngineFault ? thrown.fault : { reason: 'exceeded-memory', message: 'The isolate broke' }

/** What was thrown, as the kernel describes it; it reads it on the guest's bill. */
function describeThrown(
  { machine, functions }: Booted,
  error: number,
): NonNullable<EnterResult['unhandled']> {
  const json = machine.tell(functions.describeThrown, error)
  try {
    const { name, message, stack } = JSON.parse(String(json)) as Record<string, unknown>
    return {
      name: String(name),
      message: String(message),
      ...(typeof stack === 'string' ? { stack } : {}),
    }
  } catch {
    return { name: 'Error', message: 'Thrown value cannot be described' }
  }
}
