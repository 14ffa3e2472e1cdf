/** Tenants, secrets, decisions and tokens of a cluster's registry, as the rest of the host calls them. */
import { createHash, randomBytes } from 'node:crypto'
import { VelaError } from '../../core/errors.ts'
import {
  checkScopes,
  checkSecretValue,
  checkTenantLimits,
  checkTokenText,
  digestToken,
} from '../../registry/check.ts'
import { checkName } from '../../registry/names.ts'
import { MAX_SECRETS } from '../../registry/operations/secrets.ts'
import type { LocalRegistry } from '../../registry/registry.ts'
import type { SecretBox } from '../../registry/secret-box.ts'
import type { Registry } from '../../registry/types.ts'
import { encode, keys } from './records.ts'
import { beingErased } from './service-state.ts'
import type { Truth } from './truth.ts'

export interface OperatorMethodsDeps {
  readonly local: LocalRegistry
  readonly truth: Truth
  readonly box: SecretBox | undefined
  /** Throws VELA_CLUSTER_UNAVAILABLE when nothing can be changed. */
  readonly ready: () => void
  /** This node. */
  readonly self: string
}

type OperatorMethods = Pick<
  Registry,
  | 'createTenant'
  | 'getTenant'
  | 'deleteTenant'
  | 'putSecret'
  | 'deleteSecret'
  | 'setGrant'
  | 'createToken'
  | 'deleteToken'
>

