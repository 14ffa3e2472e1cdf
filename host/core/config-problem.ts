/**
 * Turns what zod found into one sentence a person can act on: the key, its value, what is allowed, and the key
 * that was probably meant. Schemas carry "what is allowed" as the message of each check, so one text serves
 * every way in which a value can be wrong.
 */
import type { z } from 'zod'
import type { JsonValue } from '../registry/types.ts'
import {
  FORBIDDEN_KEYS,
  type KeyPath,
  MAX_DOCUMENT_DEPTH,
  MAX_DOCUMENT_VALUES,
  printPath,
  printValue,
} from './config-document.ts'

export interface Problem {
  readonly path: KeyPath
  /** Whether the key itself is wrong (unknown, ill-formed) rather than its value. */
  readonly part: 'key' | 'value'
  readonly message: string
  readonly value?: unknown
  readonly allowed?: string
  readonly didYouMean?: string
}

type Issue = z.core.$ZodIssue

/** The first problem of a failed parse, most specific first: an unknown key explains a missing one. */
export function explainIssues(
  issues: readonly Issue[],
  input: unknown,
  schema: z.ZodType,
  hint?: (key: string) => string | undefined,
): Problem {
  const unknown = issues.find((issue) => issue.code === 'unrecognized_keys')
  return explain(unknown ?? issues[0], [], input, schema, hint)
}

function explain(
  issue: Issue | undefined,
  base: KeyPath,
  input: unknown,
  schema: z.ZodType,
  hint?: (key: string) => string | undefined,
): Problem {
  if (issue === undefined) return { path: base, part: 'value', message: 'is not valid' }
  const path = [...base, ...issue.path.map((step) => (typeof step === 'symbol' ? String(step) : step))]
  if (issue.code === 'unrecognized_keys') {
    const key = issue.keys[0] ?? ''
    return unknownKey([...path, key], knownKeys(schema, path), hint?.(key))
  }
  if (issue.code === 'invalid_key') {
    const allowed = issue.issues[0]?.message ?? 'a valid key'
    const message = `${printPath(path)}: the key is not allowed; use ${allowed}`
    return { path, part: 'key', message, value: path.at(-1), allowed }
  }
  const value = valueAt(input, path)
  if (issue.code === 'invalid_union') return explainUnion(issue, path, value, input, schema)
  const allowed = issue.message
  const message =
    value === undefined
      ? `${printPath(path)} is missing; it must be ${allowed}`
      : `${path.length === 0 ? 'the value' : printPath(path)} is ${printValue(value)}; it must be ${allowed}`
  return { path, part: 'value', message, value, allowed }
}

/** Of the branches, the one that accepted the type and complained further in; else all they allow. */
function explainUnion(
  issue: Extract<Issue, { code: 'invalid_union' }>,
  path: KeyPath,
  value: unknown,
  input: unknown,
  schema: z.ZodType,
): Problem {
  const deeper = issue.errors.find((errors) =>
    errors.every((inner) => inner.path.length > 0 || inner.code === 'unrecognized_keys'),
  )
  const inner = deeper?.find((error) => error.code === 'unrecognized_keys') ?? deeper?.[0]
  if (inner !== undefined) return explain(inner, path, input, schema)
  const allowed =
    issue.message === 'Invalid input'
      ? [...new Set(issue.errors.map((errors) => errors[0]?.message ?? 'another value'))].join(' or ')
      : issue.message
  return {
    path,
    part: 'value',
    message: `${printPath(path)} is ${printValue(value)}; it must be ${allowed}`,
    value,
    allowed,
  }
}

export function unknownKey(path: KeyPath, known: readonly string[], hint?: string): Problem {
  const didYouMean = closest(String(path.at(-1)), known)
  const advice =
    hint ??
    (didYouMean === undefined
      ? known.length > 0
        ? `known keys: ${known.join(', ')}`
        : 'remove it'
      : `did you mean ${printValue(didYouMean)}?`)
  return {
    path,
    part: 'key',
    message: `${printPath(path)} is not a known key; ${advice}`,
    ...(didYouMean === undefined ? {} : { didYouMean }),
    allowed: known.join(', '),
  }
}

/** The candidate that differs by a typing error or only in case and separators. */
export function closest(word: string, candidates: readonly string[]): string | undefined {
  if (word.length > 64) return undefined
  const plain = plainWord(word)
  let best: string | undefined
  let bestDistance = Math.max(2, Math.floor(word.length / 4)) + 1
  for (const candidate of candidates) {
    const distance =
      plainWord(candidate) === plain ? 0 : editDistance(word.toLowerCase(), candidate.toLowerCase())
    if (distance < bestDistance && distance < candidate.length) {
      best = candidate
      bestDistance = distance
    }
  }
  return best
}

const plainWord = (word: string): string => word.toLowerCase().replaceAll(/[-_.\s]/g, '')

