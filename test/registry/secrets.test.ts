import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { openRegistry } from '../../host/registry/registry.ts'
import { makeDataDir } from '../data-dir.ts'
import { deploy, open, withCode } from './support.ts'

describe('secrets', () => {
  it('can be put before the first deploy, replaced, listed by name and deleted', async () => {
    const registry = await open()
    await registry.createTenant('acme')
    await registry.putSecret('acme', 'shop', 'B', '1')
    await registry.putSecret('acme', 'shop', 'A', '')
    await registry.putSecret('acme', 'shop', 'B', '2')
    expect(await registry.listSecrets('acme', 'shop')).toEqual(['A', 'B'])
    expect(await registry.readSecrets('acme', 'shop')).toEqual({ A: '', B: '2' })
    await registry.deleteSecret('acme', 'shop', 'B')
    expect(await registry.readSecrets('acme', 'shop')).toEqual({ A: '' })
  })

  it('go with their service', async () => {
    const registry = await open()
    await registry.createTenant('acme')
    await deploy(registry, 'acme/shop', 'one')
    await registry.putSecret('acme', 'shop', 'KEY', 'value')
    await registry.deleteService('acme', 'shop')
    expect(await registry.listSecrets('acme', 'shop')).toEqual([])
  })

  it('are not readable in the files of the store', async () => {
    const dataDir = await makeDataDir()
    const registry = await openRegistry({ dataDir })
    await registry.createTenant('acme')
    await registry.putSecret('acme', 'shop', 'KEY', 'plain-text-of-the-secret')
    const wal = await readFile(join(dataDir, 'store.sqlite-wal'), 'latin1')
    await registry.close()
    const database = await readFile(join(dataDir, 'store.sqlite'), 'latin1')
    expect(wal.length).toBeGreaterThan(0)
    expect(wal + database).not.toContain('plain-text-of-the-secret')
  })

  it('are refused when they are too large, too many or no text', async () => {
    const registry = await open()
    await registry.createTenant('acme')
    await expect(registry.putSecret('acme', 'shop', 'KEY', 'x'.repeat(65_537))).rejects.toEqual(
      withCode('VELA_ADMIN_BAD_REQUEST', /65536/),
    )
    await expect(registry.putSecret('acme', 'shop', 'KEY', '\ud800')).rejects.toEqual(
      withCode('VELA_ADMIN_BAD_REQUEST'),
    )
    await Promise.all(
      Array.from({ length: 128 }, (_, index) => registry.putSecret('acme', 'shop', `K${index}`, 'v')),
    )
    await expect(registry.putSecret('acme', 'shop', 'ONE_MORE', 'v')).rejects.toEqual(
      withCode('VELA_TENANT_QUOTA_EXCEEDED'),
    )
    await registry.putSecret('acme', 'shop', 'K7', 'replaced')
  })
})
