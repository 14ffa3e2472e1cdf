/** What the command does without a host: starting on an old Node, settings, init, doctor, signals. */
import { execFile, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { resolveApi } from '../../host/cli/api.ts'
import { jsonLine, printable, printableLines } from '../../host/cli/text.ts'
import { parseManifest } from '../../host/manifest/manifest.ts'
import { bundleService } from '../../host/bundle/bundler.ts'
import { LAUNCHER, runVela, tempFolder } from './run.ts'

const run = promisify(execFile)

test('help names every command', async () => {
  const { stdout, exitCode } = await runVela(['--help'])
  expect(exitCode).toBe(0)
  for (const name of 'start init types dev deploy list versions rollback delete tail invoke tenant token secret doctor replay'.split(
    ' ',
  )) {
    expect(stdout).toMatch(new RegExp(`^  ${name}\\b`, 'm'))
  }
})

describe('the launcher', () => {
  const olderNode = findOlderNode()

  test.skipIf(olderNode === undefined)('hands over from an older Node to the project’s own', async () => {
    const { stdout } = await run(olderNode ?? '', [LAUNCHER, '--version'])
    expect(stdout).toMatch(/^\d+\.\d+\.\d+\n$/)
    const failed = await run(olderNode ?? '', [LAUNCHER, 'versions', 'x', '--json']).catch(
      (error: unknown) => error,
    )
    expect(failed).toMatchObject({ code: 2, stdout: expect.stringContaining('VELA_CLI_USAGE') })
  })

  test.skipIf(olderNode === undefined)('passes a signal on once and the exit status back', async () => {
    using folder = tempFolder()
    const script = [
      "let count = 0; process.on('SIGTERM', () => { count++; setTimeout(() => { console.log('signals', count); process.exit(7) }, 100) })",
      "console.log('up'); setInterval(() => {}, 1000)",
    ].join('\n')
    const launcher = fakeProject(folder.path, script)
    const child = spawn(olderNode ?? '', [launcher])
    let stdout = ''
    child.stdout.on('data', (chunk: Buffer) => {
      if (stdout === '') child.kill('SIGTERM')
      stdout += chunk.toString()
    })
    expect(await once(child, 'close')).toEqual([7, null])
    expect(stdout).toBe('up\nsignals 1\n')
  })

  test.skipIf(olderNode === undefined)('leaves nothing behind when it is killed', async () => {
    using folder = tempFolder()
    const script = [
      `import { followLauncher } from ${JSON.stringify(join(dirname(LAUNCHER), 'signals.ts'))}`,
      "followLauncher(); process.on('SIGTERM', () => { console.log('asked to end'); process.exit(0) })",
      "console.log('up'); setInterval(() => {}, 1000)",
    ].join('\n')
    const child = spawn(olderNode ?? '', [fakeProject(folder.path, script)])
    let stdout = ''
    child.stdout.on('data', (chunk: Buffer) => {
      if (stdout === '') child.kill('SIGKILL')
      stdout += chunk.toString()
    })
    // The pipe closes only when the grandchild is gone too.
    await once(child, 'close')
    expect(stdout).toBe('up\nasked to end\n')
  })

  test.skipIf(olderNode === undefined)('says what to do where there is no Node 24', async () => {
    using folder = tempFolder()
    cpSync(LAUNCHER, join(folder.path, 'vela.js'))
    writeFileSync(join(folder.path, 'package.json'), '{"type":"module"}')
    const result = spawnSync(olderNode ?? '', [join(folder.path, 'vela.js'), 'list'], { encoding: 'utf8' })
    expect(result.status).toBe(1)
    expect(result.stderr).toMatch(/needs Node 24.*npm ci/)
  })
})

/** A copy of the launcher whose main.ts is `script`. */
function fakeProject(folder: string, script: string): string {
  mkdirSync(join(folder, 'cli'))
  cpSync(LAUNCHER, join(folder, 'cli', 'vela.js'))
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}')
  writeFileSync(join(folder, 'cli', 'main.ts'), script)
  symlinkSync(join(dirname(LAUNCHER), '..', '..', 'node_modules'), join(folder, 'node_modules'))
  return join(folder, 'cli', 'vela.js')
}

function findOlderNode(): string | undefined {
  for (const path of ['/usr/bin/node', '/usr/local/bin/node']) {
    const { stdout } = spawnSync(path, ['--version'], { encoding: 'utf8' })
    const major = Number.parseInt((stdout ?? '').slice(1), 10)
    if (major >= 18 && major < 24) return path
  }
  return undefined
}

