/** The cell's half of `crypto.subtle`: node:crypto's synchronous functions, fed with the guest's own random stream. */
import type { GuestHost } from './contract.ts'
import type { NativeFunction } from './natives.ts'

export function createCryptoNative(_host: GuestHost): NativeFunction {
  return () => undefined
}
