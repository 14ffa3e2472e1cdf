/** The parts of `start` and `dev` that work with files and signals, against a stand-in for the runtime. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { VelaError } from '../../host/core/errors.ts'
import { createDevSession } from '../../host/cli/dev-session.ts'
import { deployExamples } from '../../host/cli/examples.ts'
import type { Output } from '../../host/cli/output.ts'
import { watchService } from '../../host/cli/watch.ts'
import { startTestHost, type TestHost } from '../admin/harness.ts'
import { LAUNCHER, tempFolder } from './run.ts'

let host: TestHost
beforeAll(async () => {
  host = await startTestHost()
})
afterAll(() => host.close())

function recordOutput(): Output & { events: Record<string, unknown>[]; notes: string[] } {
  const events: Record<string, unknown>[] = []
  const notes: string[] = []
  return {
    json: true,
    events,
    notes,
    result() {},
    line: (text) => void events.push(JSON.parse(text) as Record<string, unknown>),
    note: (text) => void notes.push(text),
  }
}

const service = (answer: string): string =>
  `export default { fetch: () => new Response(${JSON.stringify(answer)}) }`

test('an edit is deployed, a broken one is reported while the version before it serves, and a repaired one goes on', async () => {
  using folder = tempFolder()
  const file = join(folder.path, 'page.ts')
  const output = recordOutput()
  const session = createDevSession({ runtime: host.control, output }, { path: file, tenant: 'acme' })

  writeFileSync(file, service('one'))
  const files = await session.deploy()
  expect(files).toContain(file)
  writeFileSync(file, 'export default { fetch(')
  await session.deploy()
  writeFileSync(file, service('two'))
  host.control.onDeploy = () => Promise.reject(new VelaError('VELA_DEPLOY_START_THREW', 'page.ts:1:1: boom'))
  await session.deploy()
  host.control.onDeploy = () => Promise.resolve()
  await session.deploy()
  await session.deploy()

  const [first, syntax, start, second] = output.events
  expect(output.events.map((event) => event['event'])).toEqual(['deployed', 'failed', 'failed', 'deployed'])
  expect(syntax).toMatchObject({
    serving: first?.['version'],
    error: { code: 'VELA_DEPLOY_BUNDLE_FAILED', message: expect.stringMatching(/page\.ts:1:\d+/) },
  })
  expect(start).toMatchObject({ serving: first?.['version'], error: { code: 'VELA_DEPLOY_START_THREW' } })
  expect(second?.['version']).not.toBe(first?.['version'])
  host.control.emit({ message: 'hello' })
  expect(output.events.at(-1)).toMatchObject({ event: 'log', message: 'hello' })
  expect(host.control.listeners.size).toBe(1)
})

test('saving in any way redeploys once for a burst, and once more for a change during a redeploy', async () => {
  using folder = tempFolder()
  const source = join(folder.path, 'src')
  mkdirSync(source)
  const file = join(source, 'index.ts')
  writeFileSync(file, '1')
  let runs = 0
  let gate = Promise.withResolvers<void>()
  gate.resolve()
  const watcher = watchService(folder.path, [file], async () => {
    runs++
    await gate.promise
    return undefined
  })
  writeFileSync(file, '2')
  writeFileSync(file, '3')
  await expect.poll(() => runs).toBe(1)

  // How many editors save: a new file put in the place of the old one.
  writeFileSync(join(source, 'index.ts.tmp'), '4')
  renameSync(join(source, 'index.ts.tmp'), file)
  await expect.poll(() => runs).toBe(2)

  gate = Promise.withResolvers<void>()
  writeFileSync(file, '5')
  await expect.poll(() => runs).toBe(3)
  writeFileSync(file, '6')
  writeFileSync(file, '7')
  gate.resolve()
  await expect.poll(() => runs).toBe(4)

  watcher.close()
  rmSync(source, { recursive: true })
})

test('examples are deployed once, left alone unchanged, and a broken one does not stop the others', async () => {
  using folder = tempFolder()
  for (const [name, source] of [
    ['a-broken', 'export default {'],
    ['b-fine', service('fine')],
  ] as const) {
    mkdirSync(join(folder.path, name))
    writeFileSync(join(folder.path, name, 'vela.jsonc'), JSON.stringify({ name, main: 'index.ts' }))
    writeFileSync(join(folder.path, name, 'index.ts'), source)
  }
  mkdirSync(join(folder.path, 'no-manifest'))
  const output = recordOutput()
  host.control.calls.length = 0
  const first = await deployExamples(host.control, output, folder.path)
  expect(first).toMatchObject([{ service: 'b-fine', url: expect.stringContaining('/demo/b-fine') }])
  expect(output.notes.join()).toMatch(/a-broken was not deployed.*VELA_DEPLOY_/s)
  const again = await deployExamples(host.control, output, folder.path)
  expect(again).toEqual(first)
  expect(host.control.calls).toEqual(['deploy demo b-fine'])
})

/** Runs `runUntilStopped` in a process of its own with a runtime that prints what happens to it. */
function spawnHost(
  stop: string,
  start = 'async () => ({ gateway: "g", admin: "a" })',
): ReturnType<typeof spawn> {
  const script = `
    import { runUntilStopped } from ${JSON.stringify(join(LAUNCHER, '..', 'run-host.ts'))}
    const keep = setInterval(() => {}, 1000)
    const runtime = { start: ${start}, stop: ${stop} }
    const output = { json: true, result() {}, line: console.log, note() {} }
    await runUntilStopped(runtime, output, async (urls) => console.log('ready', urls.gateway, urls.admin))
      .catch((error) => { console.log('failed', error.message); process.exitCode = 1 })
    clearInterval(keep)`
  return spawn(process.execPath, ['--input-type=module-typescript', '--eval', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
}

test.each(['SIGTERM', 'SIGINT'] as const)(
  '%s stops the host gracefully, and a signal doubled on its way counts once',
  async (signal) => {
    const child = spawnHost(
      'async () => { await new Promise((done) => setTimeout(done, 100)); console.log("stopped") }',
    )
    let stdout = ''
    child.stdout?.on('data', (chunk: Buffer) => {
      if (stdout === '') {
        child.kill(signal)
        child.kill(signal)
      }
      stdout += chunk.toString()
    })
    expect(await once(child, 'close')).toEqual([0, null])
    expect(stdout).toBe('ready g a\nstopped\n')
  },
)

test('a second signal ends a host that is still stopping at once', async () => {
  const child = spawnHost('async () => { console.log("stopping"); await new Promise(() => {}) }')
  child.stdout?.on('data', (chunk: Buffer) => {
    const text = chunk.toString()
    if (text.includes('ready')) child.kill('SIGINT')
    // Again and again, as an impatient person does: the first ones may count as the same.
    if (text.includes('stopping')) {
      const again = setInterval(() => child.kill('SIGINT'), 50)
      child.once('close', () => clearInterval(again))
    }
  })
  expect(await once(child, 'close')).toEqual([130, null])
})

test('a host that fails to start is stopped, so that nothing of it is left', async () => {
  const child = spawnHost('async () => console.log("stopped")', 'async () => { throw new Error("port") }')
  let stdout = ''
  child.stdout?.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
  expect(await once(child, 'close')).toEqual([1, null])
  expect(stdout).toBe('stopped\nfailed port\n')
})