export function operatorMethods({ local, truth, box, ready, self }: OperatorMethodsDeps): OperatorMethods {
  const eras = async (
    tenant: string,
    service: string,
  ): Promise<{ readonly tenantEra: number; readonly serviceEra: number }> => {
    checkName('tenant', tenant)
    ready()
    await truth.catchUp(keys.tenant(tenant))
    const found = truth.view.eras(tenant, service)
    if (found !== undefined) return found
    throw noTenant(tenant)
  }

  const put = async (key: string, record: Parameters<typeof encode>[0]): Promise<void> => {
    const { revision } = await truth.read(key)
    await truth.write(key, revision, encode(record))
  }

  return {
    async createTenant(name, limits = {}) {
      checkName('tenant', name)
      checkTenantLimits(limits)
      ready()
      await truth.catchUp(keys.tenant(name))
      if (truth.view.tenant(name) !== undefined)
        throw new VelaError('VELA_TENANT_EXISTS', `The tenant ${name} exists already.`)
      const before = truth.view.tenantKey(name)
      if (before?.value.erasing !== undefined) throw beingErased(name)
      const createdAt = Date.now()
      const record = { era: (before?.value.era ?? 0) + 1, live: true, limits, createdAt }
      await truth.write(keys.tenant(name), before?.revision ?? 0, encode(record))
      await local.mirror.putTenant({ name, limits, createdAt })
      return { name, limits, createdAt }
    },
    async getTenant(name) {
      const here = await local.getTenant(name)
      if (here !== undefined) return here
      // Made on another host a moment ago.
      try {
        ready()
        await truth.catchUp(keys.tenant(name))
      } catch {
        return undefined
      }
      const there = truth.view.tenant(name)
      return there === undefined ? undefined : { name, limits: there.limits, createdAt: there.createdAt }
    },
    async deleteTenant(name, force = false) {
      checkName('tenant', name)
      ready()
      await truth.catchUp(keys.tenant(name))
      const before = truth.view.tenantKey(name)
      if (before === undefined || !before.value.live) throw noTenant(name)
      const services = truth.view.services(name).slice(0, 5)
      if (services.length > 0 && !force) {
        const names = services.map(({ service }) => service).join(', ')
        throw new VelaError(
          'VELA_TENANT_NOT_EMPTY',
          `The tenant ${name} still has services (${names}). Delete them first, or delete with force.`,
        )
      }
      await truth.write(
        keys.tenant(name),
        before.revision,
        encode({ ...before.value, live: false, erasing: self }),
      )
      await unlessGone(local.deleteTenant(name, true))
    },
    async putSecret(tenant, service, key, value) {
      checkName('service', service)
      checkName('secret', key)
      checkSecretValue(key, value)
      const own = await eras(tenant, service)
      if (box === undefined)
        throw new VelaError(
          'VELA_CLUSTER_NO_KEY',
          'A secret goes to the other hosts only sealed: set nats.clusterKey (VELA_NATS_CLUSTER_KEY), the same text on all hosts, and start them again.',
        )
      const there = truth.view.secrets(tenant, service)
      if (!there.has(key) && there.size >= MAX_SECRETS)
        throw new VelaError(
          'VELA_TENANT_QUOTA_EXCEEDED',
          `${tenant}/${service} has ${MAX_SECRETS} secrets, which is as many as it may have. Delete one first.`,
        )
      const sealed = Buffer.from(box.seal({ tenant, service, key }, value)).toString('base64')
      await put(keys.secret(tenant, service, key), { ...own, sealed })
      await local.putSecret(tenant, service, key, value)
    },
    async deleteSecret(tenant, service, key) {
      checkName('service', service)
      checkName('secret', key)
      await eras(tenant, service)
      if (!truth.view.secrets(tenant, service).has(key))
        throw new VelaError('VELA_SECRET_NOT_FOUND', `${tenant}/${service} has no secret ${key}.`, {
          details: { tenant, service, key },
        })
      await truth.remove(keys.secret(tenant, service, key))
      await unlessGone(local.deleteSecret(tenant, service, key))
    },
    async setGrant(tenant, service, binding, decision) {
      checkName('service', service)
      const own = await eras(tenant, service)
      const key = keys.grant(tenant, service, binding)
      if (decision === null) await truth.remove(key)
      else await put(key, { ...own, binding, ...decision })
      await local.setGrant(tenant, service, binding, decision)
    },
    async createToken(tenant, scopes, text) {
      const token =
        text === undefined ? `vela_${randomBytes(32).toString('base64url')}` : checkTokenText(text)
      const wanted = checkScopes(scopes)
      ready()
      const tenantEra = tenant === null ? 0 : (await eras(tenant, '')).tenantEra
      const digest = digestToken(token)
      const key = keys.token(digest)
      await truth.catchUp(key)
      const known = truth.view.token(Buffer.from(digest).toString('hex'))
      if (known !== undefined) {
        const { id, createdAt } = known
        if (known.tenant === tenant && known.scopes.join() === wanted.join())
          return { token, record: { id, tenant, scopes: wanted, createdAt } }
        throw new VelaError(
          'VELA_ADMIN_BAD_REQUEST',
          `This token exists already, as ${id}, with another tenant or other scopes. Delete that one or choose another text.`,
        )
      }
      // Of the digest, so that two hosts that are started with the same text make one token of it.
      const id = `tok_${createHash('sha256').update('vela token id 1\n').update(digest).digest('hex').slice(0, 16)}`
      const record = { id, tenant, scopes: wanted, createdAt: Date.now() }
      try {
        await put(key, { ...record, tenantEra })
      } catch (error) {
        // Another host was started with the same text at this moment.
        if (error instanceof VelaError && error.code === 'VELA_CLUSTER_CONFLICT')
          return await this.createToken(tenant, scopes, token)
        throw error
      }
      await local.mirror.putToken({ ...record, digest })
      return { token, record }
    },
    async deleteToken(id) {
      ready()
      const found = truth.view.tokens().find(({ token }) => token.id === id)
      if (found === undefined) return await local.deleteToken(id)
      await truth.remove(keys.token(Buffer.from(found.digest, 'hex')))
      await unlessGone(local.deleteToken(id))
    },
  }
}

function noTenant(tenant: string): VelaError {
  return new VelaError('VELA_TENANT_NOT_FOUND', `There is no tenant ${tenant}. Create it first.`, {
    details: { tenant },
  })
}

/** The watch may have been quicker. */
async function unlessGone(work: Promise<void>): Promise<void> {
  try {
    await work
  } catch (error) {
    if (!(error instanceof VelaError && error.code.endsWith('_NOT_FOUND'))) throw error
  }
}
