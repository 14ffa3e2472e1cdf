/**
 * The words of the benchmark: a scenario drives contenders with guests and yields metrics, which goals judge.
 * A scenario knows contenders only by this face, so that each peer runs the very same load.
 */

export type ContenderName =
  | 'vela'
  | 'vela-quickjs'
  | 'workerd'
  | 'node'
  | 'undici'
  | 'socket'
  | 'piscina'
  | 'container'
  | 'awilix'
  | 'bus'
  | 'emittery'
  | 'durable'
  | 'durable-nats'
  | 'jetstream'
  | 'hosts'
  | 'nats'

/** What `JSON.stringify` takes whole. */
export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [key: string]: Json | undefined }

/** One service to run; the same source on every contender. */
export interface Guest {
  readonly tenant: string
  readonly service: string
  readonly source: string
  /** What the manifest asks for; a peer gets what it has in its place. */
  readonly capabilities?: Readonly<Record<string, Json>>
  /** Of the manifest; for Vela alone. */
  readonly limits?: Readonly<Record<string, number>>
}

export interface StartOptions {
  /** All tenants share one cell; only Vela has a choice here. */
  readonly cordon?: boolean
  /** Every service is known, none has an isolate yet. */
  readonly unloaded?: boolean
  /** Servers may use every core, the load's too; for what one core cannot show. */
  readonly allCores?: boolean
  /** The operator's policy for grants, as in Vela's configuration. */
  readonly policy?: Readonly<Record<string, Json>>
}

/** A started contender. `stop` ends every process of it and removes its files; safe to call twice. */
export interface Running {
  readonly name: ContenderName
  /** Base URL of a service, without a trailing slash. */
  url(tenant: string, service: string): string
  /** Every live process, the serving parent first. */
  pids(): number[]
  stop(): Promise<void>
}

export interface Contender {
  readonly name: ContenderName
  start(guests: readonly Guest[], options: StartOptions): Promise<Running>
}

/** Numbers only, so that rounds have medians. Names end in their unit. */
export type Metrics = Readonly<Record<string, number>>

export interface RoundOptions {
  readonly seconds: number
  /** Fewer services and requests: does it work, rather than how fast is it. */
  readonly quick: boolean
}

/** `metric` of the scenario's subject, over that of `peer` if one is named, held against `bound`. */
export interface Goal {
  readonly metric: string
  readonly peer?: ContenderName
  readonly relation: 'at-least' | 'at-most'
  readonly bound: number
}

export interface Scenario {
  readonly name: string
  readonly title: string
  /** In the order of their turns. */
  readonly contenders: readonly ContenderName[]
  /** Whose figures the goals judge, each over those of its peers; Vela's, unless Vela itself is the peer. */
  readonly subject?: ContenderName
  /** The metric whose ratio stands in the results document. */
  readonly primary: string
  /** None where a figure is only to be known. */
  readonly goals: readonly Goal[]
  readonly start: StartOptions
  /** Start the contender anew for each round, for rounds that use up what they measure. */
  readonly freshEachRound: boolean
  /** At most this many rounds, for scenarios that take long and vary little. */
  readonly maxRounds?: number
  guests(options: RoundOptions): readonly Guest[] | Promise<readonly Guest[]>
  /** Throws unless the contender answers rightly; brings it to the state that rounds expect. */
  prepare(running: Running): Promise<void>
  round(running: Running, options: RoundOptions): Promise<Metrics>
}

/** What the operator of the benchmark must put right; printed without a stack. */
export class BenchError extends Error {
  override readonly name = 'BenchError'
}
