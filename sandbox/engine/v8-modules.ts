/**
 * Links a guest's module. An entry module of ours imports the bridge, then the guest, and registers what the guest
 * exports once its top-level await is done. The bridge module takes its values off the global object before any
 * guest module runs, and only our own modules may import it.
 */
import type ivm from 'isolated-vm'
import type { LoadRequest } from './contract.ts'
import { EngineFault } from './engine-fault.ts'
import { SDK_MODULES, sdkImports, sdkModule } from './sdk-imports.ts'
import { describeError } from './v8-errors.ts'
import { SERVICE_FILE, codeCacheOf, type BootedIsolate, type Ivm } from './v8-isolate.ts'

const HANDOVER = '__vela_handover__'

const BRIDGE_SOURCE = `const b=globalThis.${HANDOVER};delete globalThis.${HANDOVER};export const register=b.register,sdk=b.sdk`
const ENTRY_SOURCE = `import{register}from'vela:bridge';import*as service from'vela:service';register(service)`

export function linkGuest(ivm: Ivm, booted: BootedIsolate, request: LoadRequest): ivm.Module {
  const { isolate, context, bridge } = booted
  const service = compileService(ivm, isolate, request)
  const bridgeModule = isolate.compileModuleSync(BRIDGE_SOURCE, { filename: 'vela:bridge' })
  const entry = isolate.compileModuleSync(ENTRY_SOURCE, { filename: 'vela:entry' })
  let sdk: ivm.Module | undefined
  const resolve = (specifier: string, referrer: ivm.Module): ivm.Module => {
    if (referrer !== service) {
      if (specifier === 'vela:bridge') return bridgeModule
      if (specifier === 'vela:service') return service
    }
    if (SDK_MODULES.has(specifier)) return (sdk ??= compileSdk(isolate, bridge, request.source))
    throw new EngineFault({
      reason: 'unknown-import',
      message: `The service imports '${specifier.slice(0, 200)}', which does not exist here; bundle it into the service`,
    })
  }
  try {
    entry.instantiateSync(context, resolve)
  } catch (thrown) {
    if (thrown instanceof EngineFault) throw thrown
    // A name that a module of ours does not export.
    throw new EngineFault({ reason: 'unknown-import', ...describeError(thrown) })
  }
  context.global.setSync(HANDOVER, bridge.derefInto())
  return entry
}

function compileService(ivm: Ivm, isolate: ivm.Isolate, request: LoadRequest): ivm.Module {
  const { codeCache } = request
  try {
    return isolate.compileModuleSync(request.source, {
      filename: SERVICE_FILE,
      ...(codeCache === undefined ? {} : { cachedData: codeCacheOf(ivm, codeCache) }),
    })
  } catch (thrown) {
    throw new EngineFault({ reason: 'syntax-error', ...describeError(thrown) })
  }
}

/** Evaluated before the service, which is the only module of the guest. `source`: of the service. */
function compileSdk(isolate: ivm.Isolate, bridge: BootedIsolate['bridge'], source: string): ivm.Module {
  const names = bridge.getSync('sdkNames') as unknown as string
  return isolate.compileModuleSync(sdkModule(names, sdkImports(source)), { filename: 'vela:sdk' })
}

/** Compiles in an isolate of its own and runs nothing. */
export function compileForCache(ivm: Ivm, source: string): Uint8Array | undefined {
  const isolate = new ivm.Isolate({ memoryLimit: 256 })
  try {
    const { cachedData } = isolate.compileModuleSync(source, {
      filename: SERVICE_FILE,
      produceCachedData: true,
    }) as {
      cachedData?: ivm.ExternalCopy<ArrayBuffer>
    }
    return cachedData === undefined ? undefined : new Uint8Array(cachedData.copy())
  } catch {
    return undefined
  } finally {
    isolate.dispose()
  }
}
