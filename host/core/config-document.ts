/**
 * JSON with comments as data with places, for the files people write by hand (configuration, manifest).
 * A manifest comes from a tenant, so the text is hostile: size, depth and number of values are checked on the
 * token stream before anything recurses over it, and keys that reach prototypes or appear twice are refused
 * instead of silently won by the last one.
 */
import {
  createScanner,
  getNodeValue,
  type Node as JsoncNode,
  type ParseError,
  parseTree,
  printParseErrorCode,
} from 'jsonc-parser'
import type { JsonValue } from '../registry/types.ts'
import { type ErrorCode, VelaError } from './errors.ts'

export interface Position {
  /** From 1. */
  readonly line: number
  /** From 1, in UTF-16 units as editors count. */
  readonly column: number
}

export type KeyPath = readonly (string | number)[]

export interface TextDocument {
  readonly value: JsonValue
  /** Where the value at `path` stands, or its nearest parent; `'key'` gives the place of its name instead. */
  positionOf(path: KeyPath, part?: 'key' | 'value'): Position
}

export interface DocumentOptions {
  /** The name used in messages. */
  readonly fileName: string
  readonly code: ErrorCode
  readonly maxBytes: number
}

export const MAX_DOCUMENT_DEPTH = 32
export const MAX_DOCUMENT_VALUES = 10_000

/** Keys that mean something to JavaScript itself; as data they are only ever an attack or a mistake. */
export const FORBIDDEN_KEYS: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype'])

export function parseDocument(text: string, options: DocumentOptions): TextDocument {
  const { fileName, maxBytes, code } = options
  const sizeBytes = Buffer.byteLength(text)
  if (sizeBytes > maxBytes) {
    throw new VelaError(code, `${fileName} has ${sizeBytes} bytes; at most ${maxBytes} are allowed`, {
      details: { file: fileName, sizeBytes, maxBytes },
    })
  }
  const source = text.startsWith('\uFEFF') ? text.slice(1) : text
  const places = createPlaces(source)
  const fail = (offset: number, message: string, path: KeyPath = []): never => {
    const { line, column } = places(offset)
    throw new VelaError(code, `${fileName}:${line}:${column}: ${message}`, {
      details: { file: fileName, line, column, ...(path.length > 0 ? { key: printPath(path) } : {}) },
    })
  }

  if (source.trim() === '') return fail(0, 'the file is empty; it should hold one JSON object')
  checkShape(source, fail)
  const errors: ParseError[] = []
  const root = parseTree(source, errors, { allowTrailingComma: true })
  const error = errors[0]
  if (error !== undefined) return fail(error.offset, syntaxMessage(error, source))
  if (root === undefined) return fail(0, 'the file holds no value; it should hold one JSON object')
  checkKeys(root, [], fail)
  return {
    value: getNodeValue(root) as JsonValue,
    positionOf: (path, part = 'value') => places(offsetOf(root, path, part)),
  }
}

