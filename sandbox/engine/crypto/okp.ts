/** Ed25519 and X25519: 32 bytes between a fixed head and nothing. */
import { createPrivateKey, createPublicKey, sign, verify, type KeyObject } from 'node:crypto'
import { fail } from './failure.ts'
import type { ParsedKey } from './key-ring.ts'

const KEY_BYTES = 32
/** The last byte of the algorithm's object identifier, 1.3.101.x. */
const LAST_ARC: ReadonlyMap<string, string> = new Map([
  ['X25519', '6e'],
  ['Ed25519', '70'],
])

export const isOkp = (name: string | undefined): name is string => LAST_ARC.has(String(name))

export function okpPublic(name: string, raw: Buffer): KeyObject {
  if (raw.length !== KEY_BYTES) fail('DataError', `${name}: a public key is ${KEY_BYTES} bytes`)
  const head = Buffer.from(`302a300506032b65${LAST_ARC.get(name)}032100`, 'hex')
  return createPublicKey({ key: Buffer.concat([head, raw]), format: 'der', type: 'spki' })
}

export function okpPrivate(name: string, raw: Buffer): KeyObject {
  if (raw.length !== KEY_BYTES) fail('DataError', `${name}: a private key is ${KEY_BYTES} bytes`)
  const head = Buffer.from(`302e020100300506032b65${LAST_ARC.get(name)}04220420`, 'hex')
  return createPrivateKey({ key: Buffer.concat([head, raw]), format: 'der', type: 'pkcs8' })
}

export function signEd25519(key: ParsedKey, data: Buffer): Buffer {
  checkEd25519(key)
  return sign(null, data, key.object)
}

export function verifyEd25519(key: ParsedKey, data: Buffer, signature: Buffer): boolean {
  checkEd25519(key)
  return verify(null, data, key.object, signature)
}

function checkEd25519({ object }: ParsedKey): void {
  if (object.asymmetricKeyType !== 'ed25519') fail('InvalidAccessError', 'Not a key of Ed25519')
}
