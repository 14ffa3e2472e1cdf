/**
 * What stands in the registry's bucket. Every key is a whole state with a revision, and what belongs together for a reader stands in
 * one key: which version of a service is active, which there are, and where a rollback leads.
 * Eras stand for what one cannot do over several keys: a tenant or a service that is deleted keeps its key with a higher era,
 * and what was written under an earlier era is void, wherever the host that deleted it was stopped.
 * Other hosts wrote this, perhaps of another Vela: what does not fit is no record, and nothing thrown.
 */
import type { EngineName } from '../../../sandbox/protocol/engine-files.ts'
import type { Limits } from '../../../sandbox/protocol/limits.ts'
import { isName } from '../../registry/names.ts'
import type { Scope } from '../../registry/types.ts'
import { isVersion } from '../../registry/version.ts'

export interface TenantRecord {
  readonly era: number
  readonly live: boolean
  readonly limits: Partial<Limits>
  readonly createdAt: number
  /** The node that erases what it stored. Until it has, nothing is made under its name again. */
  readonly erasing?: string | undefined
}

/** A version as its service lists it; its manifest is in the bucket of versions. */
export interface VersionEntry {
  readonly version: string
  /** SHA-256 over bundle and manifest, and over the bundle: hexadecimal. */
  readonly content: string
  readonly bundle: string
  readonly createdAt: number
  /** Where it was started for real before it was accepted. */
  readonly vela: string
  readonly runtime: string
  readonly engine: EngineName
}

export interface ServiceState {
  readonly era: number
  readonly live: boolean
  readonly tenantEra: number
  readonly activeVersion: string
  readonly updatedAt: number
  readonly engine: EngineName | null
  readonly routes: readonly string[]
  /** Oldest first. */
  readonly versions: readonly VersionEntry[]
  /** Activations, the active version last. */
  readonly trail: readonly string[]
  /** By whom and in which write: tells a write whose answer was lost from another's. */
  readonly writer: string
  /** As of a tenant. */
  readonly erasing?: string | undefined
}

/** Of secrets and decisions: under which tenant and which service they were put. */
interface Eras {
  readonly tenantEra: number
  readonly serviceEra: number
}

export interface SecretRecord extends Eras {
  /** Sealed with the cluster's key; base64. */
  readonly sealed: string
}

export interface GrantRecord extends Eras {
  readonly binding: string
  readonly state: 'granted' | 'revoked'
  readonly asked: string
}

export interface TokenEntry {
  readonly id: string
  readonly tenant: string | null
  readonly tenantEra: number
  readonly scopes: readonly Scope[]
  readonly createdAt: number
}

/** Written by the first host, and never again: another id is another cluster. */
export interface MetaRecord {
  readonly id: string
}

export type Key =
  | { readonly kind: 'meta' }
  | { readonly kind: 'tenant'; readonly tenant: string }
  | { readonly kind: 'service'; readonly tenant: string; readonly service: string }
  | { readonly kind: 'secret'; readonly tenant: string; readonly service: string; readonly name: string }
  | { readonly kind: 'grant'; readonly tenant: string; readonly service: string; readonly name: string }
  | { readonly kind: 'token'; readonly digest: string }

/** Names are harmless in subjects; bindings are spelled in base64url. */
export const keys = {
  meta: 'meta',
  tenant: (tenant: string): string => `tenant.${tenant}`,
  service: (tenant: string, service: string): string => `service.${tenant}.${service}`,
  secret: (tenant: string, service: string, name: string): string => `secret.${tenant}.${service}.${name}`,
  grant: (tenant: string, service: string, binding: string): string =>
    `grant.${tenant}.${service}.${Buffer.from(binding).toString('base64url')}`,
  token: (digest: Uint8Array): string => `token.${Buffer.from(digest).toString('hex')}`,
}

/** Undefined for a key that this Vela does not know. */
export function parseKey(key: string): Key | undefined {
  const [kind, a = '', b = '', c = '', ...rest] = key.split('.')
  if (rest.length > 0) return undefined
  if (kind === 'meta') return { kind }
  if (kind === 'token') return /^[0-9a-f]{64}$/.test(a) ? { kind, digest: a } : undefined
  if (!isName('tenant', a)) return undefined
  if (kind === 'tenant') return { kind, tenant: a }
  if (!isName('service', b)) return undefined
  if (kind === 'service') return { kind, tenant: a, service: b }
  if (kind === 'secret') return isName('secret', c) ? { kind, tenant: a, service: b, name: c } : undefined
  if (kind === 'grant') return { kind, tenant: a, service: b, name: c }
  return undefined
}

export const encode = (
  record: TenantRecord | ServiceState | SecretRecord | GrantRecord | TokenEntry | MetaRecord,
): string => JSON.stringify({ v: 1, ...record })

type Fields = Readonly<Record<string, unknown>>