/** `limits.cpuMs`, `routes[2]`, `vars["my key"]`: as one would write it in JavaScript. */
export function printPath(path: KeyPath): string {
  let text = ''
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`
    else if (/^[A-Za-z_$][\w$]{0,63}$/.test(part)) text += text === '' ? part : `.${part}`
    else text += `[${printValue(part)}]`
  }
  return text
}

/** A value for a message: one line, no control characters, never long. */
export function printValue(value: unknown): string {
  let text: string | undefined
  try {
    text = typeof value === 'string' ? JSON.stringify(value.slice(0, 200)) : JSON.stringify(value)
  } catch {
    text = undefined
  }
  text ??= typeof value
  const printable = text.replaceAll(
    /[\u007F-\u009F\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
  return printable.length > 80 ? `${printable.slice(0, 77)}…` : printable
}

/** ScanError and SyntaxKind are const enums of jsonc-parser, which type stripping cannot inline. */
const OPEN_BRACE = 1
const CLOSE_BRACE = 2
const OPEN_BRACKET = 3
const CLOSE_BRACKET = 4
const COMMA = 5
const END_OF_FILE = 17

function checkShape(source: string, fail: (offset: number, message: string) => never): void {
  const scanner = createScanner(source, true)
  let depth = 0
  let values = 0
  for (let token = scanner.scan() as number; token !== END_OF_FILE; token = scanner.scan() as number) {
    if (token === OPEN_BRACE || token === OPEN_BRACKET) depth += 1
    else if (token === CLOSE_BRACE || token === CLOSE_BRACKET) depth -= 1
    else if (token === COMMA) values += 1
    if (depth > MAX_DOCUMENT_DEPTH) {
      fail(scanner.getTokenOffset(), `nested more than ${MAX_DOCUMENT_DEPTH} levels deep`)
    }
    if (values > MAX_DOCUMENT_VALUES)
      fail(scanner.getTokenOffset(), `holds more than ${MAX_DOCUMENT_VALUES} values`)
  }
}

function checkKeys(
  node: JsoncNode,
  path: KeyPath,
  fail: (offset: number, message: string, path?: KeyPath) => never,
): void {
  if (node.type === 'array') {
    for (const [index, child] of (node.children ?? []).entries()) checkKeys(child, [...path, index], fail)
    return
  }
  if (node.type === 'number' && !Number.isFinite(node.value))
    fail(node.offset, `${printPath(path)}: the number is out of range`, path)
  if (node.type !== 'object') return
  const seen = new Set<string>()
  for (const property of node.children ?? []) {
    const [name, value] = property.children ?? []
    if (name === undefined || value === undefined) continue
    const key = String(name.value)
    const childPath = [...path, key]
    if (FORBIDDEN_KEYS.has(key)) fail(name.offset, `the key ${printValue(key)} is not allowed`, childPath)
    if (seen.has(key))
      fail(name.offset, `the key ${printPath(childPath)} appears twice; remove one`, childPath)
    seen.add(key)
    checkKeys(value, childPath, fail)
  }
}

function offsetOf(root: JsoncNode, path: KeyPath, part: 'key' | 'value'): number {
  let node = root
  let offset = root.offset
  for (const step of path) {
    const property = node.type === 'object' ? findProperty(node, step) : undefined
    const next = property?.children?.[1] ?? (typeof step === 'number' ? node.children?.[step] : undefined)
    if (next === undefined) break
    offset = part === 'key' ? (property ?? next).offset : next.offset
    node = next
  }
  return offset
}

function findProperty(node: JsoncNode, key: string | number): JsoncNode | undefined {
  return node.children?.find((property) => property.children?.[0]?.value === String(key))
}

function createPlaces(source: string): (offset: number) => Position {
  return (offset) => {
    const before = source.slice(0, offset)
    const lines = before.split(/\r\n|\r|\n/)
    return { line: lines.length, column: (lines.at(-1) ?? '').length + 1 }
  }
}

const SYNTAX_MESSAGES: Readonly<Record<string, string>> = {
  InvalidSymbol: 'this is not JSON; strings need double quotes',
  InvalidNumberFormat: 'this is not a number in JSON',
  PropertyNameExpected: 'a key in double quotes is expected here',
  ValueExpected: 'a value is expected here',
  ColonExpected: 'a colon is expected here',
  CommaExpected: 'a comma is expected here',
  CloseBraceExpected: 'a closing brace } is missing',
  CloseBracketExpected: 'a closing bracket ] is missing',
  EndOfFileExpected: 'the file should end here, after its one JSON value',
  UnexpectedEndOfComment: 'a comment is not closed',
  UnexpectedEndOfString: 'a string is not closed',
  UnexpectedEndOfNumber: 'a number is cut off',
  InvalidUnicode: 'this is not a valid \\u escape',
  InvalidEscapeCharacter: 'this is not a valid escape; use \\\\ for a backslash',
  InvalidCharacter: 'a control character is not allowed here; write it as an escape',
}

function syntaxMessage(error: ParseError, source: string): string {
  const found = source.slice(error.offset, error.offset + Math.min(error.length, 40))
  const message = SYNTAX_MESSAGES[printParseErrorCode(error.error)] ?? 'this is not valid JSON'
  return found.trim() === '' ? message : `${message} (found ${printValue(found)})`
}
