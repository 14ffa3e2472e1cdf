/** The Minimum Common Web API in real guests, and docs/web-api.md, which is made from what they say. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Runtime } from '../../host/index.ts'
import { describeEngines, ENGINES, type EngineName } from '../engines.ts'
import { DEVIATIONS } from './deviations.ts'
import { parseIdl, readInterfaces } from './idl.ts'
import { COMMAND, explain, failuresOf, renderPage, type Failure } from './page.ts'
import { bundleGuest, survey, type Survey } from './survey.ts'

const PAGE = join(import.meta.dirname, '../../docs/web-api.md')

const surveys: Partial<Record<EngineName, Survey>> = {}
let runtime: Runtime

beforeAll(async () => {
  runtime = await Runtime.create({
    data: null,
    gateway: { port: 0 },
    admin: { port: 0 },
    log: { level: 'silent' },
    cells: { spares: 0 },
  })
  await runtime.registry.createTenant('web')
  const source = await bundleGuest()
  for (const engine of ENGINES) surveys[engine] = await survey(runtime, source, engine)
})
afterAll(async () => {
  await runtime.stop()
})

const failures = (engine: EngineName): Failure[] => failuresOf(surveys[engine] as Survey)

describeEngines('the Minimum Common Web API', (engine) => {
  test('whatever does not hold is a known deviation', () => {
    const unknown = failures(engine).filter(({ row }) => explain(row, engine).length === 0)
    expect(unknown.map(({ row, found }) => `${row}: ${found}`)).toEqual([])
  })

  test('every known deviation is one still', () => {
    const rows = failures(engine).map(({ row }) => row)
    const gone = DEVIATIONS.filter(({ engines }) => engines?.includes(engine) ?? true)
      .flatMap(({ rows: known }) => known)
      .filter((known) => !rows.some((row) => row === known || row.startsWith(`${known}.`)))
    expect(gone).toEqual([])
  })

  test('the interfaces are those of the contract, and no area is empty', () => {
    const { members, behaviour } = surveys[engine] as Survey
    expect(Object.keys(members)).toEqual(readInterfaces().map(({ name }) => name))
    expect(Object.values(behaviour).map((report) => Object.keys(report).length === 0)).not.toContain(true)
  })
})

test(`docs/web-api.md says what the engines do (else: ${COMMAND})`, () => {
  const page = renderPage(surveys)
  if (process.env['VELA_WRITE_DOCS'] === '1') writeFileSync(PAGE, page)
  expect(readFileSync(PAGE, 'utf8'), `docs/web-api.md is not up to date: ${COMMAND}`).toBe(page)
})

test('the contract has every interface that ECMA-429 names', () => {
  const named =
    'AbortController AbortSignal Blob ByteLengthQueuingStrategy CompressionStream CountQueuingStrategy Crypto ' +
    'CryptoKey CustomEvent DecompressionStream DOMException ErrorEvent Event EventTarget File FormData Headers ' +
    'MessageChannel MessageEvent MessagePort Performance PromiseRejectionEvent ReadableByteStreamController ' +
    'ReadableStream ReadableStreamBYOBReader ReadableStreamBYOBRequest ReadableStreamDefaultController ' +
    'ReadableStreamDefaultReader Request Response SubtleCrypto TextDecoder TextDecoderStream TextEncoder ' +
    'TextEncoderStream TransformStream TransformStreamDefaultController URL URLPattern URLSearchParams WebAssembly ' +
    'WritableStream WritableStreamDefaultController WritableStreamDefaultWriter console globalThis navigator'
  expect(
    readInterfaces()
      .map(({ name }) => name)
      .sort(),
  ).toEqual(named.split(' ').sort())
})

test('the IDL is read with its overloads, optional arguments, mixins and inheritance', () => {
  const [one] = parseIdl(`
interface One : Two {
  constructor(DOMString a, optional sequence<(A or B)> b);
  undefined f(any a, any b);
  undefined f([EnforceRange] unsigned long a, any... rest);
  static One f();
  readonly attribute any x;
  iterable<A, B>;
};
interface mixin M {
  attribute any y;
};
One includes M;`)
  expect([one?.name, one?.parent, one?.constructorLength]).toEqual(['One', 'Two', 1])
  expect(one?.members.map(({ name, number, isReadonly }) => [name, number, isReadonly])).toEqual([
    ['f', 1, false],
    ['f', 0, false],
    ['x', 0, true],
    ['entries', 0, false],
    ['keys', 0, false],
    ['values', 0, false],
    ['forEach', 1, false],
    ['[Symbol.iterator]', 0, false],
    ['y', 0, false],
  ])
  expect(() => parseIdl('interface X {\n  what is this\n};')).toThrow('not understood')
})
