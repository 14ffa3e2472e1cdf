/** For the tests of crypto.subtle: the same function run in a guest and in Node, whose Web Crypto is the reference. */
import { createHash, type webcrypto } from 'node:crypto'
import { createGuest, type Guest } from './harness.ts'

/** Available in guests and here alike. */
declare global {
  var hex: (bytes: ArrayBuffer | ArrayBufferView) => string
  var unhex: (text: string) => Uint8Array<ArrayBuffer>
  /** The name of the error that a promise rejects with, or 'fulfilled'. */
  var nameOf: (work: () => Promise<unknown>) => Promise<string>
}

const HELPERS = `
globalThis.hex = (bytes) => Array.from(new Uint8Array(bytes.buffer ?? bytes, bytes.byteOffset ?? 0, bytes.byteLength),
  (byte) => byte.toString(16).padStart(2, '0')).join('')
globalThis.unhex = (text) => Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16))
globalThis.nameOf = async (work) => { try { await work(); return 'fulfilled' } catch (error) { return error.name } }
`

export type KeyPair = webcrypto.CryptoKeyPair
export type JsonWebKey = webcrypto.JsonWebKey

export interface Pair {
  readonly guest: Guest
  /** What `fn` makes of `args` in the guest and in Node. */
  readonly both: <Args extends readonly unknown[], Result>(
    fn: (...args: Args) => Promise<Result>,
    ...args: Args
  ) => Promise<{ vela: Result; node: Result }>
}

export function createPair(randomBytes?: (length: number) => Buffer): Pair {
  const guest = createGuest(randomBytes === undefined ? {} : { randomBytes })
  guest.evaluate(HELPERS)
  // oxlint-disable-next-line no-eval -- our own helpers, in the form in which the guest gets them
  ;(0, eval)(HELPERS)
  return {
    guest,
    async both(fn, ...args) {
      const vela = (await guest.run(fn, ...args)) as Awaited<ReturnType<typeof fn>>
      const answer = await fn(...args)
      // As it comes out of the guest: through JSON.
      return { vela, node: JSON.parse(JSON.stringify(answer)) as typeof answer }
    },
  }
}

/** Bytes that repeat for the same seed. */
export function seededBytes(seed: string): (length: number) => Buffer {
  let counter = 0
  return (length) => {
    const blocks: Buffer[] = []
    for (let have = 0; have < length; have += 32) {
      blocks.push(createHash('sha256').update(`${seed} ${counter++}`).digest())
    }
    return Buffer.concat(blocks).subarray(0, length)
  }
}
