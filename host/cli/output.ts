/**
 * What a command prints. With --json exactly one JSON document goes to stdout; else results go to stdout and all
 * that accompanies them (progress, hints, errors) to stderr, so that a pipe carries results only.
 */
import Table from 'cli-table3'
import { jsonLine, printable, styled } from './text.ts'

export interface Output {
  readonly json: boolean
  /** The command's result: the document, or what `human` makes of it. */
  result(document: unknown, human: () => string): void
  /** One line of a stream (NDJSON), or a human line. */
  line(text: string): void
  /** Accompanies the result; silent with --json. */
  note(text: string): void
}

export function createOutput(json: boolean): Output {
  return {
    json,
    result(document, human) {
      process.stdout.write(`${json ? jsonLine(document) : human()}\n`)
    },
    line(text) {
      process.stdout.write(`${text}\n`)
    },
    note(text) {
      if (!json) process.stderr.write(`${text}\n`)
    },
  }
}

/** Cells are inert text; an empty table says `empty` instead. */
export function table(head: readonly string[], rows: readonly (readonly string[])[], empty: string): string {
  if (rows.length === 0) return empty
  const made = new Table({
    head: head.map((title) => styled('bold', title)),
    style: { head: [], border: [], compact: true },
    chars: PLAIN,
  })
  for (const row of rows) made.push(row.map(printable))
  return made
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n')
}

export function timeText(epochMs: number): string {
  const date = new Date(epochMs)
  return Number.isNaN(date.getTime()) ? '?' : date.toISOString().replace('T', ' ').slice(0, 19)
}

export function sizeText(bytes: number): string {
  return bytes < 1024
    ? `${bytes} B`
    : bytes < 1024 * 1024
      ? `${(bytes / 1024).toFixed(1)} kB`
      : `${(bytes / 1024 / 1024).toFixed(1)} MB`
}

const PLAIN = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: ' ',
} as const
