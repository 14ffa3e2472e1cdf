/** The codec is the same on both engines and in the host: the very file runs in real guests, and texts go both ways. */
import { isDeepStrictEqual } from 'node:util'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { decodeValue, encodeValue } from '../../guest-sdk/async/codec.ts'
import { startHost, type Host } from '../capabilities/support.ts'
import { describeEngines } from '../engines.ts'
import { values } from './values.ts'

const GUEST = `
import { encodeValue, decodeValue, cloneValue } from './codec.ts'
export const again = (texts) => texts.map((text) => encodeValue(cloneValue(decodeValue(text))))
export const refused = (texts) => texts.map((text) => {
  try { decodeValue(text); return 'a value' } catch (error) { return error.name + ' ' + error.code }
})
export const deep = (levels) => {
  const nested = (core, wrap) => { let value = core; for (let level = 0; level < levels; level++) value = wrap(value); return value }
  return [nested(1, (value) => [value]), nested(1n, (value) => ({ v: value })), nested(1, (value) => new Map([[1, value]])),
    nested(1, (value) => new Error('e', { cause: value }))].map((value) => {
    try { const text = encodeValue(value); return (value instanceof Error || cloneValue(value) !== value) && encodeValue(decodeValue(text)) === text } catch (error) { return error.name }
  })
}
export const patched = (texts) => {
  let seen = ''
  const { defineProperty } = Object
  const spy = (value, what = 'a setter') => { seen += what + ' '; return value }
  for (const [holder, name] of [[JSON, 'parse'], [JSON, 'stringify'], [Array, 'isArray'], [Object, 'keys'], [Object, 'defineProperty'],
    [Object, 'getPrototypeOf'], [Map.prototype, 'set'], [Set.prototype, 'add'], [Set.prototype, 'has'], [Array.prototype, 'toSpliced'],
    [String.prototype, 'charCodeAt'], [String.prototype, 'slice'], [RegExp.prototype, 'test'], [Date.prototype, 'getTime']])
    holder[name] = (first) => { spy(first, name); throw new Error('patched') }
  globalThis.Map = globalThis.Set = globalThis.Date = globalThis.Uint8Array = globalThis.RegExp = globalThis.BigInt = undefined
  Object.prototype.toJSON = () => spy(1, 'toJSON')
  for (const name of ['a', '0', '1', 'cause', 'x'])
    defineProperty(Object.prototype, name, { set: spy, get: () => undefined, configurable: true })
  Array.prototype[Symbol.iterator] = () => { spy(1, 'iterator'); throw new Error('patched') }
  let out = ''
  for (let index = 0; index < texts.length; index++) out += encodeValue(cloneValue(decodeValue(texts[index]))) + '\\n'
  delete Object.prototype.toJSON
  return { out, seen }
}
`

let host: Host
let source: string
beforeAll(async () => {
  const folder = fileURLToPath(new URL('../../guest-sdk/async', import.meta.url))
  const { outputFiles } = await build({
    stdin: { contents: GUEST, resolveDir: folder, loader: 'ts' },
    bundle: true,
    format: 'esm',
    write: false,
  })
  source = outputFiles[0]?.text ?? ''
  host = await startHost({ cells: { spares: 0 } })
})
afterAll(() => host.runtime.stop())

describeEngines('the codec', (engine) => {
  const at = `${engine}/codec`
  beforeAll(() => host.deploy(at, source, { engine, limits: { cpuMs: 20_000, wallMs: 60_000 } }))

  test('makes of every text of the host the value that the host has, and the same text again', async () => {
    const samples = fc.sample(values, 300)
    const texts = samples.map(encodeValue)
    const again = (await host.invoke(at, 'again', texts)) as string[]
    expect(again).toEqual(texts)
    expect(
      again.map(decodeValue).findIndex((value, index) => !isDeepStrictEqual(value, samples[index])),
    ).toBe(-1)
  })

  test('carries a thousand levels, and refuses more with its own error', async () => {
    expect(await host.invoke(at, 'deep', 1000)).toEqual([true, true, true, true])
    expect(await host.invoke(at, 'deep', 1001)).toEqual(Array.from({ length: 4 }, () => 'DataCloneError'))
  })

  test('refuses texts of a hostile cell without harm to the isolate', async () => {
    const texts = [
      '['.repeat(300_000),
      `$${'["",'.repeat(100_000)}`,
      '$["view","Function","AQI="]',
      '$["regexp","(",""]',
      '{',
    ]
    const refused = texts.map(() => 'DataCloneError VELA_VALUE_NOT_CLONEABLE')
    expect(await host.invoke(at, 'refused', texts)).toEqual(refused)
    expect(await host.invoke(at, 'again', ['1'])).toEqual(['1'])
  })

  test('spends no time on errors that stand deep in a hostile text', async () => {
    const errors = Array.from({ length: 5000 }, () => '["error","E","m"]').join()
    const text = `$${'["",'.repeat(900)}["",${errors}]${']'.repeat(900)}`
    // With the stack of each noted it takes ten times the limit.
    await host.deploy(`${engine}/brief`, source, { engine, limits: { cpuMs: 2000 } })
    expect(await host.invoke(`${engine}/brief`, 'refused', [text])).toEqual(['a value'])
  })

  test('means the same whatever the guest has patched, and lets none of it see a value', async () => {
    const own = [
      '{"a":[1,{"0":2}],"x":{"__proto__":{"b":1}}}',
      '${"a":["map",["set",["bigint","5"]],["date",7]],"1":["bytes","AQID"]}',
      '$["error","Error","m","cause",["regexp","a","g"]]',
      '$["",["number","NaN"],["sparse",2,1,{"cause":["undefined"]}]]',
    ]
    await host.deploy(`${engine}/patched`, source, { engine, limits: { cpuMs: 20_000 } })
    const { out, seen } = (await host.invoke(`${engine}/patched`, 'patched', own)) as {
      out: string
      seen: string
    }
    expect(seen).toBe('')
    const lines = out.split('\n').slice(0, -1)
    expect(lines.map(decodeValue)).toStrictEqual(own.map(decodeValue))
  })
})
