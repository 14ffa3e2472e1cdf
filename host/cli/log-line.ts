/** One log entry as people read it. The message is the guest's: inert, and no line of it can pass for another entry. */
import type { LogEntry } from '../core/control.ts'
import { printable, printableLines, styled, type Style } from './text.ts'

const LEVEL_STYLES: Readonly<Record<LogEntry['level'], Style>> = {
  debug: 'dim',
  info: 'cyan',
  warn: 'yellow',
  error: 'red',
}

export function logLine(entry: LogEntry): string {
  const date = new Date(entry.time)
  const time = Number.isNaN(date.getTime()) ? '?' : date.toISOString().slice(11, 23)
  const level = styled(LEVEL_STYLES[entry.level] ?? 'dim', printable(entry.level).padEnd(5))
  const from = entry.source === 'runtime' ? `${styled('magenta', 'vela')} ` : ''
  const code = entry.code === undefined ? '' : ` ${styled('dim', `(${printable(entry.code)})`)}`
  const stack = entry.stack === undefined ? '' : `\n  | ${printableLines(entry.stack, '  | ')}`
  return `${styled('dim', time)} ${level} ${from}${printableLines(entry.message, '  | ')}${code}${stack}`
}
