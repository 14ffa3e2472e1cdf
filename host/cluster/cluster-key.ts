/**
 * What seals secrets on their way between hosts: the operator's text, stretched, so that a short one is not cheap to guess from the
 * bucket. The salt is the same everywhere, since every host has to come to the same key.
 */
import { scryptSync } from 'node:crypto'
import { VelaError } from '../core/errors.ts'
import { createSecretBox, KEY_BYTES, type SecretBox } from '../registry/secret-box.ts'

const LEAST_CHARACTERS = 16

/** Undefined for null. Throws VELA_CONFIG_INVALID for a key that is too short. */
export function openClusterKey(text: string | null): SecretBox | undefined {
  if (text === null) return undefined
  if (text.length < LEAST_CHARACTERS)
    throw new VelaError(
      'VELA_CONFIG_INVALID',
      `nats.clusterKey must have ${LEAST_CHARACTERS} characters or more; 32 random bytes in hexadecimal are good`,
    )
  return createSecretBox(scryptSync(text, 'vela cluster key 1', KEY_BYTES))
}