/** Optimal string alignment: a swap of neighbours counts as one error, as it is when typing. */
function editDistance(left: string, right: string): number {
  let beforeLast: number[] = []
  let last = Array.from({ length: right.length + 1 }, (_, index) => index)
  for (let row = 1; row <= left.length; row++) {
    const current = [row]
    for (let column = 1; column <= right.length; column++) {
      const cost = left[row - 1] === right[column - 1] ? 0 : 1
      let distance = Math.min(
        (last[column] ?? 0) + 1,
        (current[column - 1] ?? 0) + 1,
        (last[column - 1] ?? 0) + cost,
      )
      if (
        row > 1 &&
        column > 1 &&
        left[row - 1] === right[column - 2] &&
        left[row - 2] === right[column - 1]
      ) {
        distance = Math.min(distance, (beforeLast[column - 2] ?? 0) + 1)
      }
      current.push(distance)
    }
    beforeLast = last
    last = current
  }
  return last[right.length] ?? 0
}

/** The keys an object schema has at `path`, looking through defaults, optionals, unions and records. */
export function knownKeys(schema: z.ZodType, path: KeyPath): string[] {
  let current: SchemaNode | undefined = objectOf(schema as unknown as SchemaNode)
  for (const step of path) {
    const def: SchemaDef | undefined = current?._zod.def
    const next: SchemaNode | undefined =
      typeof step === 'number' ? def?.element : (def?.shape?.[step] ?? def?.valueType)
    current = next === undefined ? undefined : objectOf(next)
  }
  return Object.keys(current?._zod.def.shape ?? {})
}

interface SchemaDef {
  readonly innerType?: SchemaNode
  /** Of a transform: what it reads. */
  readonly in?: SchemaNode
  readonly options?: readonly SchemaNode[]
  readonly element?: SchemaNode
  readonly valueType?: SchemaNode
  readonly shape?: Readonly<Record<string, SchemaNode>>
}
interface SchemaNode {
  readonly _zod: { readonly def: SchemaDef }
}

function objectOf(schema: SchemaNode): SchemaNode {
  const { innerType, in: before, options } = schema._zod.def
  const wrapped = innerType ?? before
  if (wrapped !== undefined) return objectOf(wrapped)
  const inner = options?.map(objectOf)
  return inner?.find((option) => option._zod.def.shape !== undefined) ?? inner?.[0] ?? schema
}

export function valueAt(input: unknown, path: KeyPath): unknown {
  let value = input
  for (const step of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return undefined
    value = (value as Record<string | number, unknown>)[step]
  }
  return value
}

/**
 * A plain copy of what a program handed in, or a problem. The copy is what is then used, so that accessors,
 * proxies and later changes of the original have no say; `undefined` members are left out, as in JSON.
 */
export function copyJson(input: unknown): { value: JsonValue | undefined } | { problem: Problem } {
  let values = 0
  const found: { problem?: Problem } = {}
  const refuse = (path: KeyPath, message: string, part: 'key' | 'value' = 'value'): undefined => {
    found.problem ??= {
      path,
      part,
      message: `${path.length === 0 ? 'the value' : printPath(path)} ${message}`,
    }
    return undefined
  }
  const copy = (value: unknown, path: KeyPath): JsonValue | undefined => {
    values += 1
    if (found.problem !== undefined) return undefined
    if (values > MAX_DOCUMENT_VALUES) return refuse([], `holds more than ${MAX_DOCUMENT_VALUES} values`)
    if (path.length > MAX_DOCUMENT_DEPTH)
      return refuse([], `is nested more than ${MAX_DOCUMENT_DEPTH} levels deep`)
    if (value === null || typeof value === 'string' || typeof value === 'boolean') return value
    if (typeof value === 'number')
      return Number.isFinite(value) ? value : refuse(path, 'is not a finite number')
    if (value === undefined) return undefined
    if (typeof value !== 'object') return refuse(path, `is a ${typeof value}; only JSON values are allowed`)
    if (Array.isArray(value)) {
      const length = Math.min(value.length, MAX_DOCUMENT_VALUES + 1)
      return Array.from({ length }, (_, index) => copy(value[index], [...path, index]) ?? null)
    }
    const result: Record<string, JsonValue> = {}
    for (const key of Object.keys(value)) {
      if (FORBIDDEN_KEYS.has(key)) return refuse([...path, key], 'is not allowed as a key', 'key')
      const copied = copy((value as Record<string, unknown>)[key], [...path, key])
      if (found.problem !== undefined) return undefined
      if (copied !== undefined) result[key] = copied
    }
    return result
  }
  try {
    const value = copy(input, [])
    return found.problem === undefined ? { value } : { problem: found.problem }
  } catch {
    return { problem: { path: [], part: 'value', message: 'the value cannot be read as plain data' } }
  }
}
