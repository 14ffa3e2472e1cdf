/**
 * The name of a version is a digest of what it holds, so the same content is the same version wherever it is deployed.
 * Twelve digits are for people; a tenant can search for two contents that share them, so the store compares the whole
 * digest before it takes one for the other.
 */
import { createHash } from 'node:crypto'
import type { Hash } from 'node:crypto'
import { canonicalJson } from './canonical-json.ts'
import type { Bundle, Manifest } from './types.ts'

export interface ContentDigest {
  /** Over source and source map: what is stored once per tenant. */
  readonly bundle: Uint8Array
  /** Over bundle and manifest. */
  readonly content: Uint8Array
  readonly version: string
}

export function versionOf(bundle: Bundle, manifest: Manifest): string {
  return digestContent(bundle, canonicalJson(manifest)).version
}

export function isVersion(text: unknown): text is string {
  return typeof text === 'string' && /^[0-9a-f]{12}$/.test(text)
}

export function digestContent(bundle: Bundle, manifestText: string): ContentDigest {
  const digest = digestBundle(bundle)
  const hash = createHash('sha256').update('vela version 1\n')
  addText(hash, manifestText)
  const content = hash.update(digest).digest()
  return { bundle: digest, content, version: content.toString('hex', 0, 6) }
}

export function digestBundle(bundle: Bundle): Uint8Array {
  const hash = createHash('sha256').update('vela bundle 1\n')
  addText(hash, bundle.source)
  if (bundle.sourceMap !== null) addText(hash, bundle.sourceMap)
  return hash.digest()
}

// The length goes first, so that no two sequences of texts give the same bytes.
function addText(hash: Hash, text: string): void {
  hash.update(`${Buffer.byteLength(text)}\n`).update(text, 'utf8')
}
