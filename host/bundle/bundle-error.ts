/**
 * esbuild's messages as Vela's errors: the author's file, line and column, the offending line, and what to do.
 * Nothing names a path of the host, and no text of a file outside the service's folder is shown.
 */
import { isBuiltin } from 'node:module'
import type { Message } from 'esbuild'
import { VelaError } from '../core/errors.ts'

const MAX_SHOWN = 5
const MAX_LINE_LENGTH = 200

export function bundleError(root: string, messages: readonly Partial<Message>[], cause: unknown): VelaError {
  const shown = messages.slice(0, MAX_SHOWN).map((message) => printMessage(root, message))
  if (messages.length > MAX_SHOWN) shown.push(`… and ${messages.length - MAX_SHOWN} more`)
  if (shown.length === 0) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    return new VelaError('VELA_DEPLOY_BUNDLE_FAILED', `the bundler failed: ${withoutRoot(root, reason)}`)
  }
  const place = messages[0] === undefined ? undefined : placeOf(messages[0])
  // No cause: esbuild's own error carries the host's absolute paths.
  return new VelaError('VELA_DEPLOY_BUNDLE_FAILED', shown.join('\n'), {
    details: { ...place, errors: shown },
  })
}

export function printMessage(root: string, message: Partial<Message>): string {
  const text = explain(withoutRoot(root, message.text ?? 'unknown error'))
  const place = placeOf(message)
  if (place === undefined) return text
  const { file, line, column, lineText } = place
  const head = `${file}:${line}:${column}: ${text}`
  if (lineText === undefined) return head
  const gutter = `  ${line} | `
  const pointer = column <= lineText.length + 1 ? `\n${' '.repeat(gutter.length + column - 1)}^` : ''
  return `${head}\n${gutter}${lineText}${pointer}`
}

interface Place {
  readonly file: string
  readonly line: number
  readonly column: number
  readonly lineText?: string
}

function placeOf({ location }: Partial<Message>): Place | undefined {
  if (location === null || location === undefined) return undefined
  const { file, line, lineText } = location
  // esbuild counts the bytes before the place; people count characters.
  const before = Buffer.from(lineText).subarray(0, location.column).toString()
  const isOwn = !file.startsWith('..') && !file.startsWith('/')
  const isPrintable = lineText.length <= MAX_LINE_LENGTH && !/[^\P{Cc}\t]/u.test(lineText)
  return {
    file,
    line,
    column: before.length + 1,
    ...(isOwn && isPrintable ? { lineText: lineText.replaceAll('\t', ' ') } : {}),
  }
}

function explain(text: string): string {
  const specifier = /^Could not resolve "([^"]*)"/.exec(text)?.[1]
  if (specifier === undefined) return text
  if (isBuiltin(specifier)) {
    return `imports "${specifier}", a module of Node; guests have no Node APIs, use web APIs or ask for a capability`
  }
  if (/^[./]/.test(specifier)) return `imports "${specifier}", and there is no such file`
  return `imports "${specifier}", which is not installed; install it beside the service or correct the name`
}

function withoutRoot(root: string, text: string): string {
  return root === '/' ? text : text.replaceAll(`${root}/`, '').replaceAll(root, '.')
}
