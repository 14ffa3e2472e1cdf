import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { bundleService } from '../../host/bundle/bundler.ts'
import { serviceNameFrom } from '../../host/bundle/entry.ts'
import { createStackMapper } from '../../host/bundle/source-map.ts'
import type { VelaError } from '../../host/core/errors.ts'
import { refusalOf, writeFiles } from './folders.ts'

let top: string
let folder: string
beforeEach(() => {
  top = realpathSync(mkdtempSync(join(tmpdir(), 'vela-bundle-')))
  folder = join(top, 'My Shop')
  mkdirSync(folder)
})
afterEach(() => rmSync(top, { recursive: true, force: true }))

const write = (files: Record<string, string>, root = folder): void => writeFiles(root, files)
const failure = (path = folder): Promise<VelaError> => refusalOf(path, top)

const HELLO = 'export default { fetch: (): Response => new Response("hi") }\n'

describe('what is a service', () => {
  test('a folder with a manifest', async () => {
    write({
      'vela.jsonc': '{ "name": "shop", "main": "src/main.ts", "limits": {"cpuMs": 5} }',
      'src/main.ts': `import { price } from './price.ts'\nexport default { fetch: () => new Response(String(price(2))) }`,
      'src/price.ts': 'export const price = (n: number): number => n * 3',
    })
    const { manifest, bundle, warnings, watchFiles } = await bundleService(folder)
    expect(manifest).toMatchObject({ name: 'shop', main: 'src/main.ts', limits: { cpuMs: 5 } })
    expect(bundle.source).toContain('n * 3')
    expect(warnings).toEqual([])
    expect(watchFiles.toSorted()).toEqual(
      ['src/main.ts', 'src/price.ts', 'vela.jsonc'].map((name) => join(folder, name)).toSorted(),
    )
    const map = JSON.parse(bundle.sourceMap ?? '')
    expect(map.sources.toSorted()).toEqual(['src/main.ts', 'src/price.ts'])
    expect(map.sourcesContent).toHaveLength(2)
    expect(bundle.source + bundle.sourceMap).not.toContain(top)
  })

  test('a folder with only an index, named after the folder', async () => {
    write({ 'src/index.ts': HELLO })
    expect((await bundleService(folder)).manifest).toMatchObject({ name: 'my-shop', main: 'src/index.ts' })
    write({ 'index.js': 'export const hello = () => "hi"' })
    expect((await bundleService(folder)).manifest.main).toBe('index.js')
    write({ 'package.json': '{"main": "lib/entry.js"}', 'lib/entry.js': 'export const hello = () => "hi"' })
    expect((await bundleService(folder)).manifest.main).toBe('lib/entry.js')
  })

  test('one file, named after it, or as told', async () => {
    write({ 'Hello_World.ts': HELLO })
    expect((await bundleService(join(folder, 'Hello_World.ts'))).manifest.name).toBe('hello-world')
    const named = await bundleService(join(folder, 'Hello_World.ts'), { name: 'other' })
    expect(named.manifest).toMatchObject({ name: 'other', main: 'Hello_World.ts' })
    write({ 'vela.json': '{"name": "shop", "main": "Hello_World.ts"}' })
    expect((await bundleService(folder, { name: 'other' })).manifest.name).toBe('other')
    expect((await bundleService(join(folder, 'vela.json'))).manifest.name).toBe('shop')
  })

  test('a name is made only of what may be in one', () => {
    expect(serviceNameFrom('--Ünï côde__X')).toBe('n-c-de-x')
    expect(serviceNameFrom('…')).toBeUndefined()
    expect(serviceNameFrom('a'.repeat(62) + '-b')).toHaveLength(62)
  })
})

