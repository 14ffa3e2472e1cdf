/** docs/web-api.md: what a guest finds, row by row, as the surveys of all engines have it. */
import type { EngineName } from '../engines.ts'
import { DEVIATIONS, NOTES, type Deviation } from './deviations.ts'
import type { Report, Survey } from './survey.ts'

export type Surveys = Readonly<Partial<Record<EngineName, Survey>>>

const TITLES: Readonly<Record<EngineName, string>> = { v8: 'V8', quickjs: 'QuickJS' }

/** The command that writes the page anew. */
export const COMMAND = 'VELA_WRITE_DOCS=1 npx vitest run test/web-api'

export interface Failure {
  /** As a deviation names it. */
  readonly row: string
  readonly found: string
}

/** Every row that does not hold. */
export function failuresOf({ members, behaviour }: Survey): Failure[] {
  const ofMembers = Object.entries(members).flatMap(([name, report]) => failing(report, `${name}.`))
  return [...ofMembers, ...Object.values(behaviour).flatMap((report) => failing(report, ''))]
}

/** The deviations that say so of a row, on an engine. */
export const explain = (row: string, engine: EngineName): Deviation[] =>
  DEVIATIONS.filter(
    ({ rows, engines }) =>
      (engines?.includes(engine) ?? true) &&
      rows.some((known) => known === row || row.startsWith(`${known}.`)),
  )

export function renderPage(surveys: Surveys): string {
  const engines = Object.keys(surveys) as EngineName[]
  const reportsOf = (kind: keyof Survey, name: string): readonly Report[] =>
    engines.map((engine) => surveys[engine]?.[kind][name] ?? {})
  const first = surveys[engines[0] as EngineName] as Survey
  const counts = engines.map((engine) => {
    const { members, behaviour } = surveys[engine] as Survey
    return `| ${TITLES[engine]} | ${countOf(members)} | ${countOf(behaviour)} |`
  })
  return [
    '# The web API of a guest',
    '',
    'Made by `test/web-api` from real guests; do not edit. It holds every interface and member of the WinterTC Minimum',
    'Common Web API (ECMA-429) against the Web IDL of its specification (kind, writability, arguments, refusal of a',
    'foreign `this`), and checks how they behave. ✓ holds, ✗ does not; every ✗ is explained under Deviations.',
    `After a change: \`${COMMAND}\`.`,
    '',
    '| engine | members that hold | behaviours that hold |',
    '| --- | --- | --- |',
    ...counts,
    '',
    '## Deviations',
    '',
    '| what | effect | engines |',
    '| --- | --- | --- |',
    ...DEVIATIONS.map(({ title, effect, engines: some }) => {
      const names = (some ?? engines).map((engine) => TITLES[engine])
      return `| ${title} | ${cell(effect)} | ${names.join(', ')} |`
    }),
    '',
    ...NOTES.map((note) => `- ${note}`),
    '',
    '## Members',
    ...Object.keys(first.members).flatMap((name) =>
      section(name, 'member', engines, reportsOf('members', name)),
    ),
    '',
    '## Behaviour',
    ...Object.keys(first.behaviour).flatMap((name) =>
      section(name, 'check', engines, reportsOf('behaviour', name)),
    ),
    '',
  ].join('\n')
}

function section(
  title: string,
  what: string,
  engines: readonly EngineName[],
  reports: readonly Report[],
): string[] {
  const rows = new Set(reports.flatMap((report) => Object.keys(report)))
  return [
    '',
    `### ${title}`,
    '',
    `| ${what} | ${engines.map((engine) => TITLES[engine]).join(' | ')} |`,
    `| --- |${' --- |'.repeat(engines.length)}`,
    ...Array.from(
      rows,
      (row) => `| ${cell(row)} | ${reports.map((report) => mark(report[row])).join(' | ')} |`,
    ),
  ]
}

const mark = (found: string | undefined): string => (found === '' ? '✓' : '✗')
const cell = (text: string): string => text.replaceAll('|', '\\|')

function countOf(reports: Readonly<Record<string, Report>>): string {
  const found = Object.values(reports).flatMap((report) => Object.values(report))
  return `${found.filter((text) => text === '').length} of ${found.length}`
}

const failing = (report: Report, prefix: string): Failure[] =>
  Object.entries(report)
    .filter(([, found]) => found !== '')
    .map(([row, found]) => ({ row: prefix + row, found }))
