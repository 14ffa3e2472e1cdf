import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { checkSource } from '../../host/bundle/check-source.ts'
import { VelaError } from '../../host/core/errors.ts'

const refused = async (source: string, map: string | null = null): Promise<VelaError> => {
  const error: unknown = await checkSource(source, map).then(
    () => new Error('it was accepted'),
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(VelaError)
  return error as VelaError
}

describe('the source a host receives', () => {
  test.each([
    ['export default { fetch() {} }', ['default']],
    ['import { Actor } from "@vela/guest-sdk"; export class Cart extends Actor {}', ['Cart']],
    ['const a = 1, b = 2; export { a as default, b }', ['default', 'b']],
    ['export { Actor } from "cloudflare:workers"', ['Actor']],
    ['export const text = "import(1)" // import("x")', ['text']],
    ['export const here = import.meta.url', ['here']],
  ])('%s is accepted', async (source, names) => {
    expect((await checkSource(source, null)).exports).toEqual(names)
  })

  test.each([
    [
      'VELA_DEPLOY_UNKNOWN_IMPORT',
      'import fs from "node:fs"; export default fs',
      '1:1: imports "node:fs"; a bundle may import only',
    ],
    ['VELA_DEPLOY_UNKNOWN_IMPORT', 'export * from "./x.js"', '1:1: imports "./x.js"'],
    [
      'VELA_DEPLOY_UNKNOWN_IMPORT',
      '\n  import "vela:kernel"\nexport default 1',
      '2:3: imports "vela:kernel"',
    ],
    ['VELA_DEPLOY_UNKNOWN_IMPORT', 'import{a}from"\\x66s";export{a}', 'imports "fs"'],
    [
      'VELA_DEPLOY_UNKNOWN_IMPORT',
      'import source x from "@vela/guest-sdk"; export default x',
      'imports "@vela/guest-sdk"',
    ],
    [
      'VELA_DEPLOY_UNKNOWN_IMPORT',
      'export default () => import("@vela/guest-sdk")',
      '1:22: import("@vela/guest-sdk") is dynamic',
    ],
    [
      'VELA_DEPLOY_UNKNOWN_IMPORT',
      'export default (x) => import(x + "\\u0001")',
      'is dynamic; guests load no code',
    ],
    ['VELA_DEPLOY_MISSING_EXPORT', 'console.log(1)', 'the service exports nothing'],
    ['VELA_DEPLOY_MISSING_EXPORT', 'module.exports = {}', 'the service exports nothing'],
    ['VELA_DEPLOY_MISSING_EXPORT', 'export * from "@vela/guest-sdk"', 'the service exports nothing'],
    ['VELA_DEPLOY_MISSING_EXPORT', '', 'the service exports nothing'],
    ['VELA_DEPLOY_SYNTAX_ERROR', 'export default {\n  a: `${\n', 'not valid JavaScript'],
    ['VELA_DEPLOY_SYNTAX_ERROR', '('.repeat(100_000), 'nests more than'],
    ['VELA_DEPLOY_SYNTAX_ERROR', '`${'.repeat(100_000), 'nests more than'],
    ['VELA_DEPLOY_SYNTAX_ERROR', 'export default 1\n\0', '2:1: the source has a NUL character'],
  ])('%s for %j', async (code, source, message) => {
    const error = await refused(source)
    expect(error.code).toBe(code)
    expect(error.message).toContain(message)
    expect(error.message).toContain('service.js:')
  })

  test('is blamed in the author’s file when there is a map', async () => {
    // One segment: column 0 of line 1 is src/shop.ts 3:5.
    const map = JSON.stringify({ version: 3, sources: ['src/shop.ts'], names: [], mappings: 'AAEI' })
    expect((await refused('import "fs"', map)).message).toBe(
      'src/shop.ts:3:5: imports "fs"; a bundle may import only @vela/guest-sdk and cloudflare:workers',
    )
    expect((await refused('import "fs"', '{"version":3')).message).toContain('service.js:1:1')
  })

  test('whatever it is, is accepted or refused with a VelaError, and checking goes on working', async () => {
    const piece = fc.constantFrom(
      'import',
      'export',
      ' ',
      '{',
      '}',
      '(',
      ')',
      '`',
      '${',
      '"x"',
      'from',
      '/',
      '*',
      '\n',
      'default',
      'type',
      ';',
      '\\',
      '<',
      '=',
    )
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.string({ unit: 'binary' }),
          fc.array(piece).map((parts) => parts.join('')),
        ),
        async (source) => {
          await checkSource(source, null).catch((error: unknown) => expect(error).toBeInstanceOf(VelaError))
          expect((await checkSource('export const ok = 1', null)).exports).toEqual(['ok'])
        },
      ),
      { numRuns: 500 },
    )
  })

  test('of megabytes is checked in linear time', async () => {
    for (const unit of ['a/', 'import(', '{', 'export{a as b},', '/*', '`', "'\\"]) {
      const startedAt = performance.now()
      await checkSource(unit.repeat(1_000_000), null).catch(() => undefined)
      expect(performance.now() - startedAt).toBeLessThan(5000)
    }
  })
})
