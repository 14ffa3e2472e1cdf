/**
 * What the manifest says in Vela's words or in wrangler's, brought together: schedules and capabilities. A key of
 * wrangler that would mean something else here is refused with what to write, since a service that runs at another
 * hour than its author thinks is worse than one that does not deploy.
 */
import { type KeyPath, printPath } from '../core/config-document.ts'
import type { Problem } from '../core/config-problem.ts'
import { VelaError } from '../core/errors.ts'
import type { JsonValue } from '../registry/types.ts'
import type { ParsedManifest, WranglerQueues } from './manifest-schema.ts'
import { MAX_SCHEDULES, parseSchedule } from './schedule.ts'

interface Refused {
  readonly problem: Problem
}

export function readSchedules(parsed: ParsedManifest): { readonly schedules: readonly string[] } | Refused {
  const given = [
    ...(parsed.schedules ?? []).map((cron, index) => ({ path: ['schedules', index] as KeyPath, cron })),
    ...(parsed.triggers?.crons ?? []).map((cron, index) => ({
      path: ['triggers', 'crons', index] as KeyPath,
      cron,
    })),
  ]
  const schedules = new Set<string>()
  for (const { path, cron } of given) {
    const wrong = wrongWith(cron, path[0] === 'triggers')
    if (wrong !== undefined) return refuse(path, wrong, cron)
    if (schedules.has(cron)) return refuse(path, `the schedule "${cron}" is here twice`, cron)
    schedules.add(cron)
  }
  if (schedules.size > MAX_SCHEDULES)
    return refuse(['triggers', 'crons'], `at most ${MAX_SCHEDULES} schedules`)
  return { schedules: [...schedules] }
}

/** Weekdays by number: wrangler counts from 1 for Sunday, cron everywhere else from 0. */
const NUMBERED_WEEKDAY = /(?:^|[^/#\d])\d/

function wrongWith(cron: string, isWranglers: boolean): string | undefined {
  try {
    parseSchedule(cron)
  } catch (error) {
    if (error instanceof VelaError) return error.message
    throw error
  }
  if (!isWranglers || !NUMBERED_WEEKDAY.test(cron.split(' ')[4] ?? '')) return undefined
  return `the schedule "${cron}" has a weekday by number, which wrangler counts from 1 (Sunday) and Vela from 0; write its name, such as MON or MON-FRI`
}

export function readCapabilities(
  parsed: ParsedManifest,
): { readonly capabilities: Readonly<Record<string, JsonValue>> } | Refused {
  const { capabilities = {}, kv_namespaces: namespaces = [], services = [], queues = {} } = parsed
  const kv = namespaces.map(({ binding, id }) => [binding, { namespace: id }] as const)
  const callees = services.map(({ binding, service, entrypoint }) => {
    const ask: JsonValue = entrypoint === undefined ? { service } : { service, entrypoint }
    return [binding, ask] as const
  })
  const merged = { ...capabilities }
  for (const [kind, key, asks] of [
    ['kv', 'kv_namespaces', kv],
    ['services', 'services', callees],
    ['events', 'queues', queueBindings(queues)],
  ] as const) {
    if (asks.length === 0) continue
    const own = merged[kind] ?? {}
    if (typeof own !== 'object' || own === null || Array.isArray(own))
      return refuse([key], `capabilities.${kind} is here too and is no object; write all bindings there`)
    // `{}` stands for one binding by itself; beside wrangler's it would silently mean none.
    if (merged[kind] !== undefined && Object.keys(own).length === 0)
      return refuse([key], `capabilities.${kind} is here too; write all bindings there`)
    const bindings: Record<string, JsonValue> = { ...own }
    for (const [index, [binding, ask]] of asks.entries()) {
      if (Object.hasOwn(bindings, binding))
        return refuse(placeOf(key, index, queues), `the binding ${binding} is here twice`, binding)
      bindings[binding] = ask
    }
    merged[kind] = bindings
  }
  return { capabilities: merged }
}

/** Where the manifest has the binding. */
function placeOf(key: string, index: number, { producers = [] }: WranglerQueues): KeyPath {
  if (key !== 'queues') return [key, index, 'binding']
  const consumer = index - producers.length
  return consumer < 0 ? [key, 'producers', index, 'binding'] : [key, 'consumers', consumer, 'queue']
}

/** A queue is a subject of durable events with one consumer of its name; that a message waits for a batch to fill is not needed. */
function queueBindings({ producers = [], consumers = [] }: WranglerQueues): [string, JsonValue][] {
  const sending = producers.map(({ binding, queue }): [string, JsonValue] => [
    binding,
    { kind: 'durable', publish: [queue] },
  ])
  const hearing = consumers.map((consumer): [string, JsonValue] => {
    const { queue, max_batch_size: max, max_retries: retries, max_concurrency: concurrency } = consumer
    const { retry_delay: delay } = consumer
    const ask: Record<string, JsonValue> = {
      subject: queue,
      queue,
      batch: { max: max ?? 10 },
      retries: retries ?? 3,
    }
    if (typeof concurrency === 'number') ask['concurrency'] = concurrency
    if (delay !== undefined && delay > 0) ask['backoffMs'] = delay * 1000
    return [`Q_${queue.replaceAll('-', '_')}`, { kind: 'durable', subscribe: [ask] }]
  })
  return [...sending, ...hearing]
}

const refuse = (path: KeyPath, message: string, value?: string): Refused => ({
  problem: {
    path,
    part: 'value',
    message: `${printPath(path)}: ${message}`,
    ...(value === undefined ? {} : { value }),
  },
})
