/** A service whose actors are asked from outside, for tests of what happens in its isolate. */
import type { JsonValue } from '../../host/registry/types.ts'
import type { EngineName } from '../engines.ts'
import type { Host } from '../capabilities/support.ts'

/** What came of a message: a value, or the error. */
export interface Outcome {
  readonly value?: JsonValue
  readonly name?: string
  readonly message?: string
  readonly code?: string
}

export interface Actors {
  ask(name: string, method: string, args?: JsonValue[], options?: JsonValue): Promise<Outcome>
  tell(name: string, method: string, args?: JsonValue[], options?: JsonValue): Promise<Outcome>
  depth(name: string): Promise<Outcome>
  /** Runs the body of an async function with `env`, `outcome(promise)` and `later()`. */
  run(body: string): Promise<JsonValue | undefined>
}

const MAIN = `
const outcome = async (promise) => {
  try { return { value: (await promise) ?? null } } catch ({ name, message, code }) { return { name, message, code } }
}
const later = (ms = 1) => new Promise((resolve) => setTimeout(resolve, ms))
export default class extends WorkerEntrypoint {
  ask(name, method, args, options) { return outcome(this.env.A.ask(name, method, args, options ?? undefined)) }
  tell(name, method, args, options) { return outcome(this.env.A.tell(name, method, args, options ?? undefined)) }
  depth(name) { return outcome(this.env.A.depth(name)) }
  run(body) { return new (async () => {}).constructor('env', 'outcome', 'later', body)(this.env, outcome, later) }
}`

/** Deploys `source`, which exports the class `A` (and others in `classes`), as a service of its own. */
export async function deployActors(
  host: Host,
  at: string,
  engine: EngineName,
  source: string,
  classes: readonly string[] = [],
): Promise<Actors> {
  const actors = Object.fromEntries(['A', ...classes].map((name) => [name, { class: name }]))
  await host.deploy(at, `import { Actor, WorkerEntrypoint } from '@vela/guest-sdk'\n${source}\n${MAIN}`, {
    engine,
    capabilities: { actors },
    limits: { cpuMs: 2000, wallMs: 8000 },
  })
  const call = async (method: string, ...args: JsonValue[]): Promise<Outcome> =>
    (await host.invoke(at, method, ...args)) as Outcome
  return {
    ask: (name, method, args = [], options = null) => call('ask', name, method, args, options),
    tell: (name, method, args = [], options = null) => call('tell', name, method, args, options),
    depth: (name) => call('depth', name),
    run: async (body) => await host.invoke(at, 'run', body),
  }
}
