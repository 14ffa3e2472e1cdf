/** `vela start` for real, and the other commands against it the way a user on the same machine runs them. */
import { once } from 'node:events'
import { mkdirSync, statSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { describe, expect, test } from 'vitest'
import { runVela, spawnVela, tempFolder, type RunOptions } from './run.ts'

interface Started extends AsyncDisposable {
  readonly gateway: string
  readonly admin: string
  readonly pid: number
  readonly node?: string
  /** SIGTERM, then the exit status. */
  stop(): Promise<unknown>
}

async function startHost(args: readonly string[], options: RunOptions): Promise<Started> {
  const child = spawnVela(['start', '--json', '--port', '0', '--admin-port', '0', ...args], options)
  const exited = once(child, 'close')
  let stderr = ''
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
  const { value, done } = await lines.next()
  if (done === true) throw new Error(`the host ended before its first line: ${stderr}`)
  const ready = JSON.parse(value) as Omit<Started, 'stop'> & { event: string }
  expect(ready.event).toBe('ready')
  const stop = async (): Promise<unknown> => {
    child.kill('SIGTERM')
    return exited
  }
  return { ...ready, stop, [Symbol.asyncDispose]: async () => void (await stop()) }
}

describe('a host on this machine', () => {
  test('serves what is deployed from the folder it runs in, without a token being given, and stops with 0', async () => {
    using folder = tempFolder()
    const cwd = folder.path
    const host = await startHost([], { cwd })
    expect(statSync(join(cwd, '.vela', 'admin-token')).mode & 0o777).toBe(0o600)

    writeFileSync(
      join(cwd, 'hello.ts'),
      'export default { fetch: (): Response => new Response("hello from a file") }',
    )
    const env = { VELA_API_URL: host.admin }
    const deployed = await runVela(['deploy', 'hello.ts', '--json'], { cwd, env })
    expect(deployed).toMatchObject({ exitCode: 0, stderr: '' })
    const { url } = JSON.parse(deployed.stdout) as { url: string }
    expect(await (await fetch(url)).text()).toBe('hello from a file')

    const list = await runVela(['list', '--json'], { cwd, env })
    expect(JSON.parse(list.stdout)).toMatchObject([{ tenant: 'demo', service: 'hello' }])
    const missing = await fetch(`${host.gateway}/demo/none/`)
    expect(missing.status).toBe(404)
    expect(await host.stop()).toEqual([0, null])

    await using again = await startHost([], { cwd })
    expect(await (await fetch(`${again.gateway}/demo/hello/`)).text()).toBe('hello from a file')
  })

  test('started with a NATS that is not there it serves, says so, and `vela nodes` tells why it knows no host', async () => {
    using folder = tempFolder()
    const cwd = folder.path
    const env = { VELA_NATS_CONNECT_TIMEOUT_MS: '100' }
    await using host = await startHost(['--nats', 'nats://127.0.0.1:1'], { cwd, env })
    expect(host.node).toMatch(/^.+-[0-9a-f]{8}$/)
    const nodes = await runVela(['nodes'], { cwd, env: { VELA_API_URL: host.admin } })
    expect(nodes.stdout).toContain(`not even this one (${host.node}): NATS was not reached`)
    expect(await host.stop()).toEqual([0, null])
  })

  test.each(['--port', '--admin-port'])('a taken %s is named with the flag that changes it', async (flag) => {
    using folder = tempFolder()
    const taken = createServer().listen(0, '127.0.0.1')
    await once(taken, 'listening')
    const port = String((taken.address() as AddressInfo).port)
    const other = flag === '--port' ? '--admin-port' : '--port'
    const result = await runVela(['start', '--json', other, '0', flag, port], { cwd: folder.path })
    taken.close()
    expect(result.exitCode).toBe(1)
    expect(JSON.parse(result.stdout)).toMatchObject({
      error: {
        code: 'VELA_HOST_PORT_TAKEN',
        message: expect.stringMatching(new RegExp(`${port}[^]*${flag}\\b`)),
      },
    })
  })

  test('dev redeploys an edit and keeps serving through a broken one', async () => {
    using folder = tempFolder()
    mkdirSync(join(folder.path, 'src'))
    const file = join(folder.path, 'src', 'index.ts')
    const write = (text: string): void => writeFileSync(file, text)
    writeFileSync(join(folder.path, 'vela.jsonc'), '{ "name": "page", "main": "src/index.ts" }')
    write('export default { fetch: () => new Response("one") }')
    const child = spawnVela(['dev', folder.path, '--json', '--port', '0', '--admin-port', '0'])
    const exited = once(child, 'close')
    const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
    const nextEvent = async (wanted: string): Promise<Record<string, unknown>> => {
      for (;;) {
        const { value, done } = await lines.next()
        if (done === true) throw new Error(`dev ended before ${wanted}`)
        const event = JSON.parse(value) as Record<string, unknown>
        if (event['event'] === wanted) return event
      }
    }
    const { url } = (await nextEvent('deployed')) as { url: string }
    await nextEvent('ready')
    const answer = async (): Promise<string> => (await fetch(url)).text()
    expect(await answer()).toBe('one')
    write('export default {')
    expect(await nextEvent('failed')).toMatchObject({ error: { code: 'VELA_DEPLOY_BUNDLE_FAILED' } })
    expect(await answer()).toBe('one')
    write('export default { fetch: () => new Response("two") }')
    await nextEvent('deployed')
    expect(await answer()).toBe('two')
    child.kill('SIGINT')
    expect(await exited).toEqual([0, null])
  })
})
