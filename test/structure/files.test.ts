/** What every file of the project has in common. */
import { expect, test } from 'vitest'
import { exists, filesBelow, read, sourceFiles, withoutComments } from './tree.ts'

const MOST_LINES = 300

test('no source file is longer than 300 lines', () => {
  const long = [...sourceFiles(), ...sourceFiles('examples')]
    .map((path) => ({ path, lines: read(path).split('\n').length - 1 }))
    .filter(({ lines }) => lines > MOST_LINES)
  expect(long).toEqual([])
})

test('every source file says in its first lines why it exists', () => {
  const silent = sourceFiles(
    'guest-sdk',
    'sandbox',
    'host',
    'bench/contenders',
    'bench/load',
    'bench/scenarios',
  ).filter((path) => !/^(?:#!.*\n)?\/\*\*\s/.test(read(path)))
  expect(silent).toEqual([])
})

test('nothing of the host, the sandbox and the guest SDK is a default export', () => {
  // The templates of `vela init` are texts of services, which do export one.
  const files = sourceFiles('guest-sdk', 'sandbox', 'host').filter(
    (path) => !path.startsWith('host/cli/templates/'),
  )
  const wrong = files.filter((path) =>
    /^export default\b|^export \{[^}]*\bas default\b/m.test(withoutComments(read(path))),
  )
  expect(wrong).toEqual([])
})

test('no module keeps state: there is no let or var outside a function', () => {
  const wrong = sourceFiles('guest-sdk', 'sandbox', 'host').filter((path) =>
    /^(?:export )?(?:let|var)\b/m.test(withoutComments(read(path))),
  )
  expect(wrong).toEqual([])
})

test('no file names a place on somebody’s machine', () => {
  const machinePath = /(?:^|[\s'"`(=])\/(?:work|home|root|Users)\/[\w.-]+/m
  const wrong = filesBelow('')
    .filter((path) => !path.endsWith('package-lock.json') && !path.startsWith('test/structure/'))
    .filter((path) => machinePath.test(read(path)))
  expect(wrong).toEqual([])
})

interface LockedPackage {
  readonly resolved?: string
  readonly integrity?: string
  readonly link?: boolean
  readonly optional?: boolean
  readonly os?: readonly string[]
  readonly cpu?: readonly string[]
  readonly libc?: readonly string[]
}

const locked = (): [string, LockedPackage][] =>
  Object.entries(
    (JSON.parse(read('package-lock.json')) as { packages: Record<string, LockedPackage> }).packages,
  )

test('the lock file takes every package that x64 Linux installs from the public registry, with its digest', () => {
  const isForeign = ({ optional, os, cpu, libc }: LockedPackage): boolean =>
    optional === true && !(os?.includes('linux') && cpu?.includes('x64') && libc?.includes('musl') !== true)
  const installed = locked().filter(([path, { link }]) => path.includes('node_modules/') && link !== true)
  expect(installed.length).toBeGreaterThan(50)
  const wrong = installed
    .filter(([, entry]) => {
      const isPublic =
        entry.resolved === undefined || entry.resolved.startsWith('https://registry.npmjs.org/')
      const isWhole = entry.integrity?.startsWith('sha512-') ?? isForeign(entry)
      return !isPublic || !isWhole
    })
    .map(([path]) => path)
  expect(wrong).toEqual([])
})

test('the lock file knows the optional packages of every platform, since npm ci refuses one that does not', () => {
  const paths = new Set(locked().map(([path]) => path))
  const missing = locked().flatMap(([path, entry]) =>
    Object.keys((entry as { optionalDependencies?: object }).optionalDependencies ?? {}).filter(
      (name) => !paths.has(`node_modules/${name}`) && !paths.has(`${path}/node_modules/${name}`),
    ),
  )
  expect(missing).toEqual([])
})

test('files that a platform looks for are there', () => {
  for (const path of [
    'README.md',
    'ARCHITECTURE.md',
    'CONTRIBUTING.md',
    'CHANGELOG.md',
    'LICENSE',
    '.ci/run',
  ]) {
    expect([path, exists(path)]).toEqual([path, true])
  }
})
