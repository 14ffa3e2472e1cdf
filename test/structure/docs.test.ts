/** What the pages say of the project must be there: files, commands, scripts. */
import { dirname, join, normalize } from 'node:path'
import { expect, test } from 'vitest'
import { exists, filesBelow, read } from './tree.ts'

const pages = [
  ...filesBelow('').filter((path) => !path.includes('/') && path.endsWith('.md')),
  ...filesBelow('docs').filter((path) => path.endsWith('.md')),
  'guest-sdk/README.md',
]

test('every link between pages leads to a file', () => {
  const dead = pages.flatMap((page) =>
    [...read(page).matchAll(/\]\(([^)\s]+)\)/g)]
      .map((match) => (match[1] ?? '').split('#')[0] ?? '')
      .filter((target) => target !== '' && !/^[a-z]+:/.test(target))
      .filter((target) => !exists(normalize(join(dirname(page), target))))
      .map((target) => `${page} links to ${target}`),
  )
  expect(dead).toEqual([])
})

test('every page of docs can be reached from the README', () => {
  const seen = new Set(['README.md'])
  for (const page of seen) {
    for (const [, target = ''] of read(page).matchAll(/\]\(([^)\s#]+)/g)) {
      const path = normalize(join(dirname(page), target))
      if (path.endsWith('.md') && exists(path)) seen.add(path)
    }
  }
  expect(pages.filter((page) => !seen.has(page))).toEqual([])
})

test('every npm script that a page names exists', () => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }
  const named = pages.flatMap((page) =>
    [...read(page).matchAll(/\bnpm (?:run (?:-s |--silent )?([a-z:]+)|(test|start)\b)/g)].map((match) => ({
      page,
      script: match[1] ?? match[2] ?? '',
    })),
  )
  expect(named.length).toBeGreaterThan(3)
  expect(named.filter(({ script }) => scripts[script] === undefined)).toEqual([])
})

test('every file of the project that a page names in backticks exists', () => {
  const missing = pages.flatMap((page) =>
    [...read(page).matchAll(/`((?:host|sandbox|guest-sdk|test|bench|docs|examples)\/[\w./-]+\.\w+)`/g)]
      .map((match) => match[1] ?? '')
      .filter((path) => !exists(path) && path !== 'bench/results.json')
      .map((path) => `${page} names ${path}`),
  )
  expect(missing).toEqual([])
})

test('every command of the command line is in the README, and no other', () => {
  const declaration = /(?:apiCommand|command|new Command)\('([a-z]+)'/g
  const commands = filesBelow('host/cli/commands').flatMap((path) =>
    Array.from(read(path).matchAll(declaration), (match) => match[1] ?? ''),
  )
  const readme = read('README.md')
  const named = new Set([...readme.matchAll(/\bvela ([a-z]+)\b/g)].map((match) => match[1] ?? ''))
  const nested = new Set(['create', 'list', 'delete', 'put'])
  expect(commands.filter((name) => !named.has(name) && !nested.has(name))).toEqual([])
  expect([...named].filter((name) => !commands.includes(name))).toEqual([])
})

test('decision records are numbered without gaps and say status, context, decision and consequences', () => {
  const records = filesBelow('docs/adr')
    .filter((path) => !path.endsWith('README.md'))
    .sort()
  expect(records.length).toBeGreaterThan(8)
  for (const [index, path] of records.entries()) {
    expect(path).toMatch(new RegExp(`^docs/adr/${String(index + 1).padStart(4, '0')}-[a-z0-9-]+\\.md$`))
    for (const heading of ['Status:', '## Context', '## Decision', '## Alternatives', '## Consequences']) {
      expect([path, read(path).includes(heading)]).toEqual([path, true])
    }
  }
})
