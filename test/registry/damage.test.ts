import { MIGRATIONS } from '../../host/registry/migrations.ts'
import { copyFile, mkdir, open as openFile, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, expect, it } from 'vitest'
import { openActorStore } from '../../host/concurrency/actors/store/store.ts'
import { openEventLog } from '../../host/events/durable/embedded/store.ts'
import { openKv } from '../../host/kv/store.ts'
import { openRegistry } from '../../host/registry/registry.ts'
import { makeDataDir } from '../data-dir.ts'
import { contentOf, deploy, open, run, withCode } from './support.ts'

/** A data directory that was in use: a tenant, twelve versions of a service, a secret. Cleanly closed. */
async function makeUsedDir(): Promise<string> {
  const dataDir = await makeDataDir()
  const registry = await openRegistry({ dataDir })
  await registry.createTenant('acme')
  for (let index = 0; index < 12; index += 1)
    await deploy(registry, 'acme/shop', `${index} ${crypto.randomUUID().repeat(200)}`)
  await registry.putSecret('acme', 'shop', 'KEY', 'value')
  await registry.close()
  return dataDir
}

function edit(dataDir: string, sql: string): void {
  const database = new DatabaseSync(join(dataDir, 'store.sqlite'))
  database.exec(sql)
  database.close()
}

async function overwrite(path: string, from: number, bytes: number): Promise<void> {
  const file = await openFile(path, 'r+')
  await file.write(Buffer.alloc(bytes, 0), 0, bytes, from)
  await file.close()
}

describe('a damaged store is refused with what to do about it', () => {
  it.each<[string, (path: string) => Promise<void>]>([
    [
      'is not a database',
      (path) => writeFile(path, 'these are not the pages you are looking for '.repeat(500)),
    ],
    ['lost its first page', (path) => overwrite(path, 0, 4096)],
    ['has zeroes in the middle', async (path) => overwrite(path, 4096, (await stat(path)).size - 8192)],
    [
      'lost its second half',
      async (path) => truncate(path, Math.floor((await stat(path)).size / 8192) * 4096),
    ],
    ['was cut inside a page', async (path) => truncate(path, (await stat(path)).size - 1000)],
    ['is empty', (path) => truncate(path, 0)],
    ['is gone', (path) => rm(path)],
  ])('when it %s', async (_what, harm) => {
    const dataDir = await makeUsedDir()
    const path = join(dataDir, 'store.sqlite')
    await harm(path)
    const before = await readFile(path).catch(() => Buffer.alloc(0))
    await expect(openRegistry({ dataDir })).rejects.toEqual(
      withCode('VELA_STORE_DAMAGED', /store\.sqlite.*[Rr]estore/),
    )
    expect(Buffer.compare(await readFile(path), before)).toBe(0)
  })

  it('when a newer Vela wrote it, and then it is left as it was', async () => {
    const dataDir = await makeUsedDir()
    edit(dataDir, 'PRAGMA user_version = 999')
    const before = await readFile(join(dataDir, 'store.sqlite'))
    await expect(openRegistry({ dataDir })).rejects.toEqual(
      withCode('VELA_STORE_DAMAGED', /version 999.*newer Vela/),
    )
    expect(Buffer.compare(await readFile(join(dataDir, 'store.sqlite')), before)).toBe(0)
  })

  it('when another program wrote it, and then it is left as it was', async () => {
    const dataDir = await makeDataDir()
    await mkdir(dataDir)
    edit(dataDir, 'CREATE TABLE bookmarks (url TEXT)')
    const before = await readFile(join(dataDir, 'store.sqlite'))
    await expect(openRegistry({ dataDir })).rejects.toEqual(withCode('VELA_STORE_DAMAGED', /another program/))
    expect(Buffer.compare(await readFile(join(dataDir, 'store.sqlite')), before)).toBe(0)
  })

  it('when the code of a version was changed at rest, as soon as that version is read', async () => {
    const dataDir = await makeUsedDir()
    edit(dataDir, `UPDATE bundles SET source = (SELECT source FROM bundles ORDER BY rowid DESC LIMIT 1)`)
    const registry = await open({ dataDir })
    const versions = await registry.listVersions('acme', 'shop')
    await expect(registry.getBundle('acme', 'shop', versions[1]?.version ?? '')).rejects.toEqual(
      withCode('VELA_STORE_DAMAGED'),
    )
    expect(await registry.getBundle('acme', 'shop', versions[0]?.version ?? '')).toBeDefined()
  })

  it('and the directory is free again afterwards', async () => {
    const dataDir = await makeUsedDir()
    edit(dataDir, 'PRAGMA user_version = 999')
    await expect(openRegistry({ dataDir })).rejects.toEqual(withCode('VELA_STORE_DAMAGED'))
    edit(dataDir, `PRAGMA user_version = ${MIGRATIONS.length}`)
    expect(await (await open({ dataDir })).listVersions('acme', 'shop')).toHaveLength(12)
  })
})

