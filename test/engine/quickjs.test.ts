/** The QuickJS engine by itself: its build, its values, its memory and what it leaves behind. */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import { findQuickjs } from '../../host/cells/quickjs-wasm.ts'
import type { Guest, LoadResult } from '../../sandbox/engine/contract.ts'
import { EXPORTS, GLUE_NAMES } from '../../sandbox/engine/quickjs-abi.ts'
import { WASM_SHA256 } from '../../sandbox/protocol/engine-files.ts'
import { exportTable } from '../../sandbox/engine/quickjs-binary.ts'
import { createDirectEngine, invoke, valueOf, type DirectEngine } from './direct.ts'

let direct: DirectEngine
beforeAll(async () => {
  direct = await createDirectEngine()
})

const guestOf = (result: LoadResult): Guest => {
  if ('fault' in result) throw new Error(JSON.stringify(result.fault))
  return result.guest
}
const faultOf = (result: LoadResult): object => ('fault' in result ? result.fault : { reason: 'loaded' })
const NOW = 1_700_000_000_000

describe('the build of QuickJS', () => {
  test('is the one whose insides are known', () => {
    expect(createHash('sha256').update(readFileSync(findQuickjs())).digest('hex')).toBe(WASM_SHA256)
  })

  test('has the names that its package’s own glue uses', () => {
    const glue = readFileSync(
      createRequire(findQuickjs()).resolve('@jitl/quickjs-wasmfile-release-sync/emscripten-module'),
      'utf8',
    )
    const theirs = new Map(
      [...glue.matchAll(/\._(\w+)=\w+\.([\w$]+)[;,]/g)].map(([, name, short]) => [name, short]),
    )
    const named = Object.entries(GLUE_NAMES).map(([ours, name]) => [ours, theirs.get(name)])
    expect(Object.fromEntries([['initialize', EXPORTS.initialize], ...named])).toEqual(EXPORTS)
  })

  test('is refused when it is no wasm file', () => {
    expect(() => exportTable(new Uint8Array(64))).toThrow('no exports')
  })
})

describe('values', () => {
  test('texts cross unchanged both ways: NUL, every byte, lone surrogates, any length', () => {
    const guest = guestOf(direct.load('export const twice = (text) => text + text'))
    let id = 0
    const unit = fc.oneof(
      fc.integer({ min: 0, max: 255 }),
      fc.integer({ min: 0, max: 0xffff }),
      fc.constantFrom(0, 0x7f, 0x80, 0xff, 0x100, 0xd800, 0xdfff),
    )
    fc.assert(
      fc.property(fc.array(unit, { maxLength: 3000 }), (units) => {
        const text = String.fromCharCode(...units)
        expect(valueOf(guest.enter(NOW, invoke(++id, 'twice', text), 0))).toBe(text + text)
      }),
      { numRuns: 60 },
    )
  })

  test('raw characters in the bodies of an entry arrive one for one', () => {
    const guest = guestOf(
      direct.load(
        'export default { async fetch(request) { return new Response(await request.arrayBuffer()) } }',
      ),
    )
    const bytes = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code)).join('')
    const messages = [[0, 1, 0, 'POST', 'http://a.example/', [], 2, bytes.length, 'r']]
    const { output = '' } = guest.enter(NOW, `${JSON.stringify(messages)}\n${bytes}`, 0)
    expect(output.endsWith(bytes)).toBe(true)
  })

  test('bytes that a guest sends are copied as they are, from the middle of a buffer too', () => {
    const sent: Buffer[] = []
    const guest = guestOf(
      direct.load(
        `export default { fetch() {
          const all = Uint8Array.from({ length: 200_000 }, (_, at) => at * 7)
          return new Response(new ReadableStream({ start(c) { c.enqueue(all.subarray(11, 100_011)); c.close() } }))
        } }`,
        { host: { emit: (_id, bytes) => void sent.push(Buffer.from(bytes)) } },
      ),
    )
    guest.enter(NOW, `${JSON.stringify([[0, 1, 0, 'GET', 'http://a.example/', [], 0, 0, 'r']])}\n`, 0)
    const expected = Buffer.from(
      Uint8Array.from({ length: 200_000 }, (_, at) => at * 7).subarray(11, 100_011),
    )
    expect(Buffer.concat(sent).equals(expected)).toBe(true)
  })
})

