/** Every command against a real control API, spawned as a user would: output, --json, exit codes. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { VelaError } from '../../host/core/errors.ts'
import { startTestHost, type TestHost, type TokenKind } from '../admin/harness.ts'
import { runVela, spawnVela, tempFolder, type RunResult } from './run.ts'

let host: TestHost
beforeAll(async () => {
  host = await startTestHost()
})
afterAll(() => host.close())

const envOf = (kind: TokenKind): Record<string, string> => ({
  VELA_API_URL: host.url,
  VELA_API_TOKEN: host.tokens[kind],
})

function vela(args: readonly string[], kind: TokenKind = 'operator', stdin?: string): Promise<RunResult> {
  return runVela(args, { env: envOf(kind), ...(stdin === undefined ? {} : { stdin }) })
}

/** stdout must be exactly one JSON document. */
async function velaJson(
  args: readonly string[],
  kind: TokenKind = 'operator',
  stdin?: string,
): Promise<{ exitCode: number | null; json: unknown }> {
  const { exitCode, stdout, stderr } = await vela([...args, '--json'], kind, stdin)
  expect(stderr).toBe('')
  expect(stdout.trim().split('\n')).toHaveLength(1)
  return { exitCode, json: JSON.parse(stdout) }
}

test('list, versions and rollback show what there is and go back', async () => {
  const list = await velaJson(['list'])
  expect(list).toMatchObject({ exitCode: 0, json: [{ tenant: 'acme', service: 'shop', state: 'idle' }] })
  const human = await vela(['list'])
  expect(human.stdout).toMatch(/acme\/shop +[0-9a-f]{12} +idle/)

  using folder = tempFolder()
  const file = join(folder.path, 'shop.ts')
  writeFileSync(file, 'export default { fetch(): Response { return new Response("two") } }')
  const deployed = await velaJson(['deploy', file, '--tenant', 'acme'])
  expect(deployed.exitCode).toBe(0)
  expect(Object.keys(deployed.json as object).toSorted()).toEqual([
    'asksMore',
    'grants',
    'service',
    'sizeBytes',
    'startupMs',
    'tenant',
    'url',
    'version',
  ])
  const versions = await velaJson(['versions', 'acme/shop'])
  expect(versions.json).toMatchObject([{ active: true }, { active: false }])
  const { version } = (versions.json as { version: string }[])[1] ?? { version: '' }
  const back = await velaJson(['rollback', 'acme/shop'])
  expect(back).toMatchObject({ exitCode: 0, json: { activeVersion: version } })
})

test('deploy says where the service answers, and what went to which tenant by default', async () => {
  using folder = tempFolder()
  mkdirSync(join(folder.path, 'src'))
  writeFileSync(join(folder.path, 'vela.jsonc'), '{ "name": "cart", "main": "src/index.ts" } // mine')
  writeFileSync(join(folder.path, 'src', 'index.ts'), 'export default { fetch: () => new Response("hi") }')
  const result = await vela(['deploy', folder.path])
  expect(result).toMatchObject({ exitCode: 0 })
  expect(result.stdout).toContain('demo/cart')
  expect(result.stdout).toMatch(/try: curl http:\/\/\S+\/demo\/cart/)
  expect(result.stderr).toContain('no tenant given, so this goes to tenant demo')
  expect(result.stderr).toContain('tenant demo did not exist and was created')
})

test('a tenant’s deploy token deploys to its tenant unasked, and to no other', async () => {
  using folder = tempFolder()
  const file = join(folder.path, 'mine.js')
  writeFileSync(file, 'export default { fetch: () => new Response("hi") }')
  expect(await velaJson(['deploy', file], 'acmeDeploy')).toMatchObject({
    exitCode: 0,
    json: { tenant: 'acme', service: 'mine' },
  })
  expect(await velaJson(['deploy', file, '--name', 'renamed'], 'acmeDeploy')).toMatchObject({
    json: { service: 'renamed' },
  })
  expect(await velaJson(['deploy', file, '--tenant', 'globex'], 'acmeDeploy')).toMatchObject({
    exitCode: 3,
    json: { error: { code: 'VELA_AUTH_FORBIDDEN' } },
  })
  expect(await velaJson(['deploy', file, '--tenant', 'nobody'], 'operatorRead')).toMatchObject({
    exitCode: 3,
  })
})

test('a source that does not compile fails with its place and without a stack', async () => {
  using folder = tempFolder()
  const file = join(folder.path, 'broken.ts')
  writeFileSync(file, 'export default {\n  fetch( {\n}')
  const result = await vela(['deploy', file])
  expect(result.exitCode).toBe(1)
  expect(result.stderr).toMatch(/broken\.ts:\d+:\d+/)
  expect(result.stderr).not.toMatch(/\n\s+at /)
  expect(result.stdout).toBe('')
})

