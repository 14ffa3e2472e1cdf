/**
 * The registry as the rest of the host sees it: checks what it is given, then asks the store thread. Names that are not
 * allowed are refused by every method; unknown ones are undefined where the result may be, and *_NOT_FOUND elsewhere.
 */
import { randomBytes } from 'node:crypto'
import { resolve } from 'node:path'
import { VelaError } from '../core/errors.ts'
import { moduleBeside } from '../core/module-beside.ts'
import {
  checkDeployment,
  checkScopes,
  checkSecretValue,
  checkTenantLimits,
  checkTokenText,
  digestToken,
  isTokenText,
} from './check.ts'
import { checkName } from './names.ts'
import type { RegistryOperations } from './operations/table.ts'
import { openStore } from './store/client.ts'
import type { StoreClient } from './store/client.ts'
import type { LogLevel } from './store/protocol.ts'
import { mirrorOf, type Mirror } from './mirror.ts'
import type { Registry } from './types.ts'
import { isVersion } from './version.ts'

const WEAK_TOKEN_LENGTH = 16

export interface RegistryOptions {
  /** Made if it does not exist. Left out: everything is kept in memory and gone at close(), and there is no lock. */
  readonly dataDir?: string
  /** Ceiling for the store's file; a write beyond it is refused with VELA_STORE_FULL. */
  readonly maxStoreBytes?: number
  onLog?(level: LogLevel, message: string): void
}

/** The registry of this host, and how it is kept as a copy of a cluster's. */
export interface LocalRegistry extends Registry {
  readonly mirror: Mirror
}

export async function openRegistry(options: RegistryOptions = {}): Promise<LocalRegistry> {
  const { dataDir, maxStoreBytes } = options
  const log = (level: LogLevel, message: string): void => options.onLog?.(level, message)
  const store = await openStore<RegistryOperations>({
    dataDir: dataDir === undefined ? null : resolve(dataDir),
    maxStoreBytes: maxStoreBytes ?? null,
    entry: moduleBeside(import.meta.url, 'store-thread'),
    log,
  })
  return {
    ...catalog(store),
    ...grants(store),
    ...secrets(store),
    ...tokens(store, log),
    mirror: mirrorOf(store),
    close: () => store.close(),
  }
}

type Store = StoreClient<RegistryOperations>
type SecretMethods = 'putSecret' | 'listSecrets' | 'deleteSecret' | 'readSecrets'
type GrantMethods = 'setGrant' | 'listGrants' | 'listGrantsOf'
type TokenMethods = 'createToken' | 'verifyToken' | 'listTokens' | 'deleteToken'

function catalog(store: Store): Omit<Registry, GrantMethods | SecretMethods | TokenMethods | 'close'> {
  return {
    async createTenant(name, limits = {}) {
      return store.call('createTenant', checkName('tenant', name), checkTenantLimits(limits))
    },
    async getTenant(name) {
      return store.call('getTenant', checkName('tenant', name))
    },
    async listTenants() {
      return store.call('listTenants')
    },
    async deleteTenant(name, force = false) {
      return store.call('deleteTenant', checkName('tenant', name), force)
    },
    async activate(deployment, bundle) {
      const { source, sourceMap } = bundle
      return store.call('activate', checkDeployment(deployment, bundle), { source, sourceMap })
    },
    async rollback(tenant, service, version) {
      return store.call('rollback', ...checkPlace(tenant, service), checkVersion(version))
    },
    async rollbackTarget(tenant, service, version) {
      return store.call('rollbackTarget', ...checkPlace(tenant, service), checkVersion(version))
    },
    async deleteService(tenant, service) {
      return store.call('deleteService', ...checkPlace(tenant, service))
    },
    async setEngine(tenant, service, engine) {
      return store.call('setEngine', ...checkPlace(tenant, service), engine)
    },
    async listServices(tenant) {
      return store.call('listServices', tenant === undefined ? null : checkName('tenant', tenant))
    },
    async listVersions(tenant, service) {
      return store.call('listVersions', ...checkPlace(tenant, service))
    },
    async getDeployment(tenant, service, version) {
      const place = checkPlace(tenant, service)
      return isVersion(version) ? store.call('getDeployment', ...place, version) : undefined
    },
    async getBundle(tenant, service, version) {
      const place = checkPlace(tenant, service)
      return isVersion(version) ? store.call('getBundle', ...place, version) : undefined
    },
  }
}

function grants(store: Store): Pick<Registry, GrantMethods> {
  return {
    async setGrant(tenant, service, binding, decision) {
      return store.call('setGrant', ...checkPlace(tenant, service), binding, decision)
    },
    async listGrants() {
      return store.call('listGrants')
    },
    async listGrantsOf(tenant, service) {
      return store.call('listGrantsOf', ...checkPlace(tenant, service))
    },
  }
}

function secrets(store: Store): Pick<Registry, SecretMethods> {
  return {
    async putSecret(tenant, service, key, value) {
      const place = checkPlace(tenant, service)
      checkName('secret', key)
      return store.call('putSecret', ...place, key, checkSecretValue(key, value))
    },
    async listSecrets(tenant, service) {
      return store.call('listSecrets', ...checkPlace(tenant, service))
    },
    async deleteSecret(tenant, service, key) {
      return store.call('deleteSecret', ...checkPlace(tenant, service), checkName('secret', key))
    },
    async readSecrets(tenant, service) {
      return store.call('readSecrets', ...checkPlace(tenant, service))
    },
  }
}

function tokens(store: Store, log: (level: LogLevel, message: string) => void): Pick<Registry, TokenMethods> {
  return {
    async createToken(tenant, scopes, text) {
      if (tenant !== null) checkName('tenant', tenant)
      const token =
        text === undefined ? `vela_${randomBytes(32).toString('base64url')}` : checkTokenText(text)
      if (token.length < WEAK_TOKEN_LENGTH) {
        log(
          'warn',
          `A token of ${token.length} characters can be guessed; use ${WEAK_TOKEN_LENGTH} or more random ones.`,
        )
      }
      const id = `tok_${randomBytes(8).toString('hex')}`
      return {
        token,
        record: await store.call('createToken', id, tenant, checkScopes(scopes), digestToken(token)),
      }
    },
    async verifyToken(text) {
      return isTokenText(text) ? store.call('findToken', digestToken(text)) : undefined
    },
    async listTokens(tenant) {
      return store.call('listTokens', tenant === undefined ? null : checkName('tenant', tenant))
    },
    async deleteToken(id) {
      return store.call('deleteToken', id)
    },
  }
}

function checkPlace(tenant: string, service: string): [tenant: string, service: string] {
  return [checkName('tenant', tenant), checkName('service', service)]
}

function checkVersion(version: string | undefined): string | null {
  if (version === undefined || isVersion(version)) return version ?? null
  throw new VelaError(
    'VELA_VERSION_NOT_FOUND',
    'A version is 12 hexadecimal digits, as "vela versions" prints them.',
  )
}
