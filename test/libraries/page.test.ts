/** docs/libraries.md says which libraries run; it is held equal to the catalogue that the tests run by. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ENGINES, type EngineName } from '../engines.ts'
import { LIBRARIES } from './catalogue.ts'
import { SERVICES } from './harness.ts'

const ROOT = join(import.meta.dirname, '../..')
const readRoot = (path: string): string => readFileSync(join(ROOT, path), 'utf8')

const COLUMNS = ['library', 'V8', 'QuickJS', 'bundle', 'loads on V8', 'loads on QuickJS']
const rows = readRoot('docs/libraries.md')
  .split(/\n\n/)
  .flatMap((block) => (block.startsWith('| library |') ? block.trim().split('\n') : []))
  .map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  )

test('the table has the libraries of the catalogue, and a mark for each engine that tests run on', () => {
  const [head, , ...body] = rows
  expect(head).toEqual(COLUMNS)
  const mark = (engines: readonly EngineName[], engine: EngineName): string =>
    engines.includes(engine) ? '✓' : '✗'
  expect(body.map((cells) => cells.slice(0, 3))).toEqual(
    LIBRARIES.map(({ package: name, engines }) => [name, mark(engines, 'v8'), mark(engines, 'quickjs')]),
  )
})

test('every row has figures: a size, and the time to load on each engine that runs it', () => {
  for (const [name, , , size, ...times] of rows.slice(2)) {
    expect([name, size]).toEqual([name, expect.stringMatching(/^\d+ KiB$/)])
    const { engines = [] } = LIBRARIES.find((library) => library.package === name) ?? {}
    const expected = ENGINES.map((engine) =>
      engines.includes(engine) ? expect.stringMatching(/^\d+ ms$/) : '–',
    )
    expect([name, ...times]).toEqual([name, ...expected])
  }
})

test('every library is installed for tests, has a service that imports it, and tests that describe it', () => {
  const { devDependencies, dependencies } = JSON.parse(readRoot('package.json')) as Record<
    string,
    Record<string, string>
  >
  const suites = readdirSync(import.meta.dirname)
    .filter((file) => file.endsWith('.test.ts'))
    .map((file) => readFileSync(join(import.meta.dirname, file), 'utf8'))
    .join('\n')
  for (const { name, package: packageName } of LIBRARIES) {
    expect([packageName, { ...dependencies, ...devDependencies }[packageName]]).toEqual([
      packageName,
      expect.stringMatching(/^\^\d/),
    ])
    expect(readFileSync(join(SERVICES, `${name}.ts`), 'utf8')).toContain(`from '${packageName}`)
    expect(suites).toMatch(new RegExp(`host\\.describe\\(\\s*'${name}'`))
  }
})
