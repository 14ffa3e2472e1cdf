/**
 * Secrets at rest: AES-256-GCM under a key that is kept beside the database and not in it, so a copied database alone
 * reveals nothing. The place of a secret is authenticated with it: a row moved to another tenant, service or key does
 * not open. Invariant: no value and no key ever appears in an error.
 */
import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto'
import { VelaError } from '../core/errors.ts'

const NONCE_BYTES = 12
const TAG_BYTES = 16
export const KEY_BYTES = 32

export interface SecretPlace {
  readonly tenant: string
  readonly service: string
  readonly key: string
}

export interface SecretBox {
  seal(place: SecretPlace, value: string): Uint8Array
  open(place: SecretPlace, sealed: Uint8Array): string
}

export function createSecretBox(key: Uint8Array): SecretBox {
  return {
    seal(place, value) {
      const nonce = randomBytes(NONCE_BYTES)
      const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(bind(place))
      const body = Buffer.concat([cipher.update(value, 'utf8'), cipher.final()])
      return Buffer.concat([nonce, cipher.getAuthTag(), body])
    },
    open(place, sealed) {
      try {
        const nonce = sealed.subarray(0, NONCE_BYTES)
        const tag = sealed.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES)
        const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES })
        decipher.setAAD(bind(place)).setAuthTag(tag)
        const body = decipher.update(sealed.subarray(NONCE_BYTES + TAG_BYTES))
        return Buffer.concat([body, decipher.final()]).toString('utf8')
      } catch {
        throw new VelaError(
          'VELA_STORE_DAMAGED',
          `The secret ${place.key} of ${place.tenant}/${place.service} does not open: it was changed at rest. Put it again.`,
          { details: { ...place } },
        )
      }
    },
  }
}

/** Tells whether a key is the one that a store was made with, and reveals nothing of it. */
export function identifyKey(key: Uint8Array): Uint8Array {
  return createHash('sha256').update('vela secret key 1\n').update(key).digest()
}

function bind(place: SecretPlace): Buffer {
  return Buffer.from(JSON.stringify(['vela secret 1', place.tenant, place.service, place.key]))
}
