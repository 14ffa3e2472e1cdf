/**
 * What the registry takes from outside besides names: parsed once, here, before it goes to the store thread.
 */
import { createHash } from 'node:crypto'
import { VelaError } from '../core/errors.ts'
import { DEFAULT_LIMITS } from '../../sandbox/protocol/limits.ts'
import type { Limits } from '../../sandbox/protocol/limits.ts'
import { canonicalJson } from './canonical-json.ts'
import { checkName } from './names.ts'
import type { StoredDeployment } from './operations/services.ts'
import type { Bundle, Deployment, Scope } from './types.ts'
import { isVersion } from './version.ts'

const MAX_SECRET_BYTES = 64 * 1024
const MAX_MANIFEST_BYTES = 256 * 1024
const SCOPES: readonly Scope[] = ['admin', 'deploy', 'read', 'invoke']
// What fits in an Authorization header without quoting.
const TOKEN_TEXT = /^[\x21-\x7e]{1,512}$/

/** As canonical JSON. */
export function checkTenantLimits(limits: Partial<Limits>): string {
  for (const [key, value] of Object.entries(limits)) {
    if (!Object.hasOwn(DEFAULT_LIMITS, key)) {
      throw refused(
        `There is no limit ${JSON.stringify(key)}; known are ${Object.keys(DEFAULT_LIMITS).join(', ')}.`,
      )
    }
    if (value !== undefined && !(Number.isSafeInteger(value) && value > 0)) {
      throw refused(`The limit ${key} must be a whole number above 0.`)
    }
  }
  return canonicalJson(limits)
}

export function checkDeployment(deployment: Deployment, bundle: Bundle): StoredDeployment {
  const { tenant, service, version, manifest, sizeBytes, startupMs, createdAt } = deployment
  const { startsAtOnce } = deployment
  const manifestText = canonicalJson(manifest)
  if (Buffer.byteLength(manifestText) > MAX_MANIFEST_BYTES) {
    throw new VelaError(
      'VELA_DEPLOY_TOO_LARGE',
      `The manifest is larger than ${MAX_MANIFEST_BYTES} bytes. Make it smaller.`,
    )
  }
  if (!bundle.source.isWellFormed() || bundle.sourceMap?.isWellFormed() === false) {
    throw new VelaError(
      'VELA_DEPLOY_BUNDLE_FAILED',
      'The source holds half of a surrogate pair, which UTF-8 cannot keep. Write it as an escape sequence.',
    )
  }
  if (!isVersion(version)) throw refused('A version is 12 hexadecimal digits. Name it with versionOf().')
  if (!isCount(sizeBytes) || !isCount(createdAt) || !(Number.isFinite(startupMs) && startupMs >= 0)) {
    throw refused('sizeBytes and createdAt must be whole numbers and startupMs a number, none below 0.')
  }
  return {
    tenant: checkName('tenant', tenant),
    service: checkName('service', service),
    version,
    manifest: manifestText,
    sizeBytes,
    startupMs,
    ...(startsAtOnce === true ? { startsAtOnce } : {}),
    createdAt,
  }
}

/** Sorted and without repetition, so that equal sets are equal lists. */
export function checkScopes(scopes: readonly Scope[]): Scope[] {
  const known = SCOPES.filter((scope) => scopes.includes(scope))
  if (known.length > 0 && scopes.every((scope) => SCOPES.includes(scope))) return known
  throw refused(`A token needs one or more of the scopes ${SCOPES.join(', ')}.`)
}

export function checkTokenText(text: string): string {
  if (isTokenText(text)) return text
  throw refused('A token text is 1 to 512 printable ASCII characters without spaces.')
}

export function isTokenText(text: unknown): text is string {
  return typeof text === 'string' && TOKEN_TEXT.test(text)
}

// A token of 32 random bytes needs no salt and no slow hash.
export function digestToken(token: string): Uint8Array {
  return createHash('sha256').update(token).digest()
}

export function checkSecretValue(key: string, value: unknown): string {
  if (typeof value !== 'string' || !value.isWellFormed())
    throw refused(`The value of the secret ${key} must be text.`)
  if (Buffer.byteLength(value) <= MAX_SECRET_BYTES) return value
  throw refused(`The value of the secret ${key} is larger than ${MAX_SECRET_BYTES} bytes.`)
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0
}

function refused(message: string): VelaError {
  return new VelaError('VELA_ADMIN_BAD_REQUEST', message)
}