async function crashed(): Promise<{ readonly dataDir: string; readonly wal: string }> {
  const dataDir = await makeDataDir()
  const child = run('writer.ts', dataDir)
  for (let line = ''; line !== 'ack 30'; line = await child.line());
  await child.kill()
  return { dataDir, wal: join(dataDir, 'store.sqlite-wal') }
}

async function countSecrets(dataDir: string): Promise<number> {
  const registry = await open({ dataDir })
  let count = 0
  for (let index = 0; index < 50; index += 1)
    count += (await registry.listSecrets('acme', `service-${index}-0`)).length
  return count
}

describe('a torn write-ahead log', () => {
  it('with garbage behind its end keeps everything acknowledged', async () => {
    const { dataDir, wal } = await crashed()
    await writeFile(wal, Buffer.alloc(10_000, 0xa5), { flag: 'a' })
    expect(await countSecrets(dataDir)).toBeGreaterThanOrEqual(30)
  })

  it('that was cut opens with a prefix of the writes, each whole', async () => {
    const { dataDir, wal } = await crashed()
    await truncate(wal, (await stat(wal)).size - 9000)
    expect(await countSecrets(dataDir)).toBeGreaterThan(0)
  })

  it('whose tail reads as zeroes opens with a prefix of the writes, each whole', async () => {
    const { dataDir, wal } = await crashed()
    const size = (await stat(wal)).size
    await overwrite(wal, size - 9000, 9000)
    expect(await countSecrets(dataDir)).toBeGreaterThan(0)
  })
})

describe('the key of the secrets', () => {
  it('is never replaced while secrets are sealed with it', async () => {
    const dataDir = await makeUsedDir()
    const path = join(dataDir, 'secret-key')
    await copyFile(path, `${path}.saved`)
    await rm(path)
    await expect(openRegistry({ dataDir })).rejects.toEqual(
      withCode('VELA_STORE_DAMAGED', /missing.*[Rr]estore/),
    )
    await writeFile(path, 'not a key')
    await expect(openRegistry({ dataDir })).rejects.toEqual(withCode('VELA_STORE_DAMAGED', /64 hexadecimal/))
    await writeFile(path, '0'.repeat(64))
    await expect(openRegistry({ dataDir })).rejects.toEqual(withCode('VELA_STORE_DAMAGED', /not the key/))
    await copyFile(`${path}.saved`, path)
    expect(await (await open({ dataDir })).readSecrets('acme', 'shop')).toEqual({ KEY: 'value' })
  })

  it('opens a secret only where it was put', async () => {
    const dataDir = await makeUsedDir()
    edit(dataDir, `INSERT INTO tenants SELECT 'globex', limits, created_at FROM tenants`)
    edit(dataDir, `INSERT INTO secrets SELECT 'globex', service, key, sealed, updated_at FROM secrets`)
    const registry = await open({ dataDir })
    await expect(registry.readSecrets('globex', 'shop')).rejects.toEqual(
      withCode('VELA_STORE_DAMAGED', /globex\/shop/),
    )
    expect(await registry.readSecrets('acme', 'shop')).toEqual({ KEY: 'value' })
  })
})

describe('a data directory that cannot be', () => {
  it('is refused with its path', async () => {
    const parent = await makeDataDir()
    await writeFile(parent, 'a file')
    const refusal = withCode('VELA_STORE_FAILED', new RegExp(parent))
    await expect(openRegistry({ dataDir: join(parent, 'data') })).rejects.toEqual(refusal)
    await expect(openRegistry({ dataDir: `${parent}\0` })).rejects.toEqual(withCode('VELA_STORE_FAILED'))
  })

  it('open to others is used, with one warning for all the stores in it', async () => {
    const dataDir = await makeDataDir()
    await mkdir(dataDir, { mode: 0o755 })
    const messages: string[] = []
    const options = { dataDir, onLog: (_level: string, message: string) => void messages.push(message) }
    const registry = await open(options)
    for (const store of [await openKv(options), await openActorStore(options), await openEventLog(options)])
      await store.close()
    await deployOnce(registry)
    expect(messages.filter((message) => message.includes('chmod 700'))).toHaveLength(1)
  })
})

async function deployOnce(registry: Awaited<ReturnType<typeof open>>): Promise<void> {
  await registry.createTenant('acme')
  const { deployment, bundle } = contentOf('acme', 'shop', 'one')
  await registry.activate(deployment, bundle)
}
