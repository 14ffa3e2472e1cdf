/**
 * What a host checks of a module it received from any client, before a cell sees it: that it imports only what the
 * runtime provides and exports something. This is for messages, early and with the author's places; it is no
 * boundary. The lexer knows modules, not the whole grammar: the engine in the cell finds the other syntax errors,
 * and the cell's linker refuses every other import whatever this said.
 */
import { type Import, init, parse } from 'es-module-lexer'
import { printValue } from '../core/config-document.ts'
import { type ErrorCode, VelaError } from '../core/errors.ts'
import { createPlaceMapper, type SourcePlace } from './source-map.ts'

export const PROVIDED_MODULES: readonly string[] = ['@vela/guest-sdk', 'cloudflare:workers']

export interface CheckedSource {
  /** Names, `default` among them. */
  readonly exports: readonly string[]
}

export async function checkSource(source: string, sourceMap: string | null): Promise<CheckedSource> {
  await init()
  const placeAt = createPlaces(source, sourceMap)
  const fail = (code: ErrorCode, offset: number, message: string, details: object = {}): never => {
    const place = placeAt(offset)
    throw new VelaError(code, `${place.file}:${place.line}:${place.column}: ${message}`, {
      details: { ...place, ...details },
    })
  }
  if (source.includes('\0')) {
    return fail('VELA_DEPLOY_SYNTAX_ERROR', source.indexOf('\0'), 'the source has a NUL character')
  }
  const [imports, exports] = lex(source, fail)
  for (const found of imports) checkImport(found, source, fail)
  const names = exports.flatMap((found) =>
    found.type === 'reexport-all' || found.typeOnly ? [] : [found.name],
  )
  if (names.length === 0) {
    const message =
      'the service exports nothing; export a default object with fetch(request), or functions and classes to call'
    return fail('VELA_DEPLOY_MISSING_EXPORT', 0, message)
  }
  return { exports: names }
}

type Fail = (code: ErrorCode, offset: number, message: string, details?: object) => never

function lex(source: string, fail: Fail): ReturnType<typeof parse> {
  try {
    return parse(source)
  } catch (error) {
    const offset = (error as { idx?: unknown }).idx
    const message = 'this is not valid JavaScript (or nests more than a thousand levels)'
    return fail('VELA_DEPLOY_SYNTAX_ERROR', typeof offset === 'number' ? offset : 0, message)
  }
}

function checkImport(found: Import, source: string, fail: Fail): void {
  if (found.type === 'import-meta') return
  const name = found.specifier === undefined ? source.slice(found.start, found.end) : found.specifier
  const details = { specifier: name.slice(0, 200) }
  if (found.type === 'dynamic') {
    const message = `import(${printValue(name)}) is dynamic; guests load no code at run time, import it statically`
    fail('VELA_DEPLOY_UNKNOWN_IMPORT', found.importStart, message, details)
  }
  if (found.specifier === undefined || !PROVIDED_MODULES.includes(found.specifier) || found.phase !== null) {
    const message = `imports ${printValue(name)}; a bundle may import only ${PROVIDED_MODULES.join(' and ')}`
    fail('VELA_DEPLOY_UNKNOWN_IMPORT', found.importStart, message, details)
  }
}

function createPlaces(source: string, sourceMap: string | null): (offset: number) => SourcePlace {
  return (offset) => {
    const before = source.slice(0, offset)
    let line = 1
    for (let at = before.indexOf('\n'); at >= 0; at = before.indexOf('\n', at + 1)) line += 1
    const column = offset - (before.lastIndexOf('\n') + 1) + 1
    return createPlaceMapper(sourceMap)(line, column) ?? { file: 'service.js', line, column }
  }
}
