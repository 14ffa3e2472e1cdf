import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { openRegistry } from '../../host/registry/registry.ts'
import { makeDataDir } from '../data-dir.ts'
import { contentOf, deploy, open, withCode } from './support.ts'
import { versionOf } from '../../host/registry/version.ts'

describe('the registry', () => {
  it('finds everything again after a restart', async () => {
    const dataDir = await makeDataDir()
    const first = await openRegistry({ dataDir })
    const tenant = await first.createTenant('acme', { cpuMs: 50 })
    const { deployment, bundle } = contentOf('acme', 'shop', 'export default {} // é')
    const withMap = { ...bundle, sourceMap: '{"version":3}' }
    const version = versionOf(withMap, deployment.manifest)
    const service = await first.activate({ ...deployment, version }, withMap)
    await first.putSecret('acme', 'shop', 'KEY', 'välue')
    const { token, record } = await first.createToken('acme', ['read', 'deploy'])
    await first.close()

    const second = await open({ dataDir })
    expect(await second.listTenants()).toEqual([tenant])
    expect(await second.getTenant('acme')).toEqual({
      name: 'acme',
      limits: { cpuMs: 50 },
      createdAt: tenant.createdAt,
    })
    expect(await second.listServices()).toEqual([service])
    expect(await second.listVersions('acme', 'shop')).toEqual([{ ...deployment, version }])
    expect(await second.getDeployment('acme', 'shop', version)).toEqual({ ...deployment, version })
    expect(await second.getBundle('acme', 'shop', version)).toEqual(withMap)
    expect(await second.readSecrets('acme', 'shop')).toEqual({ KEY: 'välue' })
    expect(await second.verifyToken(token)).toEqual(record)
  })

  it('keeps everything private to its user', async () => {
    const dataDir = await makeDataDir()
    await open({ dataDir })
    expect((await stat(dataDir)).mode & 0o777).toBe(0o700)
    for (const file of ['store.sqlite', 'store.sqlite-wal', 'store.lock', 'host.pid', 'secret-key']) {
      expect((await stat(join(dataDir, file))).mode & 0o777, file).toBe(0o600)
    }
  })

  it('needs no directory when it is kept in memory', async () => {
    const [one, other] = [await open(), await open()]
    await one.createTenant('acme')
    expect(await other.listTenants()).toEqual([])
  })

  it('refuses a tenant twice, and what is not there, with the error that says which', async () => {
    const registry = await open()
    await registry.createTenant('acme')
    await expect(registry.createTenant('acme')).rejects.toEqual(withCode('VELA_TENANT_EXISTS'))
    await expect(registry.deleteTenant('nobody')).rejects.toEqual(withCode('VELA_TENANT_NOT_FOUND'))
    await expect(deploy(registry, 'nobody/shop', 'x')).rejects.toEqual(withCode('VELA_TENANT_NOT_FOUND'))
    await expect(registry.rollback('acme', 'shop')).rejects.toEqual(withCode('VELA_SERVICE_NOT_FOUND'))
    await expect(registry.deleteService('acme', 'shop')).rejects.toEqual(withCode('VELA_SERVICE_NOT_FOUND'))
    await expect(registry.listVersions('nobody', 'shop')).rejects.toEqual(withCode('VELA_TENANT_NOT_FOUND'))
    await expect(registry.deleteSecret('acme', 'shop', 'KEY')).rejects.toEqual(
      withCode('VELA_SECRET_NOT_FOUND'),
    )
    expect(await registry.getTenant('nobody')).toBeUndefined()
    expect(await registry.getBundle('acme', 'shop', '000000000000')).toBeUndefined()
    expect(await registry.getDeployment('acme', 'shop', 'no version')).toBeUndefined()
  })

  it('settles calls of one moment each by itself: one refused does not undo its neighbours', async () => {
    const registry = await open()
    const names = ['one', 'two', 'one', 'three', 'two', 'four']
    const outcomes = await Promise.allSettled(names.map((name) => registry.createTenant(name)))
    expect(outcomes.map((outcome) => outcome.status === 'fulfilled')).toEqual([
      true,
      true,
      false,
      true,
      false,
      true,
    ])
    expect((await registry.listTenants()).map((tenant) => tenant.name)).toEqual([
      'four',
      'one',
      'three',
      'two',
    ])
  })

  it('refuses limits that do not exist or are no whole number', async () => {
    const registry = await open()
    for (const limits of [
      { cpuMs: 0 },
      { cpuMs: 1.5 },
      { cpuMs: Number.NaN },
      { speed: 1 },
      JSON.parse('{"__proto__":1}'),
    ]) {
      await expect(registry.createTenant('acme', limits)).rejects.toEqual(withCode('VELA_ADMIN_BAD_REQUEST'))
    }
    expect(await registry.listTenants()).toEqual([])
  })

  it('deletes a tenant with services only by force, and then with all that was its own', async () => {
    const registry = await open()
    await registry.createTenant('acme')
    await deploy(registry, 'acme/shop', 'one')
    await registry.putSecret('acme', 'shop', 'KEY', 'value')
    const { token } = await registry.createToken('acme', ['deploy'])
    await expect(registry.deleteTenant('acme')).rejects.toEqual(withCode('VELA_TENANT_NOT_EMPTY', /shop/))
    await registry.deleteTenant('acme', true)
    await registry.createTenant('acme')
    expect(await registry.listServices('acme')).toEqual([])
    expect(await registry.listSecrets('acme', 'shop')).toEqual([])
    expect(await registry.verifyToken(token)).toBeUndefined()
  })

  it('keeps what two tenants give the same name apart', async () => {
    const registry = await open()
    await registry.createTenant('acme')
    await registry.createTenant('globex')
    const version = await deploy(registry, 'acme/shop', 'the same')
    await deploy(registry, 'globex/shop', 'the same')
    await registry.putSecret('acme', 'shop', 'KEY', 'of acme')
    await registry.deleteService('acme', 'shop')
    expect(await registry.getBundle('acme', 'shop', version)).toBeUndefined()
    expect(await registry.getBundle('globex', 'shop', version)).toEqual({
      source: 'the same',
      sourceMap: null,
    })
    expect(await registry.readSecrets('globex', 'shop')).toEqual({})
  })

  it('says so when it is used after it was closed, and closes twice', async () => {
    const registry = await openRegistry()
    await Promise.all([registry.close(), registry.close()])
    await expect(registry.listTenants()).rejects.toEqual(withCode('VELA_STORE_FAILED', /closed/))
  })

  it('finishes what was asked before close', async () => {
    const dataDir = await makeDataDir()
    const registry = await openRegistry({ dataDir })
    const made = Array.from({ length: 600 }, (_, index) => registry.createTenant(`tenant-${index}`))
    await Promise.all([...made, registry.close()])
    expect(await (await open({ dataDir })).listTenants()).toHaveLength(600)
  })
})