test('a deploy that the host refuses keeps its code', async () => {
  using folder = tempFolder()
  const file = join(folder.path, 'throws.js')
  writeFileSync(file, 'export default { fetch: () => new Response("hi") }')
  host.control.onDeploy = () =>
    Promise.reject(new VelaError('VELA_DEPLOY_START_THREW', 'throws.js:1:1: boom'))
  expect(await velaJson(['deploy', file, '--tenant', 'acme'])).toMatchObject({
    exitCode: 1,
    json: { error: { code: 'VELA_DEPLOY_START_THREW', message: 'throws.js:1:1: boom' } },
  })
  host.control.onDeploy = () => Promise.resolve()
})

test.each([
  [['versions', 'nobody/shop'], 4, 'VELA_TENANT_NOT_FOUND'],
  [['versions', 'acme/none'], 4, 'VELA_SERVICE_NOT_FOUND'],
  [['delete', 'acme/none'], 4, 'VELA_SERVICE_NOT_FOUND'],
  [['tail', 'acme/none'], 4, 'VELA_SERVICE_NOT_FOUND'],
  [['rollback', 'acme/shop', 'ffffffffffff'], 4, 'VELA_VERSION_NOT_FOUND'],
  [['secret', 'delete', 'acme/shop', 'NONE'], 4, 'VELA_SECRET_NOT_FOUND'],
  [['invoke', 'acme/shop', 'missing'], 4, 'VELA_METHOD_NOT_FOUND'],
  [['invoke', 'acme/shop', 'm', '{"a":1}'], 2, 'VELA_CLI_USAGE'],
  [['invoke', 'acme/shop', 'm', '[1'], 2, 'VELA_CLI_USAGE'],
  [['versions', 'shop'], 2, 'VELA_CLI_USAGE'],
  [['versions'], 2, 'VELA_CLI_USAGE'],
  [['versions', 'acme/shop', '--nope'], 2, 'VELA_CLI_USAGE'],
  [['frobnicate'], 2, 'VELA_CLI_USAGE'],
  [['tenant'], 2, 'VELA_CLI_USAGE'],
  [['start', '--port', '70000'], 2, 'VELA_CLI_USAGE'],
  [['token', 'create', '--scope', 'read'], 2, 'VELA_CLI_USAGE'],
  [['token', 'create', '--tenant', 'acme', '--scope', 'root'], 2, 'VELA_CLI_USAGE'],
  [['list', '--token', 'vela_wrong'], 3, 'VELA_AUTH_INVALID'],
  [['tenant', 'create', 'No Name'], 1, 'VELA_DEPLOY_INVALID_NAME'],
  [['list', '--api-url', 'ftp://x'], 1, 'VELA_ADMIN_BAD_REQUEST'],
] as const)('%j exits %i with %s', async (args, exitCode, code) => {
  const result = await velaJson(args)
  expect(result).toMatchObject({ exitCode, json: { error: { code, message: expect.any(String) } } })
})

test('a host that is not there is named, with what to do about it', async () => {
  const result = await runVela(['list'], { env: { VELA_API_URL: 'http://127.0.0.1:1', VELA_API_TOKEN: 'x' } })
  expect(result.exitCode).toBe(1)
  expect(result.stderr).toMatch(/http:\/\/127\.0\.0\.1:1.*vela start/)
  expect(result.stderr).not.toMatch(/\n\s+at /)
})

test('tenants are made, listed and deleted', async () => {
  expect(await velaJson(['tenant', 'create', 'initech'])).toMatchObject({
    exitCode: 0,
    json: { name: 'initech' },
  })
  expect(await velaJson(['tenant', 'create', 'initech'])).toMatchObject({
    exitCode: 1,
    json: { error: { code: 'VELA_TENANT_EXISTS' } },
  })
  expect((await vela(['tenant', 'list'])).stdout).toContain('initech')
  expect(await velaJson(['tenant', 'delete', 'initech'])).toMatchObject({
    exitCode: 0,
    json: { deleted: 'initech' },
  })
  expect(await velaJson(['tenant', 'delete', 'acme'])).toMatchObject({
    exitCode: 1,
    json: { error: { code: 'VELA_TENANT_NOT_EMPTY' } },
  })
})

test('a token is printed alone on stdout, works, and is refused once deleted', async () => {
  const made = await vela(['token', 'create', '--tenant', 'acme', '--scope', 'read', '--scope', 'invoke'])
  expect(made.stdout).toMatch(/^vela_[\w-]+\n$/)
  const token = made.stdout.trim()
  const { id } = (await host.registry.verifyToken(token)) ?? { id: '' }
  const env = { VELA_API_URL: host.url, VELA_API_TOKEN: token }
  expect((await runVela(['list'], { env })).exitCode).toBe(0)
  const listed = await vela(['token', 'list', '--tenant', 'acme'])
  expect(listed.stdout).toContain(id)
  expect(listed.stdout).not.toContain(token)
  expect((await vela(['token', 'delete', id])).exitCode).toBe(0)
  expect((await runVela(['list'], { env })).exitCode).toBe(3)
})

