/** Keys as `raw` bytes or the fields of a JWK. SPKI and PKCS #8 are what the guest has already. */
import type { KeyObject } from 'node:crypto'
import { fail } from './failure.ts'
import type { KeyRing } from './key-ring.ts'

/** `words`: format, then the family (EC with its curve), then public, private or secret. */
export function exportKey(words: readonly string[], key: Buffer, ring: KeyRing): Buffer {
  const kind = words.at(-1)
  if (kind === 'secret') return Buffer.from(`k ${key.toString('base64url')}`)
  const { object } = kind === 'private' ? ring.privateKey(key) : ring.publicKey(key)
  if (words[0] === 'jwk') return Buffer.from(fieldsOf(object).join(' '))
  const { x, y } = object.export({ format: 'jwk' })
  if (words[0] !== 'raw' || kind !== 'public' || x === undefined)
    return fail('NotSupportedError', 'Unknown format')
  const bytes = Buffer.from(x, 'base64url')
  return y === undefined ? bytes : Buffer.concat([Buffer.of(4), bytes, Buffer.from(y, 'base64url')])
}

function fieldsOf(object: KeyObject): string[] {
  const words: string[] = []
  for (const [name, value] of Object.entries(object.export({ format: 'jwk' }))) {
    if (name !== 'kty' && name !== 'crv') words.push(name, String(value))
  }
  return words
}
