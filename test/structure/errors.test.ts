import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ERRORS } from '../../host/core/errors.ts'

const page = readFileSync(join(import.meta.dirname, '../../docs/errors.md'), 'utf8')
const rows = page
  .split('\n')
  .filter((line) => line.startsWith('| `VELA_'))
  .map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  )

test('docs/errors.md has exactly the rows of the table in host/core/errors.ts', () => {
  const documented = rows.map(([code, status, retry, detail, title]) => ({
    code,
    status,
    retry,
    detail,
    title,
  }))
  const table = Object.entries(ERRORS).map(([code, row]) => ({
    code: `\`${code}\``,
    status: String(row.status),
    retry: row.retryable ? 'yes' : 'no',
    detail: row.exposed ? 'yes' : 'no',
    title: row.title,
  }))
  const byCode = (
    a: { readonly code?: string | undefined },
    b: { readonly code?: string | undefined },
  ): number => ((a.code ?? '') < (b.code ?? '') ? -1 : 1)
  expect(documented.sort(byCode)).toEqual(table.sort(byCode))
})

test('every row of docs/errors.md says what to do', () => {
  for (const [code, , , , , whatToDo] of rows)
    expect([code, (whatToDo ?? '').length > 5]).toEqual([code, true])
})

test('codes read VELA_<AREA>_<REASON> and titles are sentences without a stop', () => {
  for (const [code, { title, status }] of Object.entries(ERRORS)) {
    expect(code).toMatch(/^VELA_[A-Z]+(_[A-Z]+)+$/)
    expect(title).toMatch(/^[A-Z].*[^.!]$/)
    expect(status).toBeGreaterThanOrEqual(400)
  }
})

test('what hides its message from clients is a fault of the host or of a cell', () => {
  for (const [code, { exposed, status }] of Object.entries(ERRORS)) {
    if (!exposed) expect([code, status >= 500]).toEqual([code, true])
  }
})
