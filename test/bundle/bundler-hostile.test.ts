import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { bundleService } from '../../host/bundle/bundler.ts'
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

describe('a folder that somebody else wrote', () => {
  const HELLO = 'export default { fetch: (): Response => new Response("hi") }\n'
  const SECRET = 'top-secret-of-the-host'
  beforeEach(() => {
    write({ 'secret.json': JSON.stringify({ secret: SECRET }), 'broken.ts': `const ${SECRET} = ` }, top)
    write({ 'index.ts': HELLO })
  })

  test.each(['../secret.json', '/etc/passwd', 'src/../../broken.ts'])(
    'cannot have %s as main',
    async (main) => {
      write({ 'vela.jsonc': JSON.stringify({ name: 'a', main }) })
      expect((await failure()).message).toContain("is outside the service's folder")
    },
  )

  test('cannot have a link out of it as main or manifest', async () => {
    symlinkSync(join(top, 'broken.ts'), join(folder, 'link.ts'))
    write({ 'vela.jsonc': '{"name": "a", "main": "link.ts"}' })
    expect((await failure()).message).toContain('is a link that leads out')
    rmSync(join(folder, 'vela.jsonc'))
    symlinkSync(join(top, 'secret.json'), join(folder, 'vela.jsonc'))
    const error = await failure()
    expect(error.message).toContain('"vela.jsonc" is a link that leads out')
    expect(error.message).not.toContain(SECRET)
  })

  test.each([
    ['a relative path', 'import s from "../secret.json"\nexport default s'],
    ['an absolute path', 'import s from "TOP/secret.json"\nexport default s'],
    ['require', 'const s = require("../secret.json")\nexport default s'],
    ['import()', 'export default () => import("../secret.json")'],
    ['a link', 'import s from "./linked.json"\nexport default s'],
    ['a linked package', 'import s from "evil/secret.json"\nexport default s'],
    ['a path of tsconfig', 'import s from "mapped/secret.json"\nexport default s'],
    ['a browser field', 'import s from "./swapped.js"\nexport default s'],
    ['a module of Node that a browser field names', 'import s from "os"\nexport default s'],
    ['a module of Node that tsconfig names', 'import s from "fs"\nexport default s'],
    ['a broken file', 'import s from "../broken.ts"\nexport default s'],
  ])('cannot bundle a file outside it through %s', async (_how, source) => {
    symlinkSync(join(top, 'secret.json'), join(folder, 'linked.json'))
    mkdirSync(join(folder, 'node_modules'))
    symlinkSync(top, join(folder, 'node_modules/evil'))
    write({
      'index.ts': source.replace('TOP', top),
      'tsconfig.json': '{"compilerOptions": {"paths": {"mapped/*": ["../*"], "fs": ["../secret.json"]}}}',
      'package.json': '{"browser": {"./swapped.js": "../secret.json", "os": "../secret.json"}}',
      'swapped.js': 'export default "harmless"',
    })
    const error: unknown = await bundleService(folder).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'VELA_DEPLOY_BUNDLE_FAILED' })
    expect((error as VelaError).message).toContain("leads out of the service's folder")
    expect((error as VelaError).message).not.toContain(SECRET)
  })

  test('cannot have another file than its main bundled by a browser field', async () => {
    write({ 'package.json': '{"browser": {"./index.ts": "../secret.json"}}' })
    expect((await failure()).message).toContain("leads out of the service's folder")
  })

  test('cannot make the host read a device or wait for a pipe', async () => {
    symlinkSync('/dev/zero', join(folder, 'zero.txt'))
    write({ 'index.ts': 'export { default } from "./zero.txt"' })
    expect((await failure()).code).toBe('VELA_DEPLOY_BUNDLE_FAILED')
    execFileSync('mkfifo', [join(folder, 'pipe.txt'), join(folder, 'pipe.ts')])
    write({ 'index.ts': 'export { default } from "./pipe.txt"' })
    expect((await failure()).code).toBe('VELA_DEPLOY_BUNDLE_FAILED')
    write({ 'vela.jsonc': '{"main": "pipe.ts"}' })
    expect((await failure()).message).toContain('is not a file')
  })
})
