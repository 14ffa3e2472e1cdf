/**
 * The binary interface of one build of QuickJS: quickjs-emscripten's release-sync wasm file, known by its hash. The names
 * of imports and exports are minified, and strings and byte arrays are read where they lie in the linear memory, so that a text
 * crosses as one copy whatever its characters. None of this holds for another build: the host refuses one (host/cells/quickjs-wasm.ts),
 * making the image tests it (quickjs-image.ts), and a test compares the names with the package's own glue.
 */
/** What is used of the exports: our name, and the one in the file. */
export const EXPORTS = {
  initialize: 'u',
  malloc: 'v',
  free: 'M',
  newRuntime: 'K',
  newContext: 'N',
  setMaxStackSize: 'D',
  enableInterrupts: 'Fa',
  enableModuleLoader: 'Ha',
  evaluate: 'pa',
  call: 'ma',
  isJobPending: 'fa',
  executePendingJobs: 'ga',
  resolveException: 'na',
  getProperty: 'ha',
  setProperty: 'ja',
  getUndefined: 'E',
  globalObject: 'ua',
  newString: '_',
  newArrayBuffer: 'X',
  getString: '$',
  freeString: 'S',
  newError: 'x',
  throwValue: 'w',
  newFunction: 'Da',
  duplicate: 'T',
  release: 'P',
} as const

/** The names that the package's glue has for the same. */
export const GLUE_NAMES: Readonly<Partial<Record<keyof typeof EXPORTS, string>>> = {
  malloc: 'malloc',
  free: 'free',
  newRuntime: 'QTS_NewRuntime',
  newContext: 'QTS_NewContext',
  setMaxStackSize: 'QTS_RuntimeSetMaxStackSize',
  enableInterrupts: 'QTS_RuntimeEnableInterruptHandler',
  enableModuleLoader: 'QTS_RuntimeEnableModuleLoader',
  evaluate: 'QTS_Eval',
  call: 'QTS_Call',
  isJobPending: 'QTS_IsJobPending',
  executePendingJobs: 'QTS_ExecutePendingJob',
  resolveException: 'QTS_ResolveException',
  getProperty: 'QTS_GetProp',
  setProperty: 'QTS_SetProp',
  getUndefined: 'QTS_GetUndefined',
  globalObject: 'QTS_GetGlobalObject',
  newString: 'QTS_NewString',
  newArrayBuffer: 'QTS_NewArrayBuffer',
  getString: 'QTS_GetString',
  freeString: 'QTS_FreeCString',
  newError: 'QTS_NewError',
  throwValue: 'QTS_Throw',
  newFunction: 'QTS_NewFunction',
  duplicate: 'QTS_DupValuePointer',
  release: 'QTS_FreeValuePointer',
}

export type QuickjsExports = Readonly<Record<keyof typeof EXPORTS, (...args: number[]) => number>>

/** Tags of a JSValue: its upper 32 bits. Those outside FIRST to LAST are part of a double. */
export const TAG = {
  first: -9,
  string: -7,
  rope: -6,
  object: -1,
  int: 0,
  bool: 1,
  null: 2,
  undefined: 3,
  exception: 6,
  last: 7,
} as const
/** Added to the upper half of a boxed double gives the upper half of the double. */
export const DOUBLE_ADDEND = 0x7ff8000a

/** JSString: reference count, length with the top bit for 16-bit characters, hash, next in hash, characters. */
export const STRING = { length: 4, hash: 8, characters: 16 } as const
/** JSStringRope, once it was flattened: the whole is on its left. */
export const ROPE = { left: 16 } as const
/** JSObject of a Uint8Array. */
export const BYTES = { classId: 6, uint8Array: 0x17, pointer: 36, length: 40 } as const
/** JSRuntime: who is told of rejected promises, as an index into the function table. */
export const RUNTIME = { rejectionTracker: 160 } as const
/** Functions in the table as it is made; what we add comes next. */
export const TABLE_SIZE = 471
/** Statics and the C stack lie below it, the heap above. */
export const HEAP_BASE = 5_333_088

export const EVAL = { global: 0, module: 1, compileOnly: 32 } as const