describe('which host, as whom', () => {
  test('flags win over the environment, which wins over this machine’s data directory', async () => {
    const env = { VELA_API_URL: 'http://env:1', VELA_API_TOKEN: 'env' }
    expect(resolveApi({ apiUrl: 'http://flag:1', token: 'flag' }, env)).toMatchObject({
      url: 'http://flag:1',
      token: 'flag',
    })
    expect(resolveApi({}, env)).toMatchObject({ url: 'http://env:1', token: 'env' })
    expect(resolveApi({}, {})).toMatchObject({ url: 'http://127.0.0.1:8788', urlIsDefault: true })
  })

  test('the token of the data directory is sent to this machine and to no other', () => {
    using folder = tempFolder()
    writeFileSync(join(folder.path, 'admin-token'), 'vela_local\n')
    const env = { VELA_DATA: folder.path }
    expect(resolveApi({}, env).token).toBe('vela_local')
    expect(resolveApi({ apiUrl: 'http://localhost:9999' }, env).token).toBe('vela_local')
    for (const apiUrl of [
      'http://example.com:8788',
      'http://127.0.0.1.example.com',
      'http://127.0.0.1@example.com',
      'nonsense',
    ]) {
      expect(resolveApi({ apiUrl }, env).token).toBeUndefined()
    }
  })

  test('a redirect is not followed with the token', async () => {
    const seen: string[] = []
    const server = createServer((request, response) => {
      seen.push(request.url ?? '')
      response.writeHead(307, { location: '/elsewhere' }).end()
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const result = await runVela(['list', '--api-url', `http://127.0.0.1:${port}`, '--token', 't', '--json'])
    server.close()
    expect(JSON.parse(result.stdout)).toMatchObject({ error: { code: 'VELA_ADMIN_UNREACHABLE' } })
    expect(seen).toEqual(['/v1/services'])
  })

  test.each(['<html>hello</html>', '{"error":"nope"}', ''])(
    'what is not a control API is told so: %j',
    async (body) => {
      const server = createServer((_request, response) => response.writeHead(500).end(body)).listen(
        0,
        '127.0.0.1',
      )
      await once(server, 'listening')
      const { port } = server.address() as AddressInfo
      const result = await runVela(['list', '--api-url', `http://127.0.0.1:${port}`, '--token', 't'])
      server.close()
      expect(result.exitCode).toBe(1)
      expect(result.stderr).toContain('is not Vela’s control API'.replace('’', "'"))
    },
  )
})

describe('init', () => {
  test('writes a service that has a valid manifest and bundles', async () => {
    using folder = tempFolder()
    const result = await runVela(['init', 'my-service', '--json'], { cwd: folder.path })
    expect(JSON.parse(result.stdout)).toMatchObject({ name: 'my-service' })
    const made = join(folder.path, 'my-service')
    expect(parseManifest(readFileSync(join(made, 'vela.jsonc'), 'utf8'), 'vela.jsonc').name).toBe(
      'my-service',
    )
    const { bundle } = await bundleService(made)
    expect(bundle.source).toContain('greeting')
  })

  test('takes a template by name, and says which there are', async () => {
    using folder = tempFolder()
    const made = await runVela(['init', 'jobs', '--template', 'cron', '--json'], { cwd: folder.path })
    expect(JSON.parse(made.stdout)).toMatchObject({ template: 'cron' })
    expect(readFileSync(join(folder.path, 'jobs', 'vela.jsonc'), 'utf8')).toContain('"schedules"')
    const refused = await runVela(['init', 'other', '--template', 'rust'], { cwd: folder.path })
    expect([refused.exitCode, refused.stderr]).toEqual([
      2,
      expect.stringContaining('hello, hono, plugin, cron'),
    ])
  })

  test('never overwrites, and refuses names that no service can have', async () => {
    using folder = tempFolder()
    mkdirSync(join(folder.path, 'there'))
    for (const name of ['there', 'Not-Allowed', '..', '-x', '__proto__']) {
      const result = await runVela(['init', '--json', '--', name], { cwd: folder.path })
      expect(result.exitCode).toBe(2)
    }
  })
})

test('doctor examines this machine where no host runs', async () => {
  using folder = tempFolder()
  const result = await runVela(['doctor', '--json'], { cwd: folder.path })
  const { checks } = JSON.parse(result.stdout) as { checks: { name: string; status: string }[] }
  const status = Object.fromEntries(checks.map((check) => [check.name, check.status]))
  expect(status).toMatchObject({
    node: 'on',
    isolates: 'on',
    'permission model': 'on',
    'data directory': 'on',
  })
})

test('text of others is shown, never obeyed', () => {
  expect(printable('a\u001b[31m\u0007\u009b\u202e\ufeffb\tc\n')).toBe(
    'a\\u001b[31m\\u0007\\u009b\\u202e\\ufeffb\\tc\\n',
  )
  expect(printableLines('a\r\nb\rc\u2028d', '> ')).toBe('a\n> b\\rc\\u2028d')
  const text = '\u007f\u0085\u009b\u2066"\n'
  expect(jsonLine({ text })).toBe('{"text":"\\u007f\\u0085\\u009b\\u2066\\"\\n"}')
  expect(JSON.parse(jsonLine({ text }, 2))).toEqual({ text })
})
