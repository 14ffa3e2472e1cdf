/** From outcomes to the results document and the table. A goal that cannot be judged is missed, never passed. */
import Table from 'cli-table3'
import type { ContenderName, Goal, Scenario } from './contract.ts'
import type { Outcome } from './runner.ts'
import { rounded } from './stats.ts'

export interface GoalResult {
  readonly metric: string
  /** The scenario's subject (`vela`), or `vela/<peer>` for a ratio. */
  readonly of: string
  readonly value: number | null
  readonly relation: 'at-least' | 'at-most'
  readonly bound: number
  readonly pass: boolean
}

export interface ScenarioJson {
  readonly title: string
  readonly ratio: Readonly<Record<string, number | null>>
  readonly goals: readonly GoalResult[]
  readonly [contender: string]: unknown
}

export function scenarioJson(
  scenario: Scenario,
  outcomes: ReadonlyMap<ContenderName, Outcome>,
): ScenarioJson {
  const contenders = scenario.contenders.map((name) => [name, contenderJson(outcomes.get(name))] as const)
  const subject = subjectOf(scenario)
  const ratios = peersOf(scenario).map(
    (peer) => [`${subject}/${peer}`, ratioOf(outcomes, scenario.primary, subject, peer)] as const,
  )
  return {
    title: scenario.title,
    primary: scenario.primary,
    ...Object.fromEntries(contenders),
    ratio: Object.fromEntries(ratios),
    goals: scenario.goals.map((goal) => judge(goal, outcomes, subject)),
  }
}

export function judge(
  goal: Goal,
  outcomes: ReadonlyMap<ContenderName, Outcome>,
  subject: ContenderName = 'vela',
): GoalResult {
  const value = goal.peer
    ? ratioOf(outcomes, goal.metric, subject, goal.peer)
    : numberOf(outcomes, subject, goal.metric)
  // Fast errors are not speed: a contender that erred has not shown what the goal asks for.
  const erred = (numberOf(outcomes, subject, 'errors') ?? 0) > 0
  const held = value !== null && (goal.relation === 'at-least' ? value >= goal.bound : value <= goal.bound)
  const of = goal.peer ? `${subject}/${goal.peer}` : subject
  return { metric: goal.metric, of, value, relation: goal.relation, bound: goal.bound, pass: held && !erred }
}

export function table(
  results: readonly (readonly [Scenario, ReadonlyMap<ContenderName, Outcome>])[],
): string {
  const view = new Table({
    head: ['scenario', 'metric', 'vela', 'peer', 'ratio', 'goal', ''],
    style: { head: [], border: [] },
    colAligns: ['left', 'left', 'right', 'right', 'right', 'left', 'left'],
  })
  for (const [scenario, outcomes] of results) {
    const subject = subjectOf(scenario)
    const label = `${scenario.name}\n${scenario.title}`
    if (scenario.goals.length === 0) view.push([label, ...primaryCells(scenario, outcomes), '', ''])
    for (const [index, goal] of scenario.goals.entries()) {
      const result = judge(goal, outcomes, subject)
      view.push([
        index === 0 ? label : '',
        goal.metric,
        subjectCell(outcomes, subject, goal.metric),
        goal.peer
          ? `${goal.peer} ${cell(outcomes, goal.peer, goal.metric)}`
          : peerCells(scenario, outcomes, goal.metric),
        goal.peer && result.value !== null ? String(rounded(result.value)) : '',
        `${goal.relation === 'at-least' ? '≥' : '≤'} ${goal.bound}${goal.peer ? ` × ${goal.peer}` : ''}`,
        result.pass ? 'pass' : 'MISS',
      ])
    }
  }
  return `${view.toString()}\n${problems(results)}`
}

function contenderJson(outcome: Outcome | undefined): Readonly<Record<string, unknown>> {
  if (!outcome) return { failed: 'was not run' }
  if ('failed' in outcome) return { failed: outcome.failed }
  return { ...roundAll(outcome.metrics), rounds: outcome.rounds.map(roundAll) }
}

function roundAll(metrics: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(metrics).map(([name, value]) => [name, rounded(value)]))
}

function ratioOf(
  outcomes: ReadonlyMap<ContenderName, Outcome>,
  metric: string,
  subject: ContenderName,
  peer: ContenderName,
): number | null {
  const mine = numberOf(outcomes, subject, metric)
  const theirs = numberOf(outcomes, peer, metric)
  return mine === null || theirs === null || theirs === 0 ? null : rounded(mine / theirs)
}

function numberOf(
  outcomes: ReadonlyMap<ContenderName, Outcome>,
  name: ContenderName,
  metric: string,
): number | null {
  const outcome = outcomes.get(name)
  const value = outcome && 'metrics' in outcome ? outcome.metrics[metric] : undefined
  return value === undefined || !Number.isFinite(value) ? null : value
}

function cell(outcomes: ReadonlyMap<ContenderName, Outcome>, name: ContenderName, metric: string): string {
  const value = numberOf(outcomes, name, metric)
  return value === null ? 'failed' : String(rounded(value))
}

/** Named where it is not the one that the column is called after. */
function subjectCell(
  outcomes: ReadonlyMap<ContenderName, Outcome>,
  subject: ContenderName,
  metric: string,
): string {
  const text = cell(outcomes, subject, metric)
  return subject === 'vela' ? text : `${subject} ${text}`
}

/** Beside an absolute goal, what the peers did: for the reader, not for the judgement. */
function peerCells(
  scenario: Scenario,
  outcomes: ReadonlyMap<ContenderName, Outcome>,
  metric: string,
): string {
  return peersOf(scenario)
    .filter((peer) => !doesWithout(outcomes.get(peer), metric))
    .map((peer) => `${peer} ${cell(outcomes, peer, metric)}`)
    .join('\n')
}

/** It did not fail, and has no such figure. */
function doesWithout(outcome: Outcome | undefined, metric: string): boolean {
  return outcome !== undefined && 'metrics' in outcome && !(metric in outcome.metrics)
}

/** The row of a scenario that has no goals: metric, subject, peers, ratios. */
function primaryCells(scenario: Scenario, outcomes: ReadonlyMap<ContenderName, Outcome>): string[] {
  const { primary } = scenario
  const subject = subjectOf(scenario)
  const ratios = peersOf(scenario).map((peer) => String(ratioOf(outcomes, primary, subject, peer) ?? ''))
  return [
    primary,
    subjectCell(outcomes, subject, primary),
    peerCells(scenario, outcomes, primary),
    ratios.join('\n'),
  ]
}

function subjectOf(scenario: Scenario): ContenderName {
  return scenario.subject ?? 'vela'
}

function peersOf(scenario: Scenario): ContenderName[] {
  return scenario.contenders.filter((name) => name !== subjectOf(scenario))
}

function problems(results: readonly (readonly [Scenario, ReadonlyMap<ContenderName, Outcome>])[]): string {
  const lines: string[] = []
  for (const [scenario, outcomes] of results) {
    for (const [name, outcome] of outcomes) {
      if ('failed' in outcome)
        lines.push(`${scenario.name}: ${name} failed: ${outcome.failed.split('\n', 1)[0]}\n`)
      else if ((outcome.metrics['errors'] ?? 0) > 0) {
        lines.push(`${scenario.name}: ${name} answered ${outcome.metrics['errors']} requests with errors\n`)
      }
    }
  }
  return lines.join('')
}