test('a secret comes from stdin or a file, never from an argument, and is never printed', async () => {
  const put = await vela(['secret', 'put', 'acme/shop', 'KEY'], 'acmeDeploy', 's3cret\n')
  expect(put).toMatchObject({ exitCode: 0, stdout: 'stored secret KEY of acme/shop\n' })
  using folder = tempFolder()
  const file = join(folder.path, 'value')
  writeFileSync(file, 'exact\n')
  expect((await vela(['secret', 'put', 'acme/shop', 'PEM', '--value-file', file])).exitCode).toBe(0)
  expect(await host.registry.readSecrets('acme', 'shop')).toEqual({ KEY: 's3cret', PEM: 'exact\n' })
  expect((await velaJson(['secret', 'list', 'acme/shop'])).json).toEqual(['KEY', 'PEM'])
  expect(await velaJson(['secret', 'put', 'acme/shop', 'KEY', 'inline'])).toMatchObject({ exitCode: 2 })
  expect(await velaJson(['secret', 'put', 'acme/shop', 'KEY'], 'operator', '')).toMatchObject({ exitCode: 2 })
  expect((await vela(['secret', 'delete', 'acme/shop', 'KEY'])).exitCode).toBe(0)
})

test('invoke prints what the method returned', async () => {
  host.control.onInvoke = (_target, method, args) => Promise.resolve({ method, args: [...args] })
  expect(await velaJson(['invoke', 'acme/shop', 'add', '[1, "two"]'], 'acmeInvoke')).toEqual({
    exitCode: 0,
    json: { result: { method: 'add', args: [1, 'two'] } },
  })
  host.control.onInvoke = () => Promise.resolve('a\u009b31mred\u202e')
  expect((await vela(['invoke', 'acme/shop', 'm'])).stdout).toBe('"a\\u009b31mred\\u202e"\n')
})

test('what a guest failed with is one line, inert on a terminal', async () => {
  host.control.onInvoke = () =>
    Promise.reject(new VelaError('VELA_GUEST_THREW', 'boom \u001b]0;owned\u0007 \u001b[2J'))
  const result = await vela(['invoke', 'acme/shop', 'm'])
  expect(result.exitCode).toBe(1)
  expect(result.stderr).not.toContain('\u001b]')
  expect(result.stderr).not.toContain('\u001b[2J')
  expect(result.stderr).toContain('boom \\u001b]0;owned\\u0007')
})

test('doctor asks the running host', async () => {
  expect(await velaJson(['doctor'])).toEqual({
    exitCode: 0,
    json: { source: 'host', checks: [{ name: 'node', status: 'on', detail: 'v24' }] },
  })
})

test('delete removes a service without asking when nobody sits there', async () => {
  using folder = tempFolder()
  const file = join(folder.path, 'gone.js')
  writeFileSync(file, 'export default { fetch: () => new Response("hi") }')
  await vela(['deploy', file, '--tenant', 'acme'])
  expect(await velaJson(['delete', 'acme/gone'], 'acmeDeploy')).toEqual({
    exitCode: 0,
    json: { deleted: 'acme/gone' },
  })
  expect(await velaJson(['delete', 'acme/gone'], 'acmeDeploy')).toMatchObject({ exitCode: 4 })
})

test('tail prints what is logged until it is interrupted; a guest can neither forge a line nor drive the terminal', async () => {
  const child = spawnVela(['tail', 'acme/shop'], { env: envOf('acmeRead') })
  let stdout = ''
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
  await expect.poll(() => host.control.listeners.size, { timeout: 10_000 }).toBe(1)
  host.control.emit({ message: 'one\n00:00:00.000 error forged \u001b[2J\u009b31m', level: 'warn' })
  host.control.emit({
    message: 'TypeError: no',
    level: 'error',
    source: 'runtime',
    code: 'VELA_GUEST_THREW',
    stack: 'at fetch (src/index.ts:3:5)',
  })
  await expect.poll(() => stdout, { timeout: 10_000 }).toContain('src/index.ts:3:5')
  child.kill('SIGINT')
  const exitCode = await new Promise((settle) => child.once('close', settle))
  expect(exitCode).toBe(0)
  expect(stdout.split('\n').slice(0, 4)).toEqual([
    '00:00:00.000 warn  one',
    '  | 00:00:00.000 error forged \\u001b[2J\\u009b31m',
    '00:00:00.000 error vela TypeError: no (VELA_GUEST_THREW)',
    '  | at fetch (src/index.ts:3:5)',
  ])
  await expect.poll(() => host.control.listeners.size).toBe(0)
})

test('tail --json is one entry a line', async () => {
  const child = spawnVela(['tail', 'acme/shop', '--json'], { env: envOf('acmeRead') })
  let stdout = ''
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
  await expect.poll(() => host.control.listeners.size, { timeout: 10_000 }).toBe(1)
  host.control.emit({ message: 'a\nb' })
  await expect.poll(() => stdout, { timeout: 10_000 }).toContain('\n')
  child.kill('SIGTERM')
  expect(await new Promise((settle) => child.once('close', settle))).toBe(0)
  expect(JSON.parse(stdout)).toMatchObject({ event: 'log', message: 'a\nb', tenant: 'acme', service: 'shop' })
})
