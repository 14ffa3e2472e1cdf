import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdir, open as openFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { openRegistry } from '../../host/registry/registry.ts'
import type { Registry } from '../../host/registry/types.ts'
import { makeDataDir } from '../data-dir.ts'
import { contentOf, deploy, open, withCode } from './support.ts'

const SOURCE_BYTES = 60_000

/** Deploys until the store refuses, and says how it refused and what was acknowledged. */
async function fill(
  registry: Registry,
  services: number,
): Promise<{ error: unknown; acknowledged: string[] }> {
  const acknowledged: string[] = []
  for (let index = 0; index < services; index += 1) {
    try {
      // Random, so that it does not compress.
      await deploy(registry, `acme/service-${index}`, randomBytes(SOURCE_BYTES / 2).toString('hex'))
      acknowledged.push(`service-${index}`)
    } catch (error) {
      return { error, acknowledged }
    }
  }
  return { error: undefined, acknowledged }
}

async function namesOf(registry: Registry): Promise<string[]> {
  return (await registry.listServices('acme')).map((one) => one.service).sort()
}

describe('a store at its ceiling', () => {
  it('refuses a write whole, serves reads and small writes, and goes on when there is room', async () => {
    const registry = await open({ dataDir: await makeDataDir(), maxStoreBytes: 1024 * 1024 })
    await registry.createTenant('acme')
    const { error, acknowledged } = await fill(registry, 100)
    expect(error).toEqual(withCode('VELA_STORE_FULL'))
    expect(await namesOf(registry)).toEqual(acknowledged.toSorted())
    await registry.deleteService('acme', 'service-0')
    await registry.deleteService('acme', 'service-1')
    await deploy(registry, 'acme/later', 'small')
    expect(await namesOf(registry)).toContain('later')
  })

  it('fails only the write that is too large, not what was asked at the same time', async () => {
    const registry = await open({ dataDir: await makeDataDir(), maxStoreBytes: 1024 * 1024 })
    await registry.createTenant('acme')
    const large = contentOf('acme', 'large', randomBytes(1024 * 1024).toString('hex'))
    const [first, huge, last] = await Promise.allSettled([
      deploy(registry, 'acme/one', 'one'),
      registry.activate(large.deployment, large.bundle),
      deploy(registry, 'acme/two', 'two'),
    ])
    expect([first.status, last.status]).toEqual(['fulfilled', 'fulfilled'])
    expect(huge).toMatchObject({ status: 'rejected', reason: { code: 'VELA_STORE_FULL' } })
    expect(await namesOf(registry)).toEqual(['one', 'two'])
  })
})

/** A real small disk, where the test may mount one. */
async function mountSmallDisk(path: string): Promise<boolean> {
  await mkdir(path, { recursive: true })
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'vela-test', path]).status !== 0) return false
  onTestFinished(() => void spawnSync('umount', ['-l', path]))
  return true
}

async function fillDisk(path: string): Promise<void> {
  const file = await openFile(path, 'w')
  try {
    for (let bytes = 65_536; bytes >= 512; bytes /= 2) {
      await file.write(Buffer.alloc(bytes, 1)).then(
        () => (bytes *= 2),
        () => undefined,
      )
    }
  } finally {
    await file.close()
  }
}

describe('a full disk', () => {
  it('refuses writes whole, loses nothing, and takes writes again when there is room', async (context) => {
    const disk = await makeDataDir()
    if (!(await mountSmallDisk(disk))) context.skip('cannot mount a small disk here')
    const dataDir = join(disk, 'data')
    await writeFile(join(disk, 'reserve'), Buffer.alloc(1024 * 1024, 1))
    const first = await openRegistry({ dataDir })
    await first.createTenant('acme')
    const { error, acknowledged } = await fill(first, 1000)
    expect(error).toEqual(withCode('VELA_STORE_FULL', /disk is full/))
    await fillDisk(join(disk, 'ballast'))
    await expect(fill(first, 1)).resolves.toMatchObject({ error: withCode('VELA_STORE_FULL') })
    expect(await namesOf(first)).toEqual(acknowledged.toSorted())
    await first.close()

    // A restart on the full disk must still serve what is there.
    const second = await open({ dataDir })
    expect(await namesOf(second)).toEqual(acknowledged.toSorted())
    await expect(fill(second, 1)).resolves.toMatchObject({ error: withCode('VELA_STORE_FULL') })
    await rm(join(disk, 'reserve'))
    await deploy(second, 'acme/later', 'small')
    expect(await namesOf(second)).toContain('later')
  })

  it('refuses a first start with an error that says so', async (context) => {
    const disk = await makeDataDir()
    if (!(await mountSmallDisk(disk))) context.skip('cannot mount a small disk here')
    await fillDisk(join(disk, 'ballast'))
    const dataDir = join(disk, 'data')
    await expect(openRegistry({ dataDir })).rejects.toEqual(withCode('VELA_STORE_FULL'))
    await rm(join(disk, 'ballast'))
    expect(await (await open({ dataDir })).listTenants()).toEqual([])
  })
})
