/**
 * Bodies and queries of the control API, parsed once and strictly. A mistake is answered with its place: line and
 * column of malformed JSON, key path of a wrong value. The body's text is never echoed: it may hold a secret.
 */
import type { FastifyInstance } from 'fastify'
import { parse as parseJsonc, printParseErrorCode, type ParseError } from 'jsonc-parser'
import type { z } from 'zod'
import { VelaError } from '../core/errors.ts'

/** Locating a mistake parses a second time; past this it is not worth it. */
const LOCATED_CHARS = 1024 * 1024
const MAX_DEPTH = 100

export function installJsonParser(app: FastifyInstance): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, body, done) => {
    try {
      done(null, parseJsonBody(body as string))
    } catch (error) {
      done(error as Error)
    }
  })
}

export function parseJsonBody(text: string): unknown {
  if (text === '') return undefined
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    const place = locate(text)
    throw new VelaError(
      'VELA_ADMIN_BAD_REQUEST',
      place === undefined
        ? 'the body is not valid JSON'
        : `the body is not valid JSON: line ${place.line}, column ${place.column} (${place.reason})`,
      { details: { ...place } },
    )
  }
  if (deeperThan(value, MAX_DEPTH)) {
    throw new VelaError('VELA_ADMIN_BAD_REQUEST', `the body nests deeper than ${MAX_DEPTH} levels`)
  }
  return value
}

function locate(text: string): { line: number; column: number; reason: string } | undefined {
  if (text.length > LOCATED_CHARS) return undefined
  const errors: ParseError[] = []
  try {
    parseJsonc(text, errors, { disallowComments: true, allowTrailingComma: false })
  } catch {
    return undefined
  }
  const first = errors[0]
  if (first === undefined) return undefined
  const before = text.slice(0, first.offset).split('\n')
  return {
    line: before.length,
    column: (before.at(-1)?.length ?? 0) + 1,
    reason: printParseErrorCode(first.error),
  }
}

/** Iterative: JSON.parse accepts nesting that every recursive reader after it would overflow on. */
function deeperThan(value: unknown, limit: number): boolean {
  let level: unknown[] = [value]
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > limit) return true
    const next: unknown[] = []
    for (const item of level) {
      if (typeof item !== 'object' || item === null) continue
      for (const child of Object.values(item)) {
        if (typeof child === 'object' && child !== null) next.push(child)
      }
    }
    level = next
  }
  return false
}

/** `value` as the schema's type; else VELA_ADMIN_BAD_REQUEST naming the first wrong key. */
export function parseWith<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  where: string,
): z.output<Schema> {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  const key = issue?.path.map(String).join('.') ?? ''
  const place = key === '' ? where : `${where}: ${key}`
  throw new VelaError('VELA_ADMIN_BAD_REQUEST', `${place}: ${issue?.message ?? 'is not valid'}`, {
    details: { in: where, key },
  })
}
