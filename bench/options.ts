/** The command line of the benchmark. */
import { parseArgs } from 'node:util'
import { BenchError, type Scenario } from './contract.ts'

export interface BenchOptions {
  readonly scenarios: readonly Scenario[]
  readonly json: boolean
  readonly seconds: number
  readonly rounds: number
  readonly quick: boolean
  readonly help: boolean
}

export const USAGE = `Usage: npm run bench -- [options]
  --only <scenario>[,<scenario>]  these alone; a trailing * matches a family, as in http-hello*
  --seconds <n>                   length of a round (default 4)
  --rounds <n>                    rounds of each contender (default 3)
  --quick                         one round of a second, fewer services: does it work?
  --json                          the results document on stdout, progress on stderr
`

export function parseOptions(argv: readonly string[], all: readonly Scenario[]): BenchOptions {
  const { values } = parse(argv)
  const quick = values.quick ?? false
  return {
    scenarios: values.only === undefined ? all : selected(values.only, all),
    json: values.json ?? false,
    quick,
    seconds: values.seconds === undefined ? (quick ? 1 : 4) : positive('--seconds', values.seconds, 600),
    rounds: values.rounds === undefined ? (quick ? 1 : 3) : positive('--rounds', values.rounds, 100),
    help: values.help ?? false,
  }
}

function parse(argv: readonly string[]): ReturnType<typeof parseBenchArgs> {
  try {
    return parseBenchArgs(argv)
  } catch (error) {
    throw new BenchError(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`)
  }
}

interface Parsed {
  readonly values: {
    readonly only?: string
    readonly seconds?: string
    readonly rounds?: string
    readonly quick?: boolean
    readonly json?: boolean
    readonly help?: boolean
  }
}

function parseBenchArgs(argv: readonly string[]): Parsed {
  return parseArgs({
    args: [...argv],
    allowPositionals: false,
    options: {
      only: { type: 'string' },
      seconds: { type: 'string' },
      rounds: { type: 'string' },
      quick: { type: 'boolean' },
      json: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  })
}

function selected(text: string, all: readonly Scenario[]): Scenario[] {
  const patterns = text.split(',').map((pattern) => pattern.trim())
  for (const pattern of patterns) {
    if (all.some((scenario) => matches(pattern, scenario.name))) continue
    const names = all.map((scenario) => scenario.name).join(', ')
    throw new BenchError(`--only: there is no scenario "${pattern}". There are: ${names}`)
  }
  return all.filter((scenario) => patterns.some((pattern) => matches(pattern, scenario.name)))
}

function matches(pattern: string, name: string): boolean {
  return pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern
}

function positive(flag: string, text: string, maximum: number): number {
  const value = Number(text)
  if (Number.isInteger(value) && value >= 1 && value <= maximum) return value
  throw new BenchError(`${flag} takes a whole number from 1 to ${maximum}, not "${text}"`)
}
