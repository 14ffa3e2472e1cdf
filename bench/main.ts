/**
 * `npm run bench`: measures Vela against its peers in one run and judges the goals. Exit code 0 when everything ran,
 * whatever the figures; 1 when a contender failed; 2 for a wrong command line.
 */
import { writeFile } from 'node:fs/promises'
import { BenchError, type Contender, type ContenderName, type Scenario } from './contract.ts'
import {
  awilix,
  bus,
  container,
  durable,
  durableNats,
  emittery,
  hosts,
  jetstream,
  nats,
  node,
  piscina,
  socket,
  undici,
} from './contenders/node.ts'
import { createVela } from './contenders/vela.ts'
import { workerd } from './contenders/workerd.ts'
import { describeMachine, pinToLoadCore, requireWrk } from './machine.ts'
import { type BenchOptions, parseOptions, USAGE } from './options.ts'
import { type ScenarioJson, scenarioJson, table } from './report.ts'
import { type Outcome, runScenario } from './runner.ts'
import { SCENARIOS } from './scenarios/all.ts'

const RESULTS = new URL('./results.json', import.meta.url)
const EXIT_FAILED = 1
const EXIT_USAGE = 2
const EXIT_INTERRUPTED = 130

await main()

async function main(): Promise<void> {
  let options: BenchOptions
  try {
    options = parseOptions(process.argv.slice(2), SCENARIOS)
  } catch (error) {
    fail(error, EXIT_USAGE)
    return
  }
  if (options.help) {
    process.stdout.write(USAGE)
    return
  }
  try {
    process.exitCode = await run(options)
  } catch (error) {
    fail(error, EXIT_FAILED)
  }
}

async function run(options: BenchOptions): Promise<number> {
  const interrupt = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interrupt.abort())
  requireWrk(say)
  pinToLoadCore()

  const contenders = new Map<ContenderName, Contender>(
    [
      createVela('v8'),
      createVela('quickjs'),
      workerd,
      node,
      undici,
      socket,
      piscina,
      container,
      awilix,
      bus,
      emittery,
      durable,
      durableNats,
      jetstream,
      hosts,
      nats,
    ].map((one) => [one.name, one]),
  )
  const results: [Scenario, Map<ContenderName, Outcome>][] = []
  for (const scenario of options.scenarios) {
    say(`${scenario.name}: ${scenario.title}`)
    try {
      const outcomes = await runScenario({ contenders, say }, scenario, {
        ...options,
        signal: interrupt.signal,
      })
      results.push([scenario, outcomes])
    } catch (error) {
      if (!interrupt.signal.aborted) throw error
      say('interrupted: everything it started is stopped, nothing was written')
      return EXIT_INTERRUPTED
    }
  }

  const document = `${JSON.stringify(documentOf(results, options), undefined, 2)}\n`
  await writeFile(RESULTS, document)
  process.stdout.write(options.json ? document : table(results))
  const failed = results.some(([, outcomes]) => [...outcomes.values()].some((outcome) => 'failed' in outcome))
  return failed ? EXIT_FAILED : 0
}

function documentOf(
  results: readonly [Scenario, Map<ContenderName, Outcome>][],
  { seconds, rounds, quick }: BenchOptions,
): Record<string, ScenarioJson | Record<string, unknown>> {
  const scenarios = results.map(
    ([scenario, outcomes]) => [scenario.name, scenarioJson(scenario, outcomes)] as const,
  )
  const meta = { date: new Date().toISOString(), seconds, rounds, quick, machine: describeMachine() }
  return { ...Object.fromEntries(scenarios), meta }
}

/** Progress goes beside the results, not into them. */
function say(line: string): void {
  process.stderr.write(`${line}\n`)
}

function fail(error: unknown, exitCode: number): void {
  process.exitCode = exitCode
  const text =
    error instanceof BenchError ? error.message : error instanceof Error ? error.stack : String(error)
  process.stderr.write(`bench: ${text ?? ''}\n`)
}
