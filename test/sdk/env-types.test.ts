/** `vela types`: the type of `env`, made from a manifest. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { envTypes } from '../../host/cli/env-types.ts'
import { parseManifestJson } from '../../host/manifest/manifest.ts'
import { createWorkshop, runTool } from './project.ts'

const workshop = createWorkshop()
afterAll(() => workshop[Symbol.dispose]())

const MANIFEST = {
  name: 'shop',
  main: 'index.ts',
  vars: { MODE: 'live', RETRIES: 3, DEEP: { on: true, list: [1, 'a', null], none: [] }, 'odd key': {} },
  capabilities: {
    kv: { CARTS: {}, PRICES: { namespace: 'prices', access: 'read' } },
    fetch: { allow: ['https://api.example.com'] },
    services: {
      mailer: ['send', 'fetch'],
      bank: { host: 'bank', methods: ['pay'] },
      search: { service: 'globex/search', entrypoint: 'Api' },
    },
    workers: { POOL: { size: 2 }, IMAGES: { host: 'resize' } },
    events: {
      ORDERS: { kind: 'durable', publish: ['orders.placed', 'orders.paid'] },
      NEWS: { publish: ['news.*'] },
      IN: { subscribe: [{ subject: 'a' }] },
    },
    actors: { CART: { class: 'Cart' }, STOCK: { service: 'globex/shop', class: 'Stock' } },
  },
}
const fieldsOf = (text: string): string[] => text.split('\n').filter((line) => line.startsWith('  readonly '))
const typesOf = (manifest: object, options = {}): string[] =>
  fieldsOf(envTypes(parseManifestJson(manifest), options))
const SDK = `import('@vela/guest-sdk')`

test('vars, key-value stores, services and secrets each have their type', () => {
  expect(typesOf(MANIFEST, { secrets: ['API_KEY'] })).toEqual([
    '  readonly MODE: string',
    '  readonly RETRIES: number',
    '  readonly DEEP: { readonly on: boolean; readonly list: readonly (number | string | null)[]; readonly none: readonly (unknown)[] }',
    '  readonly "odd key": {}',
    '  readonly API_KEY: string',
    `  readonly CARTS: ${SDK}.KvNamespace`,
    `  readonly PRICES: ${SDK}.KvReader`,
    `  readonly mailer: ${SDK}.ServiceStub<{ send: ${SDK}.RemoteMethod }>`,
    `  readonly bank: ${SDK}.MethodStub<{ pay: ${SDK}.RemoteMethod }>`,
    `  readonly search: ${SDK}.ServiceStub`,
    `  readonly POOL: ${SDK}.WorkerPool`,
    `  readonly IMAGES: ${SDK}.HostTask`,
    `  readonly ORDERS: ${SDK}.EventBinding<{ "orders.placed": unknown; "orders.paid": unknown }>`,
    `  readonly NEWS: ${SDK}.EventBinding`,
    `  readonly IN: ${SDK}.EventBinding<{}>`,
    `  readonly CART: ${SDK}.ActorNamespace`,
    `  readonly STOCK: ${SDK}.ActorNamespace`,
  ])
})

test('vars are literals where that is asked for', () => {
  expect(typesOf(MANIFEST, { strictVars: true }).slice(0, 3)).toEqual([
    '  readonly MODE: "live"',
    '  readonly RETRIES: 3',
    '  readonly DEEP: { readonly on: true; readonly list: readonly [1, "a", null]; readonly none: readonly (unknown)[] }',
  ])
})

test('a kind without a binding of its own is bound under its name, an unknown one is unknown', () => {
  expect(typesOf({ name: 'a', capabilities: { kv: {} } })).toEqual([`  readonly kv: ${SDK}.KvNamespace`])
  expect(typesOf({ name: 'a', capabilities: { magic: true } })).toEqual(['  readonly magic: unknown'])
})

test('values of a manifest stay values: none of them ends a literal, a comment or the interface', async () => {
  const hostile = `*/ }'"\`\${x}\n\u2028 declare const evil: 1 // `
  const text = envTypes(
    {
      vars: { X: hostile, '"} evil': { [hostile]: [hostile] } },
      capabilities: { services: { s: { service: hostile, methods: [hostile] } }, [`*/${hostile}`]: true },
    },
    { strictVars: true },
  )
  workshop.write('hostile/env.d.ts', text)
  workshop.write(
    'hostile/use.ts',
    'export const keys: (keyof Env)[] = []\n// @ts-expect-error not there\nevil\n',
  )
  workshop.write(
    'hostile/tsconfig.json',
    '{"compilerOptions":{"strict":true,"noEmit":true,"target":"es2024","module":"esnext","moduleResolution":"bundler","allowImportingTsExtensions":true,"lib":["es2024","webworker"],"types":[]},"include":["."]}',
  )
  expect(await runTool('tsc', [], join(workshop.path, 'hostile'))).toEqual({ exitCode: 0, output: '' })
})

test('the command writes the file once, checks it, and leaves files of others alone', async () => {
  const folder = join(workshop.path, 'shop')
  const vela = (...args: string[]): ReturnType<typeof runTool> => runTool('vela', ['types', ...args], folder)
  workshop.write('shop/index.ts', 'export default {}')
  workshop.write('shop/vela.jsonc', JSON.stringify(MANIFEST))
  expect(await vela('--check')).toMatchObject({
    exitCode: 1,
    output: expect.stringContaining('run vela types'),
  })
  expect(await vela('--secret', 'KEY', '--secret', 'API')).toMatchObject({
    exitCode: 0,
    output: 'wrote vela-env.d.ts\n',
  })
  const text = readFileSync(join(folder, 'vela-env.d.ts'), 'utf8')
  expect(text).toBe(envTypes(parseManifestJson(MANIFEST), { secrets: ['API', 'KEY'] }))
  expect(text).toContain('Made from the manifest by `vela types --secret API --secret KEY`')
  expect(await vela('--check', '--secret', 'API', '--secret', 'KEY')).toMatchObject({ exitCode: 0 })
  expect((await vela('--out', '-', '--json')).output).toContain('{"text":"/// <reference')
  workshop.write('shop/mine.d.ts', 'export {}')
  expect(await vela('--out', 'mine.d.ts')).toMatchObject({ exitCode: 2 })
  expect(readFileSync(join(folder, 'mine.d.ts'), 'utf8')).toBe('export {}')
  expect(await vela('--secret', 'no-name')).toMatchObject({ exitCode: 2 })
})
