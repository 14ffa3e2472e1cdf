/** The engines that a cell has, and what host and cell must agree on about the files that QuickJS comes from. */
export type EngineName = 'v8' | 'quickjs'

/** The package of QuickJS's wasm file as the host finds it. */
export const WASM_PACKAGE = '@jitl/quickjs-wasmfile-release-sync/wasm'
/** The one build whose insides the cell knows (sandbox/engine/quickjs-abi.ts). */
export const WASM_SHA256 = '105c3bed22d457e43e3d1c3c1c6959fda62a8fe06f0fc8a985303c3a2be72232'
/** The file in the cell image, and the image of a kernel booted in it; empty until one is made. */
export const WASM_FILE = 'quickjs.wasm'
export const QUICKJS_IMAGE_FILE = 'quickjs.image'

/** Where the kernel finds its engine's copies of bytes while it is evaluated (guest-sdk/kernel/engine-bytes.ts). */
export const ENGINE_BYTES = '__vela_bytes__'
