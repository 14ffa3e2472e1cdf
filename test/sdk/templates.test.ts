/** Each template of `vela init`, the way its author goes: checked by the compiler, tested, deployed, asked. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { TEMPLATES } from '../../host/cli/templates/files.ts'
import { startRuntime, type TestRuntime } from '../e2e/support.ts'
import { createWorkshop, runTool } from './project.ts'

const workshop = createWorkshop()
let host: TestRuntime

beforeAll(async () => {
  host = await startRuntime({ cells: { spares: 0 } })
})
afterAll(async () => {
  await host.runtime.stop()
  workshop[Symbol.dispose]()
})

/** What each answers once it is deployed. */
const ASKED: Readonly<Record<string, () => Promise<unknown>>> = {
  hello: async () => await (await host.get('/authors/hello/?name=Ada')).json(),
  hono: async () => {
    await host.get('/authors/hono/notes/tea', { method: 'PUT', body: 'green' })
    return await (await host.get('/authors/hono/notes')).json()
  },
  plugin: () => host.runtime.invoke('authors/plugin', 'quote', [[{ sku: 'mug', quantity: 2 }]]),
  cron: async () => {
    await host.runtime.runSchedule('authors', 'cron')
    return await (await host.get('/authors/cron/')).json()
  },
}
const ANSWERS: Readonly<Record<string, unknown>> = {
  hello: { message: 'Hello, Ada!' },
  hono: ['tea'],
  plugin: { total: 24, unknown: [] },
  cron: { runs: 1, latest: expect.stringMatching(/Z$/) },
}

describe.each(Object.keys(TEMPLATES))('the template %s', (name) => {
  const folder = join(workshop.path, name)

  beforeAll(async () => {
    const { exitCode, output } = await runTool('vela', ['init', name, '--template', name], workshop.path)
    expect([exitCode, output]).toEqual([0, expect.stringContaining('src/index.ts')])
  })

  test('type-checks, with the env that its manifest gives it', async () => {
    expect(await runTool('tsc', [], folder)).toEqual({ exitCode: 0, output: '' })
  })

  test('passes its own tests in the real sandbox', async () => {
    const { exitCode, output } = await runTool(
      'vitest',
      ['run', '--reporter=tap', '--testTimeout=60000', '--hookTimeout=60000'],
      folder,
    )
    expect(output).not.toContain('not ok')
    expect([exitCode, output]).toEqual([0, expect.stringContaining('ok 1')])
  }, 120_000)

  test('deploys and answers', async () => {
    const { grants } = await host.runtime.deploy({ tenant: 'authors', path: folder })
    expect(grants.filter(({ state }) => state !== 'granted')).toEqual([])
    expect(await ASKED[name]?.()).toEqual(ANSWERS[name])
  })

  test('has a README of its own that names what it is called', () => {
    const readme = readFileSync(join(folder, 'README.md'), 'utf8')
    expect(readme).toContain(`# ${name}\n`)
    expect(readme).not.toContain('{{')
  })
})

test('the templates name the versions of packages that this project is tested with', () => {
  const root = JSON.parse(readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8')) as {
    version: string
    dependencies: Record<string, string>
    devDependencies: Record<string, string>
  }
  const known = { ...root.dependencies, ...root.devDependencies }
  for (const name of Object.keys(TEMPLATES)) {
    const text = readFileSync(join(workshop.path, name, 'package.json'), 'utf8')
    const { dependencies = {}, devDependencies } = JSON.parse(text) as {
      dependencies?: Record<string, string>
      devDependencies: Record<string, string>
    }
    for (const [wanted, version] of Object.entries({ ...dependencies, ...devDependencies })) {
      const expected = version.startsWith('file:') ? version : known[wanted]
      expect([wanted, version]).toEqual([wanted, expected])
    }
  }
})
