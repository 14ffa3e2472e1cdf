import { describe, expect, it } from 'vitest'
import { versionOf } from '../../host/registry/version.ts'
import { contentOf, manifestOf, open, withCode } from './support.ts'

describe('a version', () => {
  const bundle = { source: 'export default {}', sourceMap: null }

  it('is named by what it holds, in whatever order the manifest says it', () => {
    const manifest = manifestOf('shop', { a: 1, b: [true, null, { x: 1, y: 'z' }] })
    const shuffled = Object.fromEntries(
      Object.entries(manifestOf('shop', { b: [true, null, { y: 'z', x: 1 }], a: 1 })).reverse(),
    )
    expect(versionOf(bundle, manifest)).toMatch(/^[0-9a-f]{12}$/)
    expect(versionOf(bundle, { ...manifest, ...shuffled })).toBe(versionOf(bundle, manifest))
  })

  it('changes with the source, the source map and the manifest', () => {
    const names = [
      versionOf(bundle, manifestOf('shop')),
      versionOf({ ...bundle, sourceMap: '' }, manifestOf('shop')),
      versionOf({ ...bundle, source: '' }, manifestOf('shop')),
      versionOf(bundle, manifestOf('shop', { a: 1 })),
      versionOf(bundle, manifestOf('shop', { a: '1' })),
      versionOf(bundle, manifestOf('shop', JSON.parse('{"__proto__":1}'))),
    ]
    expect(new Set(names).size).toBe(names.length)
  })

  it('has no name when the manifest is no JSON or is nested without end', () => {
    const nested = JSON.parse('['.repeat(5000) + ']'.repeat(5000))
    for (const value of [nested, Number.NaN, undefined, 1n, () => 1, new Date(), Symbol('x')]) {
      const manifest = manifestOf('shop', JSON.parse('{}'))
      const hostile = { ...manifest, vars: { list: [value] } }
      expect(() => Reflect.apply(versionOf, undefined, [bundle, hostile])).toThrow(
        expect.objectContaining({ code: 'VELA_DEPLOY_INVALID_MANIFEST' }),
      )
    }
  })

  it('is refused under a name that is not its own', async () => {
    const registry = await open()
    await registry.createTenant('acme')
    const { deployment } = contentOf('acme', 'shop', 'one')
    await expect(registry.activate(deployment, { source: 'two', sourceMap: null })).rejects.toEqual(
      withCode('VELA_DEPLOY_INVALID_MANIFEST', /versionOf/),
    )
    expect(await registry.listServices()).toEqual([])
  })

  it('keeps the time and size of its first deploy', async () => {
    const registry = await open()
    await registry.createTenant('acme')
    const { deployment, bundle } = contentOf('acme', 'shop', 'one')
    const first = await registry.activate(deployment, bundle)
    const again = await registry.activate({ ...deployment, createdAt: 5, startupMs: 9 }, bundle)
    expect(again).toEqual(first)
    expect(await registry.listVersions('acme', 'shop')).toEqual([deployment])
  })

  it('brings members named __proto__ back as members', async () => {
    const registry = await open()
    await registry.createTenant('acme')
    const manifest = manifestOf('shop', JSON.parse('{"__proto__":{"polluted":true}}'))
    const source = 'export default {}'
    const version = versionOf({ source, sourceMap: null }, manifest)
    const { deployment } = contentOf('acme', 'shop', source)
    await registry.activate({ ...deployment, manifest, version }, { source, sourceMap: null })
    const stored = await registry.getDeployment('acme', 'shop', version)
    expect(Object.keys(stored?.manifest.vars ?? {})).toEqual(['__proto__'])
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined()
  })
})
