/**
 * What a manifest asks for, read once: a list of bindings in a fixed order, so that the guest can name each by its
 * number. Everything wrong with it is found at deploy and named by its place.
 */
import { printPath } from '../core/config-document.ts'
import { VelaError } from '../core/errors.ts'
import { canonicalJson } from '../registry/canonical-json.ts'
import type { JsonValue, Manifest } from '../registry/types.ts'
import { AskProblem, type Binding, type CapabilityKind } from './capability.ts'

export type Kinds = ReadonlyMap<string, CapabilityKind>

export interface Ask {
  readonly kind: CapabilityKind
  readonly binding: Binding
  /** What was asked for this binding, in one spelling: what an operator's decision about it is remembered by. */
  readonly asked: string
}

/** Throws VELA_DEPLOY_UNSUPPORTED for a kind that this host lacks, VELA_DEPLOY_INVALID_MANIFEST for what is malformed. */
export function readAsks(kinds: Kinds, manifest: Pick<Manifest, 'capabilities' | 'vars'>): readonly Ask[] {
  const asks: Ask[] = []
  const names = new Set<string>()
  for (const [key, asked] of Object.entries(manifest.capabilities)) {
    const kind = kinds.get(key)
    if (kind === undefined) {
      throw new VelaError(
        'VELA_DEPLOY_UNSUPPORTED',
        `capabilities.${key}: this host has no such capability; it has ${[...kinds.keys()].sort().join(', ')}`,
        { details: { key: `capabilities.${key}`, allowed: [...kinds.keys()].sort() } },
      )
    }
    for (const binding of parse(kind, asked)) {
      checkBindingName(key, binding.name, names, manifest.vars)
      names.add(binding.name)
      asks.push({ kind, binding, asked: canonicalJson(binding.options) })
    }
  }
  return asks
}

/** Bindings of `next` that `before` did not have, or had with other options. */
export function asksMore(before: readonly Ask[], next: readonly Ask[]): readonly Ask[] {
  const had = new Set(before.map(({ binding, asked }) => `${binding.name} ${asked}`))
  return next.filter(({ binding, asked }) => !had.has(`${binding.name} ${asked}`))
}

function parse(kind: CapabilityKind, asked: JsonValue): readonly Binding[] {
  try {
    return kind.parse(asked)
  } catch (thrown) {
    if (!(thrown instanceof AskProblem)) throw thrown
    throw invalid(printPath(['capabilities', kind.kind, ...thrown.path]), thrown.message)
  }
}

const BINDING_NAME = /^[A-Za-z_$][A-Za-z0-9_$]{0,127}$/
const RESERVED: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype', 'then'])

function checkBindingName(
  kind: string,
  name: string,
  taken: ReadonlySet<string>,
  vars: Manifest['vars'],
): void {
  const place = `capabilities.${kind}`
  if (!BINDING_NAME.test(name) || RESERVED.has(name)) {
    const shown = JSON.stringify(name.slice(0, 80))
    throw invalid(place, `${shown} is no name for env: letters, digits, _ and $, the first no digit`)
  }
  if (taken.has(name)) throw invalid(place, `the binding ${name} is there twice; give one another name`)
  if (Object.hasOwn(vars, name)) throw invalid(place, `${name} is the name of a var too; rename one of them`)
}

const invalid = (key: string, message: string): VelaError =>
  new VelaError('VELA_DEPLOY_INVALID_MANIFEST', `manifest: ${key}: ${message}`, { details: { key } })