export function decodeTenant(bytes: Uint8Array): TenantRecord | undefined {
  const fields = fieldsOf(bytes)
  if (fields === undefined || !isCount(fields['era']) || !isObject(fields['limits'])) return undefined
  return {
    era: fields['era'],
    live: fields['live'] === true,
    limits: fields['limits'],
    createdAt: countOf(fields['createdAt']),
    ...erasingOf(fields),
  }
}

export function decodeService(bytes: Uint8Array): ServiceState | undefined {
  const fields = fieldsOf(bytes)
  if (fields === undefined || !isCount(fields['era']) || !isCount(fields['tenantEra'])) return undefined
  const live = fields['live'] === true
  const versions = listOf(fields['versions']).flatMap((entry) => versionEntry(entry))
  const activeVersion = textOf(fields['activeVersion'])
  if (live && !versions.some(({ version }) => version === activeVersion)) return undefined
  const known = new Set(versions.map(({ version }) => version))
  return {
    era: fields['era'],
    live,
    tenantEra: fields['tenantEra'],
    activeVersion,
    updatedAt: countOf(fields['updatedAt']),
    engine: engineOf(fields['engine']) ?? null,
    routes: listOf(fields['routes']).filter((route) => typeof route === 'string'),
    versions,
    trail: listOf(fields['trail']).filter(
      (version): version is string => typeof version === 'string' && known.has(version),
    ),
    writer: textOf(fields['writer']),
    ...erasingOf(fields),
  }
}

export function decodeSecret(bytes: Uint8Array): SecretRecord | undefined {
  const fields = fieldsOf(bytes)
  const eras = erasOf(fields)
  if (fields === undefined || eras === undefined || typeof fields['sealed'] !== 'string') return undefined
  return { ...eras, sealed: fields['sealed'] }
}

export function decodeGrant(bytes: Uint8Array): GrantRecord | undefined {
  const fields = fieldsOf(bytes)
  const eras = erasOf(fields)
  if (fields === undefined || eras === undefined) return undefined
  const { binding, state, asked } = fields
  if (typeof binding !== 'string' || typeof asked !== 'string') return undefined
  if (state !== 'granted' && state !== 'revoked') return undefined
  return { ...eras, binding, state, asked }
}

const SCOPES: readonly string[] = ['admin', 'deploy', 'read', 'invoke'] satisfies Scope[]

export function decodeToken(bytes: Uint8Array): TokenEntry | undefined {
  const fields = fieldsOf(bytes)
  if (fields === undefined || !isCount(fields['tenantEra'])) return undefined
  const { id, tenant } = fields
  if (typeof id !== 'string' || !/^tok_[0-9a-f]{1,64}$/.test(id)) return undefined
  if (tenant !== null && !(typeof tenant === 'string' && isName('tenant', tenant))) return undefined
  const scopes = listOf(fields['scopes'])
  if (scopes.length === 0 || !scopes.every((scope) => SCOPES.includes(scope as string))) return undefined
  return {
    id,
    tenant,
    tenantEra: fields['tenantEra'],
    scopes: scopes as Scope[],
    createdAt: countOf(fields['createdAt']),
  }
}

export function decodeMeta(bytes: Uint8Array): MetaRecord | undefined {
  const id = fieldsOf(bytes)?.['id']
  return typeof id === 'string' && /^[0-9a-f]{32}$/.test(id) ? { id } : undefined
}

/** Fields of a record of this format; undefined for a later one too. */
export function fieldsOf(bytes: Uint8Array): Fields | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'))
    return isObject(value) && value['v'] === 1 ? value : undefined
  } catch {
    return undefined
  }
}

function versionEntry(value: unknown): VersionEntry[] {
  if (!isObject(value) || !isVersion(value['version'])) return []
  const { content, bundle } = value
  const engine = engineOf(value['engine'])
  if (!isDigest(content) || !isDigest(bundle) || engine === undefined) return []
  return [
    {
      version: value['version'],
      content,
      bundle,
      createdAt: countOf(value['createdAt']),
      vela: textOf(value['vela']),
      runtime: textOf(value['runtime']),
      engine,
    },
  ]
}

function erasOf(fields: Fields | undefined): Eras | undefined {
  const tenantEra = fields?.['tenantEra']
  const serviceEra = fields?.['serviceEra']
  return isCount(tenantEra) && isCount(serviceEra) ? { tenantEra, serviceEra } : undefined
}

const erasingOf = (fields: Fields): { readonly erasing?: string } =>
  typeof fields['erasing'] === 'string' && fields['live'] !== true
    ? { erasing: textOf(fields['erasing']) }
    : {}
const isObject = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0
const isDigest = (value: unknown): value is string =>
  typeof value === 'string' && /^[0-9a-f]{64}$/.test(value)
const countOf = (value: unknown): number => (isCount(value) ? value : 0)
const textOf = (value: unknown): string => (typeof value === 'string' ? value.slice(0, 300) : '')
const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value.slice(0, 1000) : [])
const engineOf = (value: unknown): EngineName | undefined =>
  value === 'v8' || value === 'quickjs' ? value : undefined
