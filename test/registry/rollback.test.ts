import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { KEPT_VERSIONS } from '../../host/registry/operations/retention.ts'
import { openRegistry } from '../../host/registry/registry.ts'
import type { Registry } from '../../host/registry/types.ts'
import { makeDataDir } from '../data-dir.ts'
import { contentOf, deploy, open, withCode } from './support.ts'

const PATH = 'acme/shop'

async function openShop(): Promise<Registry> {
  const registry = await open()
  await registry.createTenant('acme')
  return registry
}

async function back(registry: Registry, version?: string): Promise<string> {
  return (await registry.rollback('acme', 'shop', version)).activeVersion
}

describe('a rollback', () => {
  it('goes one version further back each time, and says when there is none', async () => {
    const registry = await openShop()
    const [one, two] = [await deploy(registry, PATH, '1'), await deploy(registry, PATH, '2')]
    await deploy(registry, PATH, '3')
    expect(await back(registry)).toBe(two)
    expect(await back(registry)).toBe(one)
    await expect(back(registry)).rejects.toEqual(withCode('VELA_VERSION_NOT_FOUND', /no earlier version/))
    expect((await registry.listServices('acme'))[0]?.activeVersion).toBe(one)
  })

  it('never returns to what was rolled back from', async () => {
    const registry = await openShop()
    const one = await deploy(registry, PATH, '1')
    await deploy(registry, PATH, 'bad')
    expect(await back(registry)).toBe(one)
    await deploy(registry, PATH, '3')
    expect(await back(registry)).toBe(one)
  })

  it('to a named version skips what lies between', async () => {
    const registry = await openShop()
    const versions = [await deploy(registry, PATH, '1'), await deploy(registry, PATH, '2')]
    await deploy(registry, PATH, '3')
    await deploy(registry, PATH, '4')
    expect(await back(registry, versions[1])).toBe(versions[1])
    expect(await back(registry)).toBe(versions[0])
  })

  it('to a version that was rolled back from can be undone', async () => {
    const registry = await openShop()
    const [one, two] = [await deploy(registry, PATH, '1'), await deploy(registry, PATH, '2')]
    await back(registry)
    expect(await back(registry, two)).toBe(two)
    expect(await back(registry)).toBe(one)
  })

  it('is not confused by deploying the same again, or an old version anew', async () => {
    const registry = await openShop()
    const [one, two] = [await deploy(registry, PATH, '1'), await deploy(registry, PATH, '2')]
    await deploy(registry, PATH, '2')
    await deploy(registry, PATH, '1')
    expect(await back(registry)).toBe(two)
    expect(await back(registry)).toBe(one)
  })

  it('to a version that is not stored, or is no version, changes nothing', async () => {
    const registry = await openShop()
    const one = await deploy(registry, PATH, '1')
    for (const version of ['000000000000', '', '../..', one.toUpperCase() + 'x']) {
      await expect(back(registry, version)).rejects.toEqual(withCode('VELA_VERSION_NOT_FOUND'))
    }
    expect((await registry.listServices('acme'))[0]?.activeVersion).toBe(one)
  })
})

describe('retention', () => {
  it('keeps the newest versions, the active one and where a rollback leads, and the code of these', async () => {
    const registry = await openShop()
    const versions: string[] = []
    for (let index = 0; index < 30; index += 1) versions.push(await deploy(registry, PATH, `source ${index}`))
    const kept = await registry.listVersions('acme', 'shop')
    expect(kept.map((entry) => entry.version)).toEqual(versions.slice(-KEPT_VERSIONS).reverse())
    expect(await registry.getBundle('acme', 'shop', versions[0] ?? '')).toBeUndefined()
    expect(await registry.getBundle('acme', 'shop', versions[10] ?? '')).toEqual({
      source: 'source 10',
      sourceMap: null,
    })
  })

  it('keeps an old version that a rollback would make active', async () => {
    const registry = await openShop()
    const versions: string[] = []
    for (let index = 0; index < KEPT_VERSIONS; index += 1)
      versions.push(await deploy(registry, PATH, `${index}`))
    const oldest = versions[0] ?? ''
    await back(registry, oldest)
    const next = await deploy(registry, PATH, 'next')
    expect(await back(registry)).toBe(oldest)
    expect(await back(registry, next)).toBe(next)
    await deploy(registry, PATH, 'after next')
    expect((await registry.listVersions('acme', 'shop')).map((entry) => entry.version)).not.toContain(oldest)
  })

  it('keeps code that another service still uses', async () => {
    const registry = await openShop()
    const bundle = { source: 'the same', sourceMap: null }
    const shop = contentOf('acme', 'shop', 'the same')
    const mail = contentOf('acme', 'mail', 'the same')
    await registry.activate(shop.deployment, bundle)
    await registry.activate(mail.deployment, bundle)
    await registry.deleteService('acme', 'shop')
    expect(await registry.getBundle('acme', 'mail', mail.deployment.version)).toEqual(bundle)
  })
})

