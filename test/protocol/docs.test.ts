/** docs/protocol.md is the protocol: its tables name exactly the kinds of the code, and its example is made of real frames. */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import {
  BODY,
  FROM_GUEST,
  HANDLER,
  INITIAL_CREDIT,
  INLINE_BODY_LIMIT,
  TO_GUEST,
} from '../../guest-sdk/kernel/messages.ts'
import { RECORD } from '../../host/cells/recorder.ts'
import { readOutput } from '../../host/cells/guest-output.ts'
import { createFrameReader } from '../../sandbox/protocol/frame-reader.ts'
import { FROM_CELL, PROTOCOL_VERSION, TO_CELL, type Frame } from '../../sandbox/protocol/frame.ts'

const page = readFileSync(new URL('../../docs/protocol.md', import.meta.url), 'utf8')

/** Cells of the rows between a heading and the next heading. */
function rowsOf(heading: string): string[][] {
  const section = page.slice(page.indexOf(`\n${heading}\n`) + heading.length).split(/\n#+ /)[0] ?? ''
  return section
    .split('\n')
    .filter((line) => /^\| +\d/.test(line))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    )
}

const pairs = (rows: string[][], at = 0): [string | undefined, number][] =>
  rows.map((row) => [row[at + 1]?.toLowerCase(), Number(row[at])])

test.each([
  ['### Host to cell', TO_CELL],
  ['### Cell to host', FROM_CELL],
  ['### To the guest', TO_GUEST],
])('the table under %s lists exactly what the code has', (heading, kinds) => {
  expect(pairs(rowsOf(heading))).toEqual(Object.entries(kinds))
})

test('the table of what comes from the guest lists exactly what the code has, and so do those of handlers and bodies', () => {
  const rows = rowsOf('### From the guest')
  expect(pairs(rows.filter((row) => row.length === 3))).toEqual(Object.entries(FROM_GUEST))
  const small = rows.filter((row) => row.length === 5)
  expect(pairs(small)).toEqual(Object.entries(HANDLER).map(([name, number]) => [name.toLowerCase(), number]))
  expect(
    pairs(
      small.filter((row) => row[2] !== ''),
      2,
    ),
  ).toEqual(Object.entries(BODY))
})

test('the forms of messages open with their numbers', () => {
  for (const heading of ['### To the guest', '### From the guest']) {
    for (const [number, , form] of rowsOf(heading).filter((row) => row.length === 3)) {
      expect(form).toMatch(new RegExp(`^\`\\[${number},`))
    }
  }
})

test('the records of a recording are those of the code', () => {
  expect(rowsOf('## Replay').map(([kind]) => Number(kind))).toEqual(Object.values(RECORD))
})

test('the numbers in the text are those of the code', () => {
  expect(page).toContain(`HELLO carries the version, ${PROTOCOL_VERSION}.`)
  expect(page).toContain(`A body up to ${INLINE_BODY_LIMIT.toLocaleString('en')} bytes`)
  expect(page).toContain(`may be ${INITIAL_CREDIT.toLocaleString('en')} bytes ahead`)
})

test('the example is made of real frames', () => {
  const asked = framesOf('host-to-cell', TO_CELL)
  expect(asked.map(({ kind, guest, a, b }) => [kind, guest, a, b])).toEqual([
    [TO_CELL.batch, 0, 7, 16 + 69],
    [TO_CELL.enter, 1, 100, 0],
  ])
  expect(asked[0]?.payload.readDoubleLE(0)).toBe(1_700_000_000_000)
  const answered = framesOf('cell-to-host', FROM_CELL)
  expect(answered.map(({ kind, guest, a, b }) => [kind, guest, a, b])).toEqual([
    [FROM_CELL.output, 1, 180, 0],
    [FROM_CELL.done, 0, 7, 230],
  ])
  const said: unknown[] = []
  const note =
    (name: string) =>
    (...args: unknown[]): void =>
      void said.push([name, ...args])
  const handler = {
    response: note('response'),
    value: note('value'),
    threw: note('threw'),
    data: note('data'),
  }
  const rest = {
    end: note('end'),
    settled: note('settled'),
    credit: note('credit'),
    timer: note('timer'),
    call: note('call'),
    drop: note('drop'),
    message: note('message'),
    close: note('close'),
    forward: note('forward'),
  }
  readOutput(answered[0]?.payload.toString('latin1') ?? '', { ...handler, ...rest })
  expect(said).toEqual([['response', 12, 200, ['content-type', 'text/plain'], BODY.text, 'hi', false]])
})

function framesOf(block: string, kinds: Readonly<Record<string, number>>): Frame[] {
  const text = page.split(`\`\`\`hex ${block}\n`)[1]?.split('```')[0] ?? ''
  const hex = text
    .split('\n')
    .map((line) => line.slice(6, 53).replaceAll(/[^0-9a-f]/g, ''))
    .join('')
  const frames: Frame[] = []
  createFrameReader(kinds).push(Buffer.from(hex, 'hex'), (frame) => frames.push(frame))
  return frames
}
