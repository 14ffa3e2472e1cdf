/** The libraries of the SDK and the codec are loaded by those that use them, before their own code, and by nobody else. */
import { beforeAll, describe, expect, test } from 'vitest'
import { LIBRARIES } from '../../guest-sdk/kernel/libraries.ts'
import { sdkImports } from '../../sandbox/engine/sdk-imports.ts'
import { describeEngines } from '../engines.ts'
import { invoke, valueOf } from '../engine/direct.ts'
import { createPartsWatch, type LoadGuest } from './kernel-parts.ts'

let load: LoadGuest
beforeAll(async () => {
  load = await createPartsWatch()
})

const NOW = 1_700_000_000_000
const SERVICE = 'export const at = () => 1'

describeEngines('what a service loads of the kernel', (engine) => {
  test('is nothing for one that imports nothing, or only what every service has', () => {
    expect(load(engine, SERVICE).parts).toEqual([])
    for (const from of ['@vela/guest-sdk', 'cloudflare:workers']) {
      const imports = `import { Actor, DurableObject, WorkerEntrypoint as W, env } from '${from}'`
      const { parts, guest } = load(
        engine,
        `${imports}\nexport const kinds = () => [typeof Actor, typeof DurableObject, typeof W, env.NAME]`,
      )
      expect(parts).toEqual([])
      const said = valueOf(guest.enter(NOW, invoke(1, 'kinds', ''), 0))
      expect(said).toEqual(['function', 'function', 'function', 'value'])
    }
  })

  test('is the library of which it imports a name, and no other', () => {
    for (const { name, names } of LIBRARIES) {
      const source = `import { ${names[0]} as one } from '@vela/guest-sdk'; export const kind = () => typeof one`
      const { parts, guest } = load(engine, source)
      expect(parts).toEqual([`library-${name}`])
      expect(valueOf(guest.enter(NOW, invoke(1, 'kind', ''), 0))).not.toBe('undefined')
    }
  })

  test('is every library, with all that they export, when the import does not say what it wants', () => {
    const { parts, guest } = load(
      engine,
      `import * as sdk from '@vela/guest-sdk'
       export const missing = () => Object.keys(sdk).filter((name) => sdk[name] === undefined)
       export const names = () => Object.keys(sdk)`,
    )
    expect(parts).toEqual(LIBRARIES.map(({ name }) => `library-${name}`))
    expect(valueOf(guest.enter(NOW, invoke(1, 'missing', ''), 0))).toEqual([])
    const own = ['Actor', 'DurableObject', 'WorkerEntrypoint', 'env']
    const all = [...own, ...LIBRARIES.flatMap(({ names }) => names)]
    expect(new Set(valueOf(guest.enter(NOW, invoke(2, 'names', ''), 0)) as string[])).toEqual(new Set(all))
  })

  test('a name that is written with an escape is there like any other', () => {
    for (const clause of ['\\u0073leep', '"sl\\u0065ep" as sleep']) {
      const { parts, guest } = load(
        engine,
        `import { ${clause} } from '@vela/guest-sdk'; export const kind = () => typeof sleep`,
      )
      expect(parts).toContain('library-async')
      expect(valueOf(guest.enter(NOW, invoke(1, 'kind', ''), 0))).toBe('function')
    }
    const twice = `import { env } from '@vela/guest-sdk'; import { sleep } from '@vela\\u002fguest-sdk'`
    const { guest } = load(engine, `${twice}; export const kind = () => typeof sleep + typeof env`)
    expect(valueOf(guest.enter(NOW, invoke(1, 'kind', ''), 0))).toBe('functionobject')
  })

  test('is the codec with a binding that needs it, and not with others', () => {
    const parts = (kind: string, options: unknown): readonly string[] =>
      load(engine, SERVICE, [['B', kind, 0, options]]).parts
    expect(parts('actors', { class: 'A', own: true })).toContain('codec')
    expect(parts('channels', { mode: 'both' })).toContain('codec')
    expect(parts('workers', { host: false, size: 1 })).toContain('codec')
    expect(parts('kv', null)).not.toContain('codec')
    expect(parts('services', {})).not.toContain('codec')
  })

  test('what it imports runs before any code of its own, so it is made of what is not patched yet', () => {
    const patch = `Object.defineProperty = Object.freeze = Reflect.ownKeys = Array.prototype.flatMap = () => { throw new Error('patched') }`
    const { guest } = load(
      engine,
      `${patch}\nimport { deferred, channel } from '@vela/guest-sdk'
       export const run = () => [typeof deferred().resolve, typeof channel().send]`,
    )
    expect(valueOf(guest.enter(NOW, invoke(1, 'run', ''), 0))).toEqual(['function', 'function'])
  })
})

describe('what a service imports from the SDK', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['export default {}', ''],
    ["import{sleep as s,env as e}from'@vela/guest-sdk';", 'sleep,env'],
    ["import {\n  sleep,\n  Actor,\n} from '@vela/guest-sdk'", 'sleep,Actor'],
    ['export { race } from "cloudflare:workers"', 'race'],
    [
      "import { a } from 'other'; import { b } from '@vela/guest-sdk'; import {c} from 'cloudflare:workers'",
      'b,c',
    ],
    ["import '@vela/guest-sdk'", ''],
    ["import {} from '@vela/guest-sdk'", ''],
    ["Array.from('a\\\\b')", ''],
    // Whatever is not the ordinary form may want anything.
    ["import * as sdk from '@vela/guest-sdk'", '*'],
    ["export * from '@vela/guest-sdk'", '*'],
    ["import d, { a } from '@vela/guest-sdk'", '*'],
    ["import { a } /* c */ from '@vela/guest-sdk'", '*'],
    ["import { a } from /* c */ '@vela/guest-sdk'", 'a'],
    ["import { a } from // c\n '@vela/guest-sdk'", 'a'],
    ["import { \\u0061 } from '@vela/guest-sdk'", '*'],
    ["import { 'a' as b } from '@vela/guest-sdk'", '*'],
    ["import { ä } from '@vela/guest-sdk'", '*'],
    ["import { a } from '@vela\\x2fguest-sdk'", '*'],
    [`import { a } from${' '.repeat(2000)}'@vela/guest-sdk'`, '*'],
    [`import { a } from /*${'x'.repeat(2000)}*/ '@vela/guest-sdk'`, '*'],
    [`import { ${'a,'.repeat(3000)} b } from '@vela/guest-sdk'`, '*'],
    [`import${' '.repeat(100)}{ a } from '@vela/guest-sdk'`, '*'],
  ]
  for (const [source, wanted] of cases)
    test(`${JSON.stringify(source.slice(0, 60))} wants ${wanted || 'nothing'}`, () =>
      expect(sdkImports(source)).toBe(wanted))

  test('is found in time that grows with the source, whatever it is', () => {
    for (const piece of [
      'from',
      'from/*',
      'from //',
      'from "',
      "import{a}from'@vela/guest-sdk';",
      'from \n\t ',
    ]) {
      const startedMs = performance.now()
      sdkImports(piece.repeat(2_000_000 / piece.length))
      expect(performance.now() - startedMs).toBeLessThan(2_000)
    }
  })
})