describe('what a service may use', () => {
  test('what the runtime provides stays an import', async () => {
    write({
      'index.ts': `import { Actor } from '@vela/guest-sdk'\nimport { WorkerEntrypoint } from 'cloudflare:workers'
        export class A extends Actor {}\nexport class B extends WorkerEntrypoint {}`,
    })
    const { bundle } = await bundleService(folder)
    expect(bundle.source).toContain('from "@vela/guest-sdk"')
    expect(bundle.source).toContain('from "cloudflare:workers"')
  })

  test('packages come from its own folder and those above, also by a workspace link', async () => {
    const own = join(folder, 'node_modules/own')
    const upper = join(top, 'node_modules/upper')
    write({ 'package.json': '{"exports": {"worker": "./worker.js", "default": "./node.js"}}' }, own)
    write({ 'worker.js': 'export const own = "own-worker"', 'node.js': 'import "node:fs"' }, own)
    write(
      {
        'package.json': '{"main": "./cjs.js", "module": "./esm.js"}',
        'esm.js': 'export const upper = "upper-esm"',
      },
      upper,
    )
    write(
      {
        'package.json': '{"main": "./index.js"}',
        'index.js': 'export { x as linked } from "../shared/x.js"',
      },
      join(top, 'packages/linked'),
    )
    write({ 'x.js': 'export const x = "linked-x"' }, join(top, 'packages/shared'))
    symlinkSync(join(top, 'packages/linked'), join(top, 'node_modules/linked'))
    write({
      'index.ts': `export { own } from 'own'\nexport { upper } from 'upper'\nexport { linked } from 'linked'`,
    })
    const { bundle } = await bundleService(folder)
    for (const text of ['own-worker', 'upper-esm', 'linked-x']) expect(bundle.source).toContain(text)
    expect(bundle.source + bundle.sourceMap).not.toContain(top)
  })

  test('packages that say by a field what is for browsers keep their Node half out', async () => {
    const old = join(folder, 'node_modules/old')
    write(
      { 'package.json': '{"main": "./node.js", "browser": "./web.js"}', 'web.js': 'exports.old = "web"' },
      old,
    )
    const swaps = join(top, 'node_modules/swaps')
    const fields = '{"main": "./main.js", "browser": {"./platform.js": "./web.js", "fs": false}}'
    write(
      { 'package.json': fields, 'main.js': 'exports.swaps = require("./platform.js"); require("fs")' },
      swaps,
    )
    for (const root of [old, swaps])
      write({ 'node.js': 'require("node:net")', 'platform.js': 'require("node:net")' }, root)
    write({ 'web.js': 'module.exports = "swapped"' }, swaps)
    write({ 'index.ts': `export { old } from 'old'\nexport { swaps } from 'swaps'` })
    const { source } = (await bundleService(folder)).bundle
    for (const text of ['"web"', '"swapped"']) expect(source).toContain(text)
    expect(source).not.toMatch(/node:|require\("/)
  })

  test('JSX, JSON, text and the production build of its packages', async () => {
    write({
      'tsconfig.json': '{"compilerOptions": {"jsxImportSource": "tiny"}}',
      'node_modules/tiny/jsx-runtime.js':
        'export const jsx = (tag, props) => ({ tag, props })\nexport const jsxs = jsx',
      'node_modules/tiny/package.json': '{"exports": {"./jsx-runtime": "./jsx-runtime.js"}}',
      'data.json': '{"from": "json"}',
      'note.txt': 'plain text',
      'index.tsx': `import data from './data.json'\nimport note from './note.txt'
        export const view = () => <p>{data.from}{note}{process.env.NODE_ENV}</p>`,
    })
    const { source } = (await bundleService(folder)).bundle
    for (const text of ['"p"', 'json', 'plain text', 'production']) expect(source).toContain(text)
  })

  test('a dynamic import of its own file is bundled', async () => {
    write({
      'index.ts': 'export const load = () => import("./late.ts")',
      'late.ts': 'export const late = "late"',
    })
    expect((await bundleService(folder)).bundle.source).toContain('"late"')
  })
})

describe('what is wrong is said in the place where the author wrote it', () => {
  test('a syntax error, with its line', async () => {
    write({ 'src/index.ts': 'const a = 1\nexport default {\n  fetch( { \n' })
    const error = await failure()
    expect(error.code).toBe('VELA_DEPLOY_BUNDLE_FAILED')
    expect(error.message).toMatch(/^src\/index\.ts:4:1: |^src\/index\.ts:3:\d+: /)
    expect(error.details).toMatchObject({ file: 'src/index.ts' })
  })

  test('columns count characters, not bytes', async () => {
    write({ 'index.ts': 'export const ü = "äöü", b = = 1' })
    expect((await failure()).message).toBe(
      `index.ts:1:29: Unexpected "="\n  1 | export const ü = "äöü", b = = 1\n${' '.repeat(34)}^`,
    )
  })

  test.each(['node:fs', 'fs', 'fs/promises', 'crypto'])('an import of %s, a module of Node', async (name) => {
    write({ 'index.ts': `// first\nimport { x } from '${name}'\nexport default x` })
    const { code, message } = await failure()
    expect(code).toBe('VELA_DEPLOY_BUNDLE_FAILED')
    expect(message).toContain(`index.ts:2:19: imports "${name}", a module of Node; guests have no Node APIs`)
    expect(message).toContain(`2 | import { x } from '${name}'`)
  })

  test('a missing package, a missing file, a missing export', async () => {
    write({ 'index.ts': 'import a from "nowhere"\nexport default a' })
    expect((await failure()).message).toContain('index.ts:1:15: imports "nowhere", which is not installed')
    write({ 'index.ts': 'import a from "./nowhere.ts"\nexport default a' })
    expect((await failure()).message).toContain(
      'index.ts:1:15: imports "./nowhere.ts", and there is no such file',
    )
    write({
      'index.ts': 'import { nothing } from "./b.ts"\nexport default nothing',
      'b.ts': 'export const b = 1',
    })
    expect((await failure()).message).toContain('No matching export in "b.ts"')
  })

  test('a service that exports nothing, and code loaded at run time', async () => {
    write({ 'index.ts': 'console.log(1)' })
    expect((await failure()).code).toBe('VELA_DEPLOY_MISSING_EXPORT')
    write({
      'src/a.ts': '\nexport const f = (x: string) => import(x)',
      'index.ts': 'export { f } from "./src/a.ts"',
    })
    const error = await failure()
    expect(error.code).toBe('VELA_DEPLOY_UNKNOWN_IMPORT')
    expect(error.message).toContain('src/a.ts:2:33: import("x") is dynamic')
    write({ 'index.ts': 'import x from "https://example.com/x.js"\nexport default x' })
    expect((await failure()).code).toBe('VELA_DEPLOY_UNKNOWN_IMPORT')
  })

  test('no entry, two manifests, a wrong manifest, no such path', async () => {
    expect((await failure()).message).toContain('this folder has no vela.jsonc with "main"')
    write({ 'index.ts': HELLO, 'vela.jsonc': '{ "nam": "x" }' })
    expect((await failure()).message).toBe('vela.jsonc:1:3: nam is not a known key; did you mean "name"?')
    write({ 'vela.json': '{}' })
    expect((await failure()).message).toContain('both here')
    const gone: unknown = await bundleService(join(folder, 'gone')).catch((error: unknown) => error)
    expect(gone).toMatchObject({ code: 'VELA_DEPLOY_BUNDLE_FAILED' })
  })

  test('a binary, a huge and a foreign file', async () => {
    write({ 'vela.jsonc': '{"main": "a.ts"}', 'a.ts': 'export {}\0\0' })
    expect((await failure()).message).toContain('vela.jsonc: main is "a.ts"; a.ts is a binary file')
    write({ 'a.ts': ' '.repeat(16 * 1024 * 1024 + 1) })
    expect((await failure()).message).toContain('at most 16777216')
    write({ 'vela.jsonc': '{"main": "a.exe"}', 'a.exe': 'x' })
    expect((await failure()).message).toContain('"a.exe" is no source file')
    write({
      'vela.jsonc': '{"main": "b.ts"}',
      'b.ts': 'import x from "./x.exe"\nexport default x',
      'x.exe': '',
    })
    expect((await failure()).message).toContain('b.ts:1:15: No loader is configured for ".exe" files')
    write({ 'big.txt': ' '.repeat(16 * 1024 * 1024 + 1), 'b.ts': 'export { default } from "./big.txt"' })
    expect((await failure()).message).toContain('b.ts:1:25: the import "./big.txt" has 16777217 bytes')
  })
})

test('a stack of the bundle leads back to the author’s lines', async () => {
  write({
    'src/index.ts': `import { fail } from './fail.ts'\nexport interface Unused { a: 1 }\nexport function run(): void {\n  fail('x')\n}`,
    'src/fail.ts': `type T = string\n\nexport function fail(what: T): never {\n  throw new Error(what)\n}`,
  })
  const { source, sourceMap } = (await bundleService(folder)).bundle
  write({ 'service.mjs': source })
  const { run }: { run: () => void } = await import(/* @vite-ignore */ join(folder, 'service.mjs'))
  let stack = ''
  try {
    run()
  } catch (error) {
    stack = (error as Error).stack ?? ''
  }
  const own = stack
    .replaceAll(`file://${join(folder, 'service.mjs')}`, 'service.js')
    .replaceAll(join(folder, 'service.mjs'), 'service.js')
  const mapped = createStackMapper(sourceMap, 'service.js')(own)
  expect(mapped).toMatch(/Error: x\n\s+at .*src\/fail\.ts:4:9/)
  expect(mapped).toMatch(/src\/index\.ts:4:3/)
})