describe('code at rest', () => {
  it('is there once for all versions that share it, and goes with the last of them', async () => {
    const dataDir = await makeDataDir()
    const registry = await openRegistry({ dataDir })
    await registry.createTenant('acme')
    for (const service of ['shop', 'mail']) await deploy(registry, `acme/${service}`, 'the same')
    for (let index = 0; index < 30; index += 1) await deploy(registry, 'acme/busy', `source ${index}`)
    await deploy(registry, 'acme/gone', 'gone')
    await registry.deleteService('acme', 'gone')
    await registry.close()
    const database = new DatabaseSync(join(dataDir, 'store.sqlite'))
    expect(database.prepare('SELECT count(*) AS count FROM bundles').get()).toEqual({
      count: 1 + KEPT_VERSIONS,
    })
    database.close()
  })
})

describe('activations at the same time', () => {
  it('leave one active version, and a history in the order they were made', async () => {
    const registry = await openShop()
    const contents = Array.from({ length: 15 }, (_, index) => contentOf('acme', 'shop', `source ${index}`))
    const records = await Promise.all(contents.map((one) => registry.activate(one.deployment, one.bundle)))
    const expected = contents.map((one) => one.deployment.version)
    expect(records.map((record) => record.activeVersion)).toEqual(expected)
    expect((await registry.listServices('acme')).map((record) => record.activeVersion)).toEqual(
      expected.slice(-1),
    )
    for (const version of expected.slice(0, -1).reverse()) expect(await back(registry)).toBe(version)
  })
})

/** The rule of operations/trail.ts and retention.ts, as plainly as it can be said. */
class Model {
  stored: string[] = []
  trail: string[] = []

  get active(): string | undefined {
    return this.trail.at(-1)
  }

  get predecessor(): string | undefined {
    return this.trail.findLast((version) => version !== this.active)
  }

  activate(version: string): void {
    if (!this.stored.includes(version)) this.stored.push(version)
    if (version === this.active) return
    this.trail.push(version)
    const kept = new Set([...this.stored.slice(-KEPT_VERSIONS), this.active, this.predecessor])
    this.stored = this.stored.filter((one) => kept.has(one))
    this.trail = this.trail.filter((one) => kept.has(one))
  }

  rollback(version: string | undefined): boolean {
    const target = version ?? this.predecessor
    if (target === undefined || !this.stored.includes(target)) return false
    const place = this.trail.lastIndexOf(target)
    if (place < 0) this.trail.push(target)
    else this.trail = this.trail.slice(0, place + 1)
    return true
  }

  delete(): boolean {
    const existed = this.stored.length > 0
    this.stored = []
    this.trail = []
    return existed
  }
}

type Step =
  | { readonly deploy: number }
  | { readonly rollback: number | undefined }
  | { readonly delete: true }

const source = fc.nat(27)
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: source.map((deploy): Step => ({ deploy })) },
    { weight: 3, arbitrary: fc.option(source, { nil: undefined }).map((rollback): Step => ({ rollback })) },
    { weight: 1, arbitrary: fc.constant<Step>({ delete: true }) },
  ),
  { maxLength: 25 },
)

const ok = (promise: Promise<unknown>): Promise<boolean> =>
  promise.then(
    () => true,
    () => false,
  )

describe('the registry and its model', () => {
  it('agree after any sequence of deploys, rollbacks and deletions', async () => {
    const registry = await openShop()
    const contents = Array.from({ length: 28 }, (_, index) => contentOf('acme', 'shop', `model ${index}`))
    const versions = contents.map((one) => one.deployment.version)

    const take = async (step: Step, model: Model): Promise<[actual: boolean, expected: boolean]> => {
      if ('deploy' in step) {
        const content = contents[step.deploy] ?? contentOf('acme', 'shop', '')
        model.activate(content.deployment.version)
        return [await ok(registry.activate(content.deployment, content.bundle)), true]
      }
      if ('delete' in step) return [await ok(registry.deleteService('acme', 'shop')), model.delete()]
      const version = step.rollback === undefined ? undefined : versions[step.rollback]
      return [await ok(back(registry, version)), model.rollback(version)]
    }

    await fc.assert(
      fc.asyncProperty(fc.nat(27), steps, async (warmUp, sequence) => {
        const model = new Model()
        const start = Array.from({ length: warmUp }, (_, index): Step => ({ deploy: index }))
        for (const step of [...start, ...sequence]) {
          const [actual, expected] = await take(step, model)
          expect(actual).toBe(expected)
          const [service] = await registry.listServices('acme')
          expect(service?.activeVersion).toBe(model.active)
          if (service === undefined) continue
          const kept = await registry.listVersions('acme', 'shop')
          expect(kept.map((entry) => entry.version)).toEqual(model.stored.toReversed())
        }
        await registry.deleteService('acme', 'shop').catch(() => undefined)
      }),
      { numRuns: 60 },
    )
  })
})
