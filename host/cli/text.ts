/**
 * Text on its way to a terminal. Names, messages and log lines come from guests and hosts; a control character in
 * them could recolour, overwrite or forge lines, or drive the terminal (ESC, and its one-byte C1 forms), and a
 * bidirectional override could show text in another order than it has. All of these are shown, never obeyed.
 */
import { styleText } from 'node:util'

export type Style = Parameters<typeof styleText>[0]

// C0, DEL, C1; line and paragraph separators; bidirectional marks, embeddings, overrides and isolates.
// oxlint-disable-next-line no-control-regex
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g

/** One line of inert text: unsafe characters as escapes. */
export function printable(text: string): string {
  return text.replace(UNSAFE, escapeOf)
}

/** Several lines of inert text: line breaks stay, each line but the first begins with `indent`. */
export function printableLines(text: string, indent: string): string {
  return text
    .split(/\r?\n/)
    .map((line) => printable(line.replaceAll('\t', '  ')))
    .join(`\n${indent}`)
}

/** JSON that a terminal takes literally too: what JSON leaves unescaped above U+007E and is unsafe is escaped. */
export function jsonLine(value: unknown, indent?: number): string {
  // Line breaks are JSON's own indentation here; inside strings they are escaped already.
  return JSON.stringify(value, null, indent).replace(UNSAFE, (char) =>
    char === '\n' ? char : unicodeEscape(char),
  )
}

/** Styled when stdout is a terminal that wants it (NO_COLOR and the like are respected). */
export function styled(style: Style, text: string, stream: NodeJS.WriteStream = process.stdout): string {
  return styleText(style, text, { stream })
}

function escapeOf(char: string): string {
  if (char === '\n') return '\\n'
  if (char === '\r') return '\\r'
  if (char === '\t') return '\\t'
  return unicodeEscape(char)
}

function unicodeEscape(char: string): string {
  return `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`
}
