/**
 * Imports point down: guest-sdk ← sandbox ← host, and inside the host from what composes to what is composed.
 * Units of one row are siblings and do not know each other; they meet in the composition root.
 */
import { expect, test } from 'vitest'
import { importsOf, sourceFiles, type Import } from './tree.ts'

/** From the lowest row to the highest. A file belongs to the unit with the longest prefix that fits. */
const ROWS: readonly (readonly string[])[] = [
  ['guest-sdk/'],
  ['sandbox/'],
  ['host/core/error'],
  ['host/registry/types.ts'],
  ['host/capabilities/capability.ts'],
  ['host/core/control'],
  ['host/core/'],
  ['host/di/'],
  ['host/manifest/', 'host/registry/'],
  ['host/bundle/', 'host/cells/', 'host/kv/', 'host/async/', 'host/nats/'],
  ['host/http/', 'host/concurrency/', 'host/events/'],
  ['host/capabilities/', 'host/cluster/'],
  ['host/services/', 'host/admin/'],
  [
    'host/core/runtime.ts',
    'host/core/assemble.ts',
    'host/core/parts.ts',
    'host/core/nats.ts',
    'host/core/cluster',
    'host/core/peers.ts',
    'host/core/components.ts',
    'host/core/host-services.ts',
    'host/core/tenant-data.ts',
    'host/core/actors.ts',
    'host/core/capabilities.ts',
    'host/core/deploy-path.ts',
    'host/core/tasks.ts',
    'host/core/doctor.ts',
    'host/core/events.ts',
    'host/core/events-durable.ts',
    'host/core/events-left.ts',
    'host/core/events-control.ts',
    'host/core/replay.ts',
    'host/replay/',
  ],
  // The testing helper of the SDK runs in its author's tests, and stands on the whole host.
  ['host/index.ts', 'host/cli/', 'guest-sdk/testing/'],
]
const UNITS = ROWS.flatMap((units, row) => units.map((unit) => ({ unit, row }))).sort(
  (a, b) => b.unit.length - a.unit.length,
)

const placeOf = (path: string): { readonly unit: string; readonly row: number } | undefined =>
  UNITS.find(({ unit }) => path.startsWith(unit))

const all = sourceFiles('guest-sdk', 'sandbox', 'host').flatMap(importsOf)
const inside = all.filter(({ to }) => placeOf(to) !== undefined)
const outside = all.filter(({ to }) => placeOf(to) === undefined)
const show = ({ from, to }: Import): string => `${from} imports ${to}`
const importersOf = (...modules: readonly string[]): string[] =>
  outside.filter(({ to }) => modules.includes(to)).map(({ from }) => from)

test('the table places every file, and the reader of imports finds them', () => {
  const files = sourceFiles('guest-sdk', 'sandbox', 'host')
  expect(files.filter((path) => placeOf(path) === undefined)).toEqual([])
  expect(files.length).toBeGreaterThan(150)
  expect(inside.length).toBeGreaterThan(400)
})

test('no import points up or sideways', () => {
  const wrong = inside.filter(({ from, to }) => {
    const importer = placeOf(from)
    const imported = placeOf(to)
    if (importer === undefined || imported === undefined || importer.unit === imported.unit) return false
    return imported.row >= importer.row && !isRoot(importer.row, imported.row)
  })
  expect(wrong.map(show)).toEqual([])
})

/** The parts of the composition root are one row, and may know each other. */
const isRoot = (importer: number, imported: number): boolean =>
  importer === imported && ROWS[importer]?.[0] === 'host/core/runtime.ts'

test('the host knows only the protocol of the sandbox and the messages of the kernel, never an engine', () => {
  const wrong = inside.filter(({ from, to }) => {
    if (!from.startsWith('host/') || to.startsWith('host/')) return false
    // What is pure serves hosts and guests alike.
    const shared = [
      'sandbox/protocol/',
      'guest-sdk/async/',
      'guest-sdk/concurrency/',
      'guest-sdk/di/',
      'guest-sdk/events/',
    ]
    return !shared.some((folder) => to.startsWith(folder)) && to !== 'guest-sdk/kernel/messages.ts'
  })
  expect(wrong.map(show)).toEqual([])
})

test('what runs in a guest imports nothing of Node and only what is bundled into it', () => {
  const allowed = new Set(['web-streams-polyfill', 'urlpattern-polyfill/urlpattern', 'awilix/browser'])
  const wrong = outside.filter(({ from, to }) => inGuest(from) && !allowed.has(to))
  expect(wrong.map(show)).toEqual([])
})

const inGuest = (path: string): boolean =>
  path.startsWith('guest-sdk/') && !path.startsWith('guest-sdk/testing/')

test('the testing helper takes types from the SDK, and the host only when it runs', () => {
  const own = all.filter(({ from }) => from.startsWith('guest-sdk/testing/'))
  const wrong = own.filter(
    ({ to }) =>
      !to.startsWith('guest-sdk/testing/') && to !== 'guest-sdk/types/web.ts' && !to.startsWith('node:'),
  )
  expect(own.length).toBeGreaterThan(5)
  expect(wrong.map(show)).toEqual([])
})

test('a cell imports nothing but Node’s file system, crypto, zlib, paths, flags and module loader, and its engines', () => {
  const allowed = new Set([
    'node:fs',
    'node:crypto',
    'node:zlib',
    'node:v8',
    'node:path',
    'node:module',
    'isolated-vm',
  ])
  const wrong = outside.filter(({ from, to }) => from.startsWith('sandbox/') && !allowed.has(to))
  expect(wrong.map(show)).toEqual([])
})

test('each heavy dependency has one home', () => {
  const homes: Readonly<Record<string, readonly string[]>> = {
    fastify: ['host/admin/'],
    'find-my-way': ['host/http/router.ts'],
    undici: ['host/http/client/'],
    piscina: ['host/async/'],
    'ipaddr.js': ['host/http/client/'],
    'node:sqlite': ['host/registry/store/'],
    commander: ['host/cli/'],
    'prom-client': ['host/core/metrics'],
    pino: ['host/core/log'],
    awilix: ['host/di/'],
    ws: ['host/http/'],
    'node:child_process': ['host/cells/', 'host/cli/'],
    '@nats-io/transport-node': ['host/nats/', 'host/events/nats/', 'host/cluster/'],
    '@nats-io/jetstream': ['host/nats/', 'host/events/nats/', 'host/cluster/'],
    '@nats-io/kv': ['host/nats/', 'host/events/nats/', 'host/cluster/'],
    '@nats-io/obj': ['host/nats/', 'host/cluster/'],
  }
  for (const [name, folders] of Object.entries(homes)) {
    const strangers = importersOf(name).filter((path) => !folders.some((folder) => path.startsWith(folder)))
    expect([name, strangers]).toEqual([name, []])
    expect([name, importersOf(name).length > 0]).toEqual([name, true])
  }
})

test('relative imports name their file with its extension', () => {
  const wrong = inside.filter(({ to }) => !/\.(?:[jt]s|json)$/.test(to))
  expect(wrong.map(show)).toEqual([])
})
