/** docs/guest-api.md and the README against a real guest and a real program: what they promise must run. */
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { runInNewContext } from 'node:vm'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Runtime, type JsonValue } from '../../host/index.ts'
import { read, ROOT } from './tree.ts'

const GUEST = `
import { env as imported, WorkerEntrypoint } from '@vela/guest-sdk'
export const names = () => Object.getOwnPropertyNames(globalThis)
export const misnamed = () => Object.getOwnPropertyNames(globalThis).filter((name) =>
  typeof globalThis[name] === 'function' && globalThis[name].name !== name)
export const collection = () => [new WeakRef({}).deref === undefined, String(WeakRef).includes('[native code]'),
  String(FinalizationRegistry).includes('[native code]')]
export const sameEnv = () => [imported.NAME, Object.isFrozen(imported)]
export class Api extends WorkerEntrypoint { greet(name) { return name + ' of ' + this.env.NAME } }
`

let runtime: Runtime

beforeAll(async () => {
  runtime = await Runtime.create({ data: null, log: { level: 'silent' }, cells: { spares: 0 } })
  await runtime.registry.createTenant('docs')
  const manifest = {
    name: 'api',
    engine: 'v8' as const,
    routes: [],
    limits: {},
    vars: { NAME: 'Ada' },
    capabilities: {},
  }
  await runtime.deploy({ tenant: 'docs', manifest, bundle: { source: GUEST, sourceMap: null } })
})
afterAll(async () => {
  await runtime.stop()
})

const call = async (method: string, ...args: JsonValue[]): Promise<unknown> =>
  await runtime.invoke('docs/api', method, args)

test('docs/guest-api.md lists exactly the globals that a guest has beside those of the language', async () => {
  const language = new Set(runInNewContext('Object.getOwnPropertyNames(globalThis)') as string[])
  const actual = ((await call('names')) as string[]).filter(
    (name) => !language.has(name) || name === 'console',
  )
  const documented = /```text\n([\s\S]*?)```/
    .exec(read('docs/guest-api.md'))?.[1]
    ?.split(/\s+/)
    .filter(Boolean)
  expect(documented?.sort()).toEqual(actual.sort())
})

test('every global function has the name it is known by, though the kernel is minified', async () => {
  expect(await call('misnamed')).toEqual([])
})

test('garbage collection cannot be observed: the native references are not within reach', async () => {
  expect(await call('collection')).toEqual([false, false, false])
})

test('the SDK that a guest imports gives the entrypoint and the frozen environment', async () => {
  expect(await call('sameEnv')).toEqual(['Ada', true])
  expect(await call('Api.greet', 'hello')).toBe('hello of Ada')
})

test('the twenty lines of the README run as they stand', async () => {
  const [program = '', service = ''] = [...read('README.md').matchAll(/```ts\n([\s\S]*?)```/g)].map(
    (match) => match[1],
  )
  const folder = await mkdtemp(join(tmpdir(), 'vela-readme-'))
  try {
    await mkdir(join(folder, 'acme-shop'))
    await mkdir(join(folder, 'node_modules'))
    await symlink(ROOT, join(folder, 'node_modules', 'vela-runtime'))
    await writeFile(join(folder, 'package.json'), '{"type":"module"}')
    await writeFile(join(folder, 'acme-shop', 'index.ts'), service)
    await writeFile(join(folder, 'acme-shop', 'vela.jsonc'), '{ "name": "shop" }')
    const anyPort = program.replace('port: 8787 }', "port: 0 }, admin: { port: 0 }, log: { level: 'silent' }")
    await writeFile(join(folder, 'main.ts'), `${anyPort}\nconsole.log(price)\nawait runtime.stop()\n`)
    const { stdout } = await promisify(execFile)(process.execPath, ['main.ts'], {
      cwd: folder,
      timeout: 50_000,
    })
    expect(stdout).toBe('13.5\n')
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})
