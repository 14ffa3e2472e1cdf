/**
 * The capability `workers`: CPU-heavy work beside the service's own isolate.
 *
 * `{"POOL": {"size": 2}}` binds a pool of up to two further isolates of this very version, each in another cell, that run
 * its exported functions. `{"IMAGES": {"host": "resize"}}` binds one task that the host has registered, on its threads.
 * `{}` or `true` is one pool called `workers`. A policy: `{"size": 4, "host": ["resize"]}`; own functions need none, a task
 * of the host always does. Values cross as texts that the host never reads: the codec's, one a line.
 */
import { z } from 'zod'
import type { HostTasks } from '../async/host-tasks.ts'
import { createWorkerPool } from '../concurrency/workers/pool.ts'
import { workersOf } from '../concurrency/workers/isolates.ts'
import type { JsonValue } from '../registry/types.ts'
import { AskProblem, type Binding, type CapabilityKind, type Refusal } from './capability.ts'
import { createWorkerCalls, hostRunner, poolRunner } from './worker-calls.ts'
import { createHoldings } from './worker-holdings.ts'

export type WorkersOptions = { readonly size: number } | { readonly host: string }

export const MOST_WORKERS = 16
const DEFAULT_SIZE = 2
const MOST_BINDINGS = 16
const SIZE = `a whole number from 1 to ${MOST_WORKERS}`
const NAME = 'the name of a task of the host'

const size = z.int(SIZE).min(1, SIZE).max(MOST_WORKERS, SIZE)
const host = z.string(NAME).min(1, NAME).max(256, NAME)
const bindingSchema = z.union([z.strictObject({ size: size.optional() }), z.strictObject({ host })])
const policySchema = z.strictObject({ size: size.optional(), host: z.array(host).optional() })

/** `tasks`: what the host has registered, and where it runs. */
export function createWorkersKind(
  tasks: Pick<HostTasks, 'has' | 'spawnEncoded'>,
): CapabilityKind<WorkersOptions> {
  const holdings = createHoldings()
  return {
    kind: 'workers',
    defaultPolicy: {},
    checkPolicy: (policy) =>
      policySchema.safeParse(policy).success
        ? undefined
        : `must be true, false or {"size": ${SIZE}, "host": [names of tasks]}`,
    parse,
    narrow,
    describe: (options) =>
      'host' in options
        ? `the host's task ${options.host}`
        : `its own functions in up to ${options.size} further isolates`,
    open(options, place, isolates) {
      const own = workersOf(isolates)
      const runner =
        'host' in options
          ? hostRunner(tasks, options.host, place.tenant)
          : poolRunner(own && createWorkerPool(own, options.size))
      return createWorkerCalls(place.tenant, runner, own, holdings)
    },
  }
}

function parse(asked: JsonValue): readonly Binding<WorkersOptions>[] {
  if (asked === true) return [bindingOf('workers', { size: DEFAULT_SIZE })]
  if (typeof asked !== 'object' || asked === null || Array.isArray(asked))
    throw new AskProblem([], 'must be {} or an object of pools by binding, such as {"POOL": {"size": 2}}')
  const entries = Object.entries(asked)
  if (entries.length === 0) return [bindingOf('workers', { size: DEFAULT_SIZE })]
  if (entries.length > MOST_BINDINGS) throw new AskProblem([], `must have at most ${MOST_BINDINGS} bindings`)
  return entries.map(([name, value]) => bindingOf(name, parseBinding(name, value)))
}

function parseBinding(name: string, asked: JsonValue): WorkersOptions {
  if (asked === true) return { size: DEFAULT_SIZE }
  const read = bindingSchema.safeParse(asked)
  if (!read.success) throw new AskProblem([name], `must be {"size": ${SIZE}} or {"host": ${NAME}}`)
  return 'host' in read.data ? read.data : { size: read.data.size ?? DEFAULT_SIZE }
}

const bindingOf = (name: string, options: WorkersOptions): Binding<WorkersOptions> => ({
  name,
  options,
  guest: 'host' in options ? { host: true, size: 1 } : { host: false, size: options.size },
})

function narrow(options: WorkersOptions, policy: JsonValue): WorkersOptions | Refusal {
  if (policy === true) return options
  const read = policySchema.safeParse(policy)
  if (!read.success) return { refused: "the operator's policy of workers is not understood" }
  if ('size' in options) return { size: Math.min(options.size, read.data.size ?? MOST_WORKERS) }
  if (read.data.host?.includes(options.host) === true) return options
  return { refused: `the operator's policy does not grant the host's task ${options.host}` }
}
