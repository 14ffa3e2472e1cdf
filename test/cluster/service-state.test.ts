/** The rules for versions are those of the local registry: both run beside each other over the same deeds. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { ServiceState } from '../../host/cluster/registry/records.ts'
import { activated, rollbackTarget, rolledBack } from '../../host/cluster/registry/service-state.ts'
import { VelaError } from '../../host/core/errors.ts'
import { openRegistry } from '../../host/registry/registry.ts'
import type { Deployment, Manifest } from '../../host/registry/types.ts'
import { versionOf } from '../../host/registry/version.ts'

const MANIFEST: Manifest = { name: 'shop', engine: 'v8', routes: [], limits: {}, vars: {}, capabilities: {} }

type Deed = { readonly deploy: number } | { readonly rollback: number | null }

const deeds: fc.Arbitrary<Deed[]> = fc.array(
  fc.oneof(fc.record({ deploy: fc.nat(27) }), fc.record({ rollback: fc.option(fc.nat(27), { nil: null }) })),
  { minLength: 1, maxLength: 40 },
)

/** More versions than are kept, so that what follows meets those that are dropped. */
const MANY: readonly Deed[] = Array.from({ length: 22 }, (_, index) => ({ deploy: index }))

const codeOf = (error: unknown): string => (error instanceof VelaError ? error.code : String(error))

test('activation, rollback and what is kept are the same as in the local registry', async () => {
  await fc.assert(
    fc.asyncProperty(deeds, fc.boolean(), async (some, afterMany) => {
      const list = afterMany ? [...MANY, ...some] : some
      const registry = await openRegistry()
      await registry.createTenant('acme')
      let state: ServiceState | undefined
      const bundleOf = (index: number) => ({ source: `// ${index}`, sourceMap: null })
      const nameOf = (index: number): string => versionOf(bundleOf(index), MANIFEST)
      try {
        for (const deed of list) {
          let outcome = 'ok'
          let expected = 'ok'
          if ('deploy' in deed) {
            const version = nameOf(deed.deploy)
            const deployment: Deployment = {
              tenant: 'acme',
              service: 'shop',
              version,
              manifest: MANIFEST,
              sizeBytes: 5,
              startupMs: 1,
              createdAt: 1,
            }
            await registry.activate(deployment, bundleOf(deed.deploy))
            const digest = version.padEnd(64, '0')
            state = activated(state, {
              place: 'acme/shop',
              entry: {
                version,
                content: digest,
                bundle: digest,
                createdAt: 1,
                vela: '1',
                runtime: 'v',
                engine: 'v8',
              },
              routes: [],
              tenantEra: 1,
              nowMs: 1,
              writer: 'w',
            })
          } else if (state !== undefined) {
            const asked = deed.rollback === null ? undefined : nameOf(deed.rollback)
            try {
              await registry.rollback('acme', 'shop', asked)
            } catch (error) {
              expected = codeOf(error)
            }
            try {
              const target = rollbackTarget(state, 'acme/shop', asked)
              state = rolledBack(state, target.version, [], 1, 'w')
            } catch (error) {
              outcome = codeOf(error)
            }
          }
          expect(outcome).toBe(expected)
          if (state === undefined) continue
          const stored = await registry.listVersions('acme', 'shop')
          expect(state.versions.map(({ version }) => version).toReversed()).toEqual(
            stored.map(({ version }) => version),
          )
          expect(state.activeVersion).toBe((await registry.listServices('acme'))[0]?.activeVersion)
          expect(state.trail).toEqual(await registry.mirror.trail('acme', 'shop'))
        }
      } finally {
        await registry.close()
      }
    }),
    { numRuns: 10 },
  )
}, 60_000)
