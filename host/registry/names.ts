/**
 * Which names exist at all. Names become path segments, DNS labels, map keys, log fields and subjects, so they are held
 * to what is harmless in all of these, here and nowhere else; everything behind this check may use them as they are.
 */
import { VelaError } from '../core/errors.ts'

export type NameKind = 'tenant' | 'service' | 'secret' | 'namespace' | 'channel'

const LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/
const SECRET_KEY = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/
// Members that every plain object has; as a key they would find, or change, something nobody put there.
const INHERITED: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype'])
// RFC 5891 reserves hyphens in the third and fourth place; `xn--…` would be shown as other letters, or refused, by browsers.
const ENCODED_LABEL = /^..--/

const LABEL_RULE =
  '1 to 63 of a-z, 0-9 and "-", neither first nor last a "-", and not "--" in the third and fourth place'
const ALLOWED: Readonly<Record<NameKind, string>> = {
  tenant: LABEL_RULE,
  service: LABEL_RULE,
  namespace: LABEL_RULE,
  channel: LABEL_RULE,
  secret: '1 to 128 of A-Z, a-z, 0-9 and "_", the first not a digit',
}

/** Returns the name, or throws VELA_DEPLOY_INVALID_NAME. `name` is unknown because it comes from outside. */
export function checkName(kind: NameKind, name: unknown): string {
  if (typeof name === 'string' && isName(kind, name)) return name
  const shown = typeof name === 'string' ? JSON.stringify(name.slice(0, 80)) : `a ${typeof name}`
  const reserved = typeof name === 'string' && INHERITED.has(name) ? ' This one is reserved.' : ''
  throw new VelaError(
    'VELA_DEPLOY_INVALID_NAME',
    `${shown} is not a ${kind} name: allowed are ${ALLOWED[kind]}.${reserved}`,
    { details: { kind, allowed: ALLOWED[kind] } },
  )
}

export function isName(kind: NameKind, name: string): boolean {
  if (INHERITED.has(name)) return false
  return kind === 'secret' ? SECRET_KEY.test(name) : LABEL.test(name) && !ENCODED_LABEL.test(name)
}
