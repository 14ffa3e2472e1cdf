/** What `npm start` shows a newcomer: a host with the examples, each of which does what it says. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startHost, type HostProcess } from './host-process.ts'
import { tempDir, type TempDir } from './support.ts'

const ROOT = join(import.meta.dirname, '..', '..')

interface Example {
  readonly service: string
  readonly url: string
  readonly try: readonly string[]
}

let folder: TempDir
let host: HostProcess
let examples: ReadonlyMap<string, Example>
beforeAll(async () => {
  folder = tempDir()
  host = await startHost(folder.path, { args: ['--examples'] })
  const list = host.ready['examples'] as Example[]
  examples = new Map(list.map((example) => [example.service, example]))
})
afterAll(async () => {
  host.signal('SIGTERM')
  const code = await host.ended
  folder[Symbol.dispose]()
  expect(code).toBe(0)
})

const urlOf = (service: string): string => examples.get(service)?.url ?? `no example ${service}`
const asJson = { 'content-type': 'application/json' }

describe('vela start --examples', () => {
  test('is what npm start runs', () => {
    const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
      scripts: Record<string, string>
    }
    expect(scripts['start']).toBe('node host/cli/vela.js start --examples')
  })

  test('every command it suggests works as it stands', async () => {
    expect([...examples.keys()].sort()).toEqual([
      'cart',
      'chat',
      'hello',
      'notes',
      'pipeline',
      'quote',
      'rate-limiter',
      'stream',
    ])
    const commands = [...examples.values()].flatMap((example) => example.try)
    const hasCurl = spawnSync('curl', ['--version']).status === 0
    for (const command of commands) {
      if (command.startsWith('curl') && !hasCurl) {
        expect(await asCurl(command), command).toBeLessThan(300)
        continue
      }
      const { code, output } = await shell(
        command.replace(/^npx vela/, `node ${join(ROOT, 'host/cli/vela.js')}`),
      )
      expect(code, `${command}: ${output}`).toBe(0)
      expect(output).not.toContain('VELA_')
    }
  })

  test('hello greets', async () => {
    expect(await (await fetch(`${urlOf('hello')}x?name=Ada`)).json()).toEqual({
      message: 'Hello, Ada!',
      path: '/x',
    })
    const { stdout } = await host.vela(['invoke', 'demo/hello', 'greet', '["Ada"]'])
    expect(stdout).toBe('"Hello, Ada!"\n')
  })

  test('notes keeps what is valid and says what is not', async () => {
    const url = urlOf('notes')
    const post = (body: unknown): Promise<Response> =>
      fetch(url, {
        method: 'POST',
        headers: asJson,
        body: typeof body === 'string' ? body : JSON.stringify(body),
      })
    const made = await post({ title: 'tea', tags: ['a'] })
    expect(made.status).toBe(201)
    const { id } = (await made.json()) as { id: number }
    expect(await (await fetch(`${url}${id}`)).json()).toEqual({ id, title: 'tea', tags: ['a'] })
    expect((await fetch(`${url}${id}`, { method: 'DELETE' })).status).toBe(204)
    expect((await fetch(`${url}${id}`)).status).toBe(404)
    const invalid = await post({ title: '' })
    expect(invalid.status).toBe(400)
    expect(await invalid.text()).toContain('title')
    expect((await post('{ no json')).status).toBe(400)
    expect((await fetch(`${url}nowhere`)).status).toBe(404)
  })

  test('stream sends lines as they come, and ten megabytes whole', async () => {
    const response = await fetch(urlOf('stream'))
    const arrivals: number[] = []
    let lines = ''
    for await (const chunk of response.body ?? []) {
      arrivals.push(performance.now())
      lines += Buffer.from(chunk).toString()
    }
    expect(lines.trim().split('\n')).toHaveLength(5)
    // Four pauses of 200 ms: nobody kept them back to send them at once.
    expect((arrivals.at(-1) ?? 0) - (arrivals[0] ?? 0)).toBeGreaterThan(400)
    const bytes = await fetch(`${urlOf('stream')}bytes?mb=10`)
    expect((await bytes.arrayBuffer()).byteLength).toBe(10 * 1024 * 1024)
  })

  test('quote answers calls, and tells who asks over HTTP that it has no handler', async () => {
    const { stdout } = await host.vela([
      'invoke',
      'demo/quote',
      'quote',
      '[[{"sku":"tea","quantity":3},{"sku":"hat","quantity":1}]]',
      '--json',
    ])
    expect(JSON.parse(stdout)).toEqual({ result: { total: 13.5, unknown: ['hat'] } })
    const response = await fetch(urlOf('quote'))
    expect(response.status).toBe(404)
    expect(await response.json()).toMatchObject({ code: 'VELA_ROUTE_NOT_FOUND' })
  })
})

test('a Node program that embeds Vela asks its customer’s plugin, and ends by itself', async () => {
  const child = spawn(process.execPath, [join(ROOT, 'examples', 'embed', 'shop.ts')], { cwd: folder.path })
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ])
  expect(stderr).toBe('')
  expect(code).toBe(0)
  const lines = stdout.trim().split('\n')
  expect(lines[0]).toBe('the host service starts first')
  expect(lines).toContain("quote: { total: 13.5, unknown: [ 'hat' ] }")
  expect(lines.at(-1)).toBe('the host service stops last')
})

/** The status of the request that curl would make, for machines without it. */
async function asCurl(command: string): Promise<number> {
  const [, body] = / -d '([^']*)'/.exec(command) ?? []
  const isPost = body !== undefined || command.includes('-X POST')
  const [url = ''] = /http:[^ ']+/.exec(command) ?? []
  const isJson = command.includes('content-type: application/json')
  const response = await fetch(url, {
    method: isPost ? 'POST' : 'GET',
    ...(body === undefined ? {} : { body }),
    ...(isJson ? { headers: asJson } : {}),
  })
  return response.status
}

async function shell(command: string): Promise<{ code: unknown; output: string }> {
  const child = spawn('sh', ['-c', command], {
    cwd: folder.path,
    env: { PATH: process.env['PATH'] ?? '', VELA_API_URL: host.admin },
  })
  const [stdout, , [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  return { code, output: stdout }
}