describe('the image', () => {
  test('gives each guest a state of its own', () => {
    const source = `let count = 0; Array.prototype.seen = [];
      export const add = (text) => { count++; [].seen.push(text); return [count, [].seen.length] }`
    const [one, two] = [guestOf(direct.load(source)), guestOf(direct.load(source))]
    expect(valueOf(one.enter(NOW, invoke(1, 'add', 'a'), 0))).toEqual([1, 1])
    expect(valueOf(one.enter(NOW, invoke(2, 'add', 'a'), 0))).toEqual([2, 2])
    expect(valueOf(two.enter(NOW, invoke(1, 'add', 'a'), 0))).toEqual([1, 1])
  })

  test('keeps only what is not zero', () => {
    expect(direct.image.length).toBeGreaterThan(500_000)
    expect(direct.image.length).toBeLessThan(4_000_000)
  })

  test('a guest finds nothing of the engine in its globals, and cannot import the bridge', () => {
    const guest = guestOf(
      direct.load(`const attempts = []
        for (const name of ['vela:bridge', './vela:bridge', 'vela:begin', 'vela:entry', 'service.js', '@vela/guest-sdk'])
          attempts.push(await import(name).then(() => name, (error) => error.message))
        export const look = () => [attempts, Object.getOwnPropertyNames(globalThis).filter((name) => /vela|native|Shared|Atomics|WebAssembly|^std$|^os$/.test(name))]`),
    )
    const [attempts, names] = valueOf(guest.enter(NOW, invoke(1, 'look', ''), 0)) as [string[], string[]]
    expect(new Set(attempts)).toEqual(
      new Set(['There is no such module; a service cannot load code at run time']),
    )
    expect(names).toEqual([])
    for (const source of [
      `import 'vela:bridge'`,
      `import { register } from './vela:bridge'`,
      `export * from 'vela:begin'`,
    ])
      expect(faultOf(direct.load(source))).toMatchObject({ reason: 'unknown-import' })
  })
})

describe('memory', () => {
  test('four thousand entries with their texts, jobs and errors leave nothing behind', () => {
    // The memory would be full after a thousand of these texts alone.
    const guest = guestOf(
      direct.load(
        `export const work = async (text) => {
          const url = new URL('http://a.example/?' + text.slice(0, 20))
          const parts = await Promise.all([crypto.randomUUID(), text + text, Promise.resolve(url.search)])
          try { null.x } catch (error) { parts.push(error.message) }
          return text + parts.length
        }`,
        { memoryMb: 8 },
      ),
    )
    const texts = ['é'.repeat(20_000), 'x'.repeat(30_000), '\u0100'.repeat(10_000)]
    for (let id = 1; id <= 4_000; id++) {
      const text = id % 2 === 0 ? (texts[id % 3] as string) : 'short'
      expect(valueOf(guest.enter(NOW, invoke(id, 'work', text), 0))).toBe(`${text}4`)
    }
  })

  test('a guest that fills its memory is ended, whether it catches the error or not', () => {
    for (const source of [
      'const kept = []; for (;;) kept.push(new Array(1000).fill(1))',
      'const kept = []; for (;;) kept.push(new ArrayBuffer(1 << 20))',
      'const kept = []; try { for (;;) kept.push("x".repeat(1 << 20) + kept.length) } catch {} export const a = () => 1',
    ])
      expect(faultOf(direct.load(source, { memoryMb: 16 }))).toMatchObject({ reason: 'exceeded-memory' })
  })

  test('guests that were dropped give their memory back', () => {
    const residentMb = (): number => process.memoryUsage.rss() / 1024 / 1024
    const churn = (rounds: number): void => {
      for (let round = 0; round < rounds; round++) guestOf(direct.load('export const a = () => 1')).dispose()
    }
    churn(40)
    const before = residentMb()
    churn(150)
    // Each holds more than 1 MB; kept, they would be 150 and more.
    expect(residentMb() - before).toBeLessThan(100)
  })
})

describe('a rejection that nobody handles', () => {
  test('is told once, with its stack, and the guest lives on', () => {
    const guest = guestOf(
      direct.load(`export const leave = () => { Promise.reject(new TypeError('left')); return 1 }
        export const handled = () => { const p = Promise.reject(1); p.catch(() => {}); return 2 }
        export const late = () => { const p = Promise.reject(1); Promise.resolve().then(() => p.catch(() => {})); return 3 }`),
    )
    const left = guest.enter(NOW, invoke(1, 'leave', ''), 0)
    expect(left.unhandled).toMatchObject({ name: 'TypeError', message: 'left', stack: /service\.js:1:\d+/ })
    expect(valueOf(left)).toBe(1)
    for (const [id, name] of [
      [2, 'handled'],
      [3, 'late'],
    ] as const) {
      const result = guest.enter(NOW, invoke(id, name, ''), 0)
      expect([valueOf(result), result.unhandled]).toEqual([id, undefined])
    }
  })

  test('ends a start', () => {
    expect(
      faultOf(direct.load(`Promise.reject(new TypeError('no')); export const a = () => 1`)),
    ).toMatchObject({
      reason: 'start-threw',
      name: 'TypeError',
      message: 'no',
    })
  })
})
