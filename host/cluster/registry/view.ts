/**
 * The registry's bucket in memory, as far as the watch has read it, and what of it is in force: a record of an era that is over, of a
 * tenant that is gone, is as if it were not there.
 */
import {
  decodeGrant,
  decodeSecret,
  decodeService,
  decodeTenant,
  decodeToken,
  type GrantRecord,
  type Key,
  parseKey,
  type SecretRecord,
  type ServiceState,
  type TenantRecord,
  type TokenEntry,
} from './records.ts'

export interface Entry<Value> {
  readonly revision: number
  readonly value: Value
}

export interface View {
  /** False when it is no news or not understood. `bytes` undefined: the key is deleted. */
  put(key: string, revision: number, bytes: Uint8Array | undefined): Key | false
  /** The key's own state, in force or not. */
  tenantKey(tenant: string): Entry<TenantRecord> | undefined
  serviceKey(tenant: string, service: string): Entry<ServiceState> | undefined

  tenant(tenant: string): TenantRecord | undefined
  service(tenant: string, service: string): ServiceState | undefined
  secrets(tenant: string, service: string): Map<string, Entry<SecretRecord>>
  grants(tenant: string, service: string): GrantRecord[]
  token(digest: string): TokenEntry | undefined
  /** Of what is in force. */
  tenants(): string[]
  services(
    tenant?: string,
  ): { readonly tenant: string; readonly service: string; readonly state: ServiceState }[]
  tokens(): { readonly digest: string; readonly token: TokenEntry }[]
  /** Services with secrets or decisions in force, deployed or not. */
  places(): { readonly tenant: string; readonly service: string }[]
  /** What is deleted, and may have left something; of a service only while its tenant is there. */
  erasing(): Erasing[]
  /** Under which a secret or decision has to be put; undefined when there is no such tenant. */
  eras(tenant: string, service: string): { tenantEra: number; serviceEra: number } | undefined
}

export interface Erasing {
  readonly tenant: string
  readonly service: string | null
  readonly node: string
}

export function createView(): View {
  const revisions = new Map<string, number>()
  const tenants = new Map<string, Entry<TenantRecord>>()
  const services = new Map<string, Entry<ServiceState>>()
  const secrets = new Map<string, Map<string, Entry<SecretRecord>>>()
  const grants = new Map<string, Map<string, Entry<GrantRecord>>>()
  const tokens = new Map<string, Entry<TokenEntry>>()

  const tenant = (name: string): TenantRecord | undefined => {
    const found = tenants.get(name)?.value
    return found?.live === true ? found : undefined
  }
  const eras = (name: string, service: string): { tenantEra: number; serviceEra: number } | undefined => {
    const owner = tenant(name)
    if (owner === undefined) return undefined
    const own = services.get(`${name}/${service}`)?.value
    return { tenantEra: owner.era, serviceEra: own?.tenantEra === owner.era ? own.era : 0 }
  }
  const inForce = <Value extends { tenantEra: number; serviceEra: number }>(
    owner: string,
    service: string,
    all: Map<string, Map<string, Entry<Value>>>,
  ): Map<string, Entry<Value>> => {
    const now = eras(owner, service)
    const found = [...(all.get(`${owner}/${service}`) ?? [])].filter(
      ([, { value }]) => value.tenantEra === now?.tenantEra && value.serviceEra === now.serviceEra,
    )
    return new Map(found)
  }
  const service = (owner: string, name: string): ServiceState | undefined => {
    const found = services.get(`${owner}/${name}`)?.value
    return found?.live === true && found.tenantEra === tenant(owner)?.era ? found : undefined
  }
  const token = (digest: string): TokenEntry | undefined => {
    const found = tokens.get(digest)?.value
    if (found === undefined || found.tenant === null) return found
    return tenant(found.tenant)?.era === found.tenantEra ? found : undefined
  }

  const store = (
    key: Exclude<Key, { kind: 'meta' }>,
    revision: number,
    bytes: Uint8Array | undefined,
  ): boolean => {
    switch (key.kind) {
      case 'tenant':
        return set(tenants, key.tenant, revision, bytes, decodeTenant)
      case 'service':
        return set(services, `${key.tenant}/${key.service}`, revision, bytes, decodeService)
      case 'secret':
        return set(within(secrets, key), key.name, revision, bytes, decodeSecret)
      case 'grant':
        return set(within(grants, key), key.name, revision, bytes, decodeGrant)
      default:
        return set(tokens, key.digest, revision, bytes, decodeToken)
    }
  }

  return {
    put(text, revision, bytes) {
      const key = parseKey(text)
      if (key === undefined || revision <= (revisions.get(text) ?? 0)) return false
      if (key.kind !== 'meta' && !store(key, revision, bytes)) return false
      revisions.set(text, revision)
      return key
    },
    tenantKey: (name) => tenants.get(name),
    serviceKey: (owner, name) => services.get(`${owner}/${name}`),
    tenant,
    service,
    secrets: (owner, name) => inForce(owner, name, secrets),
    grants: (owner, name) => [...inForce(owner, name, grants).values()].map(({ value }) => value),
    token,
    tenants: () => [...tenants.keys()].filter((name) => tenant(name) !== undefined),
    services: (only) =>
      [...services.keys()].flatMap((place) => {
        const [owner, name] = split(place)
        const state = only === undefined || only === owner ? service(owner, name) : undefined
        return state === undefined ? [] : [{ tenant: owner, service: name, state }]
      }),
    tokens: () =>
      [...tokens.keys()].flatMap((digest) => {
        const found = token(digest)
        return found === undefined ? [] : [{ digest, token: found }]
      }),
    places: () =>
      [...new Set([...secrets.keys(), ...grants.keys()])].map((place) => {
        const [owner, name] = split(place)
        return { tenant: owner, service: name }
      }),
    eras,
    erasing() {
      const all: Erasing[] = []
      for (const [name, { value }] of tenants)
        if (value.erasing !== undefined) all.push({ tenant: name, service: null, node: value.erasing })
      for (const [place, { value }] of services) {
        const [owner, name] = split(place)
        if (value.erasing !== undefined && tenant(owner)?.era === value.tenantEra)
          all.push({ tenant: owner, service: name, node: value.erasing })
      }
      return all
    },
  }
}

function set<Value>(
  map: Map<string, Entry<Value>>,
  key: string,
  revision: number,
  bytes: Uint8Array | undefined,
  decode: (bytes: Uint8Array) => Value | undefined,
): boolean {
  if (bytes === undefined) {
    map.delete(key)
    return true
  }
  const value = decode(bytes)
  if (value === undefined) return false
  map.set(key, { revision, value })
  return true
}

function within<Value>(
  all: Map<string, Map<string, Value>>,
  { tenant, service }: { readonly tenant: string; readonly service: string },
): Map<string, Value> {
  const place = `${tenant}/${service}`
  let found = all.get(place)
  if (found === undefined) all.set(place, (found = new Map()))
  return found
}

function split(place: string): [tenant: string, service: string] {
  const slash = place.indexOf('/')
  return [place.slice(0, slash), place.slice(slash + 1)]
}
