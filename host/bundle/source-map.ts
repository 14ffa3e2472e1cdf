/**
 * Places in the bundle back to places in the author's files. The map comes from the tenant and the stack from a
 * guest, so both are hostile: sizes are capped, names are stripped of control characters, nothing here throws, and
 * the map is decoded only when something has to be looked up.
 */
import { originalPositionFor, TraceMap } from '@jridgewell/trace-mapping'

export interface SourcePlace {
  readonly file: string
  /** From 1. */
  readonly line: number
  /** From 1. */
  readonly column: number
}

/** `line` and `column` from 1, as V8 prints them. */
export type PlaceMapper = (line: number, column: number) => SourcePlace | undefined

const MAX_MAP_LENGTH = 32 * 1024 * 1024
const MAX_STACK_LENGTH = 16 * 1024
const MAX_LINES = 64
const MAX_LINE_LENGTH = 1024
const MAX_NAME_LENGTH = 256
/** The kernel's own files; a guest's author has no use for them. */
const KERNEL_PREFIX = 'vela:'

export function createPlaceMapper(sourceMap: string | null): PlaceMapper {
  let map: TraceMap | null | undefined
  return (line, column) => {
    if (map === undefined) map = openMap(sourceMap)
    if (map === null || !(line >= 1) || !(column >= 1)) return undefined
    try {
      const found = originalPositionFor(map, { line, column: column - 1 })
      if (typeof found.source !== 'string' || found.line === null || found.column === null) return undefined
      return { file: cleanName(found.source), line: found.line, column: found.column + 1 }
    } catch {
      // Mappings are decoded at the first lookup; a map that cannot be is of no use later either.
      map = null
      return undefined
    }
  }
}

/** Rewrites a stack of V8 so that it names the author's files and lines, without the kernel's frames. */
export function createStackMapper(
  sourceMap: string | null,
  generatedName: string,
): (stack: string) => string {
  const placeOf = createPlaceMapper(sourceMap)
  return (stack) => {
    const text = stack.length > MAX_STACK_LENGTH ? stack.slice(0, MAX_STACK_LENGTH) : stack
    const lines: string[] = []
    for (const line of text.split('\n')) {
      if (lines.length >= MAX_LINES) break
      const cut = line.length > MAX_LINE_LENGTH ? `${line.slice(0, MAX_LINE_LENGTH)}…` : line
      const mapped = mapLine(cut, generatedName, placeOf)
      if (mapped !== undefined) lines.push(mapped)
    }
    return lines.join('\n')
  }
}

/** undefined drops the line. */
function mapLine(line: string, generatedName: string, placeOf: PlaceMapper): string | undefined {
  const trimmed = line.trimStart()
  if (trimmed.startsWith('at ')) {
    return isKernelFrame(trimmed) ? undefined : replacePlaces(line, generatedName, placeOf)
  }
  // The heading of a syntax error ("service.js:12"), or the place that isolated-vm adds ("… [service.js:12:3]").
  if (trimmed.startsWith(`${generatedName}:`) || line.endsWith(']')) {
    return replacePlaces(line, generatedName, placeOf)
  }
  return line
}

function isKernelFrame(frame: string): boolean {
  const open = frame.lastIndexOf('(')
  const location = open >= 0 ? frame.slice(open + 1) : frame.slice(3).replace(/^async /, '')
  return location.startsWith(KERNEL_PREFIX)
}

function replacePlaces(line: string, generatedName: string, placeOf: PlaceMapper): string {
  const needle = `${generatedName}:`
  let result = ''
  let from = 0
  for (let at = line.indexOf(needle); at >= 0; at = line.indexOf(needle, from)) {
    const digits = /^(\d{1,9})(?::(\d{1,9}))?/.exec(line.slice(at + needle.length, at + needle.length + 20))
    const end = at + needle.length + (digits?.[0].length ?? 0)
    // A longer name that ends in ours ("my-service.js:1") is another file.
    const isWhole = at === 0 || /[\s([<]/.test(line[at - 1] ?? '') || line.slice(0, at).endsWith('file:///')
    const place = isWhole && digits !== null ? placeOf(Number(digits[1]), Number(digits[2] ?? 1)) : undefined
    if (place === undefined) {
      result += line.slice(from, end)
    } else {
      const column = digits?.[2] === undefined ? '' : `:${place.column}`
      result += `${line.slice(from, at)}${place.file}:${place.line}${column}`
    }
    from = end
  }
  return result + line.slice(from)
}

function openMap(sourceMap: string | null): TraceMap | null {
  if (sourceMap === null || sourceMap.length > MAX_MAP_LENGTH) return null
  try {
    const parsed: unknown = JSON.parse(sourceMap)
    if (typeof parsed !== 'object' || parsed === null) return null
    const { version, mappings, sources, names } = parsed as Record<string, unknown>
    if (version !== 3 || typeof mappings !== 'string' || !isTextList(sources)) return null
    // Only what is needed: no sourceRoot, no sections, no contents held in memory.
    return new TraceMap({ version: 3, mappings, sources, names: isTextList(names) ? names : [] })
  } catch {
    return null
  }
}

const isTextList = (value: unknown): value is string[] =>
  Array.isArray(value) && value.every((item) => typeof item === 'string')

function cleanName(name: string): string {
  return name.slice(-MAX_NAME_LENGTH).replaceAll(/[\p{Cc}\p{Zl}\p{Zp}\p{Cf}]/gu, '?')
}
