/**
 * The operator's policy: for each kind of capability, what deployments may have without being asked about. A tenant's own
 * entry comes before the default, and that before what the kind itself allows.
 *
 * `{"default": {"fetch": false}, "tenants": {"acme": {"fetch": {"allow": ["https://api.example.com"]}}}}`
 */
import { SettingProblem } from '../core/config.ts'
import { type KeyPath, printPath } from '../core/config-document.ts'
import { unknownKey } from '../core/config-problem.ts'
import type { JsonValue } from '../registry/types.ts'
import type { Kinds } from './asks.ts'

export interface Policy {
  /** What it says of one kind for one tenant. */
  of(tenant: string, kind: string): JsonValue
}

/** Throws VELA_CONFIG_INVALID for what it does not understand. */
export function readPolicy(kinds: Kinds, config: Readonly<Record<string, JsonValue>>): Policy {
  const stranger = Object.keys(config).find((key) => key !== 'default' && key !== 'tenants')
  if (stranger !== undefined)
    throw new SettingProblem(unknownKey(['policy', stranger], ['default', 'tenants']))
  const general = readRules(kinds, ['policy', 'default'], config['default'] ?? {})
  const tenants = new Map<string, Rules>()
  const given = config['tenants'] ?? {}
  if (!isObject(given)) throw wrong(['policy', 'tenants'], 'must be an object of policies by tenant', given)
  for (const [tenant, rules] of Object.entries(given))
    tenants.set(tenant, readRules(kinds, ['policy', 'tenants', tenant], rules))
  return {
    of: (tenant, kind) =>
      tenants.get(tenant)?.get(kind) ?? general.get(kind) ?? kinds.get(kind)?.defaultPolicy ?? false,
  }
}

type Rules = ReadonlyMap<string, JsonValue>

function readRules(kinds: Kinds, place: KeyPath, value: JsonValue): Rules {
  if (!isObject(value))
    throw wrong(place, 'must be an object of rules by capability, such as {"fetch": true}', value)
  const rules = new Map<string, JsonValue>()
  for (const [key, rule] of Object.entries(value)) {
    const path = [...place, key]
    const kind = kinds.get(key)
    if (kind === undefined) throw new SettingProblem(unknownKey(path, [...kinds.keys()].sort()))
    const mistake = typeof rule === 'boolean' ? undefined : kind.checkPolicy(rule)
    if (mistake !== undefined) throw wrong(path, mistake, rule)
    rules.set(key, rule)
  }
  return rules
}

const isObject = (value: JsonValue): value is Readonly<Record<string, JsonValue>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const wrong = (path: KeyPath, mistake: string, value: JsonValue): SettingProblem =>
  new SettingProblem({ path, part: 'value', message: `${printPath(path)} ${mistake}`, value })
