/** Keys that are secret bytes, in the formats that they have: raw and jwk. */
import { checkJwk, writeJwk, type JsonWebKey, type JwkDemands } from './subtle-jwk.ts'
import type { KeyData } from './subtle-key.ts'
import type { Kit } from './subtle-kit.ts'
import type { Format } from './subtle-params.ts'

type SecretDemands = Omit<JwkDemands, 'kty'>

export function readSecret(
  kit: Kit,
  format: Format,
  data: string | JsonWebKey,
  demands: SecretDemands,
): string {
  if (format === 'raw') return data as string
  if (format !== 'jwk') throw kit.error('NotSupportedError', `A secret key has no format ${format}`)
  const jwk = data as JsonWebKey
  checkJwk(kit, jwk, { kty: 'oct', ...demands })
  if (jwk.k === undefined) throw kit.error('DataError', 'The JWK has no k')
  return kit.call('importKey', 'jwk oct', kit.encodeUtf8(jwk.k))
}

export function writeSecret(kit: Kit, format: Format, key: KeyData, alg: string): string | object {
  if (format === 'raw') return key.material
  if (format !== 'jwk') throw kit.error('NotSupportedError', `A secret key has no format ${format}`)
  const words = kit.call('exportKey', 'jwk oct secret', key.material)
  return writeJwk(kit, key, { kty: 'oct', alg }, words)
}

/** How many bytes hold `bits`, which may be more than 32-bit arithmetic can add to. */
export const byteCount = (bits: number): number => (bits - (bits % 8)) / 8 + (bits % 8 === 0 ? 0 : 1)

/** The last byte's surplus bits are cleared. */
export function firstBits(kit: Kit, bytes: string, bits: number): string {
  const whole = byteCount(bits)
  const surplus = whole * 8 - bits
  if (surplus === 0) return kit.slice(bytes, 0, whole)
  const last = kit.charCodeAt(bytes, whole - 1) & (0xff << surplus)
  return kit.slice(bytes, 0, whole - 1) + kit.fromCharCode(last)
}
