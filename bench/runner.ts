/**
 * Runs one scenario: contenders take turns round by round, so that a machine which slows down slows them alike.
 * A contender that fails is reported with its reason and the others go on; everything started is stopped.
 */
import type { Contender, ContenderName, Metrics, RoundOptions, Running, Scenario } from './contract.ts'
import { medians } from './stats.ts'

export type Outcome =
  | { readonly metrics: Metrics; readonly rounds: readonly Metrics[] }
  | { readonly failed: string }

export interface RunnerDeps {
  readonly contenders: ReadonlyMap<ContenderName, Contender>
  /** Progress, for people. */
  say(line: string): void
}

export interface RunnerOptions extends RoundOptions {
  readonly rounds: number
  /** Aborted when the benchmark is to end early: what runs is stopped and the scenario rejects. */
  readonly signal: AbortSignal
}

export async function runScenario(
  deps: RunnerDeps,
  scenario: Scenario,
  options: RunnerOptions,
): Promise<Map<ContenderName, Outcome>> {
  const entries = scenario.contenders.map((name) => createEntry(deps, scenario, options, name))
  const stopAll = (): Promise<unknown> => Promise.all(entries.map((entry) => entry.close()))
  const onAbort = (): void => void stopAll()
  options.signal.addEventListener('abort', onAbort)
  try {
    const rounds = Math.min(options.rounds, scenario.maxRounds ?? options.rounds)
    for (let round = 0; round < rounds; round++) {
      for (const entry of entries) {
        options.signal.throwIfAborted()
        await entry.round(`round ${round + 1} of ${rounds}`)
      }
    }
    options.signal.throwIfAborted()
    return new Map(entries.map((entry) => [entry.name, entry.outcome()]))
  } finally {
    options.signal.removeEventListener('abort', onAbort)
    await stopAll()
  }
}

interface Entry {
  readonly name: ContenderName
  /** Never rejects: a failure becomes the outcome. */
  round(label: string): Promise<void>
  outcome(): Outcome
  close(): Promise<void>
}

function createEntry(
  deps: RunnerDeps,
  scenario: Scenario,
  options: RunnerOptions,
  name: ContenderName,
): Entry {
  const rounds: Metrics[] = []
  let failed: string | undefined
  let running: Running | undefined
  let closing = Promise.resolve()

  const open = async (): Promise<Running> => {
    if (running) return running
    const contender = deps.contenders.get(name)
    if (!contender) throw new Error(`there is no contender ${name}`)
    running = await contender.start(await scenario.guests(options), scenario.start)
    // The abort came while it started: nobody else would stop it.
    if (options.signal.aborted) await close()
    options.signal.throwIfAborted()
    await scenario.prepare(running)
    // The warm-up: half a round, uncounted, for compilers and connections.
    const warmUp = { ...options, seconds: Math.ceil(options.seconds / 2) }
    if (!scenario.freshEachRound) await scenario.round(running, warmUp)
    return running
  }
  // Whoever asks waits for a stop that another began: an interrupt and the end of the scenario meet here.
  const close = (): Promise<void> => {
    const held = running
    running = undefined
    if (held) closing = closing.then(() => held.stop())
    return closing
  }

  return {
    name,
    async round(label) {
      if (failed !== undefined) return
      try {
        const metrics = await scenario.round(await open(), options)
        rounds.push(metrics)
        deps.say(`${scenario.name}: ${label}: ${name}: ${brief(scenario, metrics)}`)
        if (scenario.freshEachRound) await close()
      } catch (error) {
        failed = error instanceof Error ? error.message : String(error)
        deps.say(`${scenario.name}: ${label}: ${name}: failed: ${failed}`)
        await close()
      }
    },
    outcome: () => (failed === undefined ? { metrics: medians(rounds), rounds } : { failed }),
    close,
  }
}

function brief(scenario: Scenario, metrics: Metrics): string {
  return `${scenario.primary} ${(metrics[scenario.primary] ?? Number.NaN).toPrecision(4)}`
}
