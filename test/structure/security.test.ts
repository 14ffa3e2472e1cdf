/** SECURITY.md names the tests that hold its defences; what it names must be there. */
import { expect, test } from 'vitest'
import { exists, read } from './tree.ts'

test('every test that SECURITY.md names is there', () => {
  const tables = read('SECURITY.md')
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .join('\n')
  const names = new Set(
    [...tables.matchAll(/`((?:bridge|limits|http|cell)-[a-z]+|innocents)`/g)].map((match) => match[1]),
  )
  expect(names.size).toBeGreaterThan(12)
  expect([...names].filter((name) => !exists(`test/attack/${name}.test.ts`))).toEqual([])
  const actors = new Set([...tables.matchAll(/`(host-[a-z]+)`/g)].map((match) => match[1]))
  expect(actors.size).toBeGreaterThan(3)
  expect([...actors].filter((name) => !isIn(name, 'actors', 'di'))).toEqual([])
  const events = new Set(
    [...tables.matchAll(/`((?:guest|durable)(?:-[a-z]+)?|queue)`:/g)].map((match) => match[1]),
  )
  expect(events.size).toBeGreaterThan(3)
  expect([...events].filter((name) => !isIn(name, 'events', 'di'))).toEqual([])
})

const isIn = (name: string | undefined, ...folders: readonly string[]): boolean =>
  folders.some((folder) => exists(`test/${folder}/${name}.test.ts`))
