/** JSON Web Keys (RFC 7517, 7518): reading what a program passes, checking it against what is asked, writing them. */
import { usageBit, usageNames, type KeyData } from './subtle-key.ts'
import type { Kit } from './subtle-kit.ts'

export interface JsonWebKey {
  readonly kty?: string
  readonly use?: string
  readonly key_ops?: readonly string[]
  readonly alg?: string
  readonly ext?: boolean
  readonly crv?: string
  readonly oth?: true
  readonly x?: string
  readonly y?: string
  readonly d?: string
  readonly n?: string
  readonly e?: string
  readonly p?: string
  readonly q?: string
  readonly dp?: string
  readonly dq?: string
  readonly qi?: string
  readonly k?: string
}

type TextField = Exclude<keyof JsonWebKey, 'key_ops' | 'ext' | 'oth'>

const TEXT_FIELDS: readonly TextField[] = [
  'alg',
  'crv',
  'd',
  'dp',
  'dq',
  'e',
  'k',
  'kty',
  'n',
  'p',
  'q',
  'qi',
  'use',
  'x',
  'y',
]

/**
 * The dictionary JsonWebKey. With `ownOnly` nothing is looked up on prototypes: a key that was unwrapped must not meet a
 * getter of the guest's.
 */
export function readJwk(kit: Kit, value: unknown, ownOnly: boolean): JsonWebKey {
  if (typeof value !== 'object' || value === null) throw new TypeError('A JSON Web Key must be an object')
  const source = value as Record<string, unknown>
  const get = (name: string): unknown => (ownOnly && !kit.hasOwn(source, name) ? undefined : source[name])
  const jwk = { __proto__: null } as unknown as JsonWebKey
  for (let index = 0; index < TEXT_FIELDS.length; index++) {
    const name = TEXT_FIELDS[index] as TextField
    const field = get(name)
    if (field !== undefined) kit.define(jwk, name, `${field as string}`)
  }
  const extractable = get('ext')
  if (extractable !== undefined) kit.define(jwk, 'ext', !!extractable)
  if (get('oth') !== undefined) kit.define(jwk, 'oth', true)
  const operations = get('key_ops')
  if (operations !== undefined) kit.define(jwk, 'key_ops', toTexts(kit, operations))
  return jwk
}

/** The JWK in bytes that were unwrapped. */
export function parseJwk(kit: Kit, plain: string): JsonWebKey {
  try {
    return readJwk(kit, kit.jsonParse(kit.decodeText(plain)), true)
  } catch {
    throw kit.error('DataError', 'What was unwrapped is no JWK')
  }
}

/** Web IDL's sequence<DOMString>. */
export function toTexts(kit: Kit, value: unknown): string[] {
  if (typeof value !== 'object' || value === null) throw new TypeError('A list of names was expected')
  const texts: string[] = []
  for (const item of value as Iterable<unknown>) kit.define(texts, `${texts.length}`, `${item as string}`)
  return texts
}

export interface JwkDemands {
  readonly kty: string
  /** What `use` must be if it is there. */
  readonly use: string
  /** What `alg` may be if it is there; empty: anything. */
  readonly algs: readonly string[]
  readonly extractable: boolean
  readonly usages: number
}

export function checkJwk(kit: Kit, jwk: JsonWebKey, demands: JwkDemands): void {
  const { kty, use, algs, extractable, usages } = demands
  const refuse = (what: string): never => {
    throw kit.error('DataError', `The JWK's ${what} does not fit`)
  }
  if (jwk.kty !== kty) refuse('kty')
  if (usages !== 0 && jwk.use !== undefined && use !== '' && jwk.use !== use) refuse('use')
  if (jwk.ext === false && extractable) refuse('ext')
  if (jwk.key_ops !== undefined) checkOperations(jwk.key_ops, usages, refuse)
  if (jwk.alg === undefined || algs.length === 0) return
  for (let index = 0; index < algs.length; index++) if (algs[index] === jwk.alg) return
  refuse('alg')
}

function checkOperations(names: readonly string[], usages: number, refuse: (what: string) => never): void {
  let allowed = 0
  for (let index = 0; index < names.length; index++) {
    for (let before = 0; before < index; before++) if (names[before] === names[index]) refuse('key_ops')
    allowed |= usageBit(names[index] as string)
  }
  if ((usages & ~allowed) !== 0) refuse('key_ops')
}

/** Alternating names and values for the cell, of those fields that are there. */
export function jwkWords(kit: Kit, jwk: JsonWebKey, names: readonly TextField[]): string {
  let words = ''
  for (let index = 0; index < names.length; index++) {
    const name = names[index] as TextField
    const value = jwk[name]
    if (value === undefined) continue
    // A space would let the value of one field bring in another.
    if (kit.indexOf(value, ' ') !== -1) throw kit.error('DataError', `The JWK's ${name} is no base64url`)
    words += `${words === '' ? '' : ' '}${name} ${value}`
  }
  // A letter beyond a byte must not become one that is valid.
  return kit.encodeUtf8(words)
}

/** `words`: alternating names and values from the cell. */
export function writeJwk(
  kit: Kit,
  key: KeyData,
  head: { kty: string; crv?: string; alg?: string },
  words: string,
): object {
  const jwk = {}
  kit.define(jwk, 'key_ops', usageNames(kit, key.usages))
  kit.define(jwk, 'ext', key.extractable)
  kit.define(jwk, 'kty', head.kty)
  if (head.alg !== undefined) kit.define(jwk, 'alg', head.alg)
  if (head.crv !== undefined) kit.define(jwk, 'crv', head.crv)
  for (let at = 0; at < words.length;) {
    const gap = kit.indexOf(words, ' ', at)
    const end = kit.indexOf(words, ' ', gap + 1)
    const next = end === -1 ? words.length : end
    kit.define(jwk, kit.slice(words, at, gap), kit.slice(words, gap + 1, next))
    at = next + 1
  }
  return jwk
}
