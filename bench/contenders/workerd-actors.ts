/**
 * What workerd is given to run guests with actors: each is a worker of its own, its actors are Durable Objects, and their
 * storage is on disk. A binding to a class of another guest is a namespace of that worker. The first guest gets the requests.
 */
import { BenchError, type Guest, type Json } from '../contract.ts'
import { field } from '../unknown.ts'
import type { WorkerdFiles } from './workerd-config.ts'

const STORAGE = 'objects'

interface Binding {
  readonly name: string
  readonly class: string
  /** Index of the guest that has the class. */
  readonly owner: number
}

export function actorFiles(guests: readonly Guest[], compatibilityDate: string): WorkerdFiles {
  const bindings = guests.map((guest, index) => bindingsOf(guest, index, guests))
  const classes = guests.map((_, index) => [
    ...new Set(bindings.flat().flatMap((binding) => (binding.owner === index ? [binding.class] : []))),
  ])
  const workers = guests.map((_, index) =>
    workerOf(index, bindings[index] ?? [], classes[index] ?? [], compatibilityDate),
  )
  const services = guests.map((_, index) => `(name = "guest-${index}", worker = .guest${index})`)
  const config = `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "disk", disk = (path = "${STORAGE}", writable = true)),
    ${services.join(',\n    ')}
  ],
  sockets = [ (name = "http", address = "127.0.0.1:0", http = (), service = "guest-0") ],
);
${workers.join('')}`
  const sources = guests.map(({ source }, index) => [`guest-${index}.js`, source] as const)
  return { files: { 'config.capnp': config, ...Object.fromEntries(sources) }, storage: STORAGE }
}

function workerOf(
  index: number,
  bindings: readonly Binding[],
  classes: readonly string[],
  compatibilityDate: string,
): string {
  const namespaces = classes.map((name) => `(className = "${name}", uniqueKey = "bench-${index}-${name}")`)
  const named = bindings.map(
    (binding) =>
      `(name = "${binding.name}", durableObjectNamespace = (className = "${binding.class}", serviceName = "guest-${binding.owner}"))`,
  )
  const storage = classes.length === 0 ? '' : 'durableObjectStorage = (localDisk = "disk"),'
  return `const guest${index} :Workerd.Worker = (
  modules = [ (name = "guest-${index}.js", esModule = embed "guest-${index}.js") ],
  compatibilityDate = "${compatibilityDate}",
  durableObjectNamespaces = [ ${namespaces.join(', ')} ],
  ${storage}
  bindings = [ ${named.join(', ')} ],
);
`
}

/** The manifest's `actors` section: `{COUNTERS: {class}}`, or `{COUNTERS: {service: "tenant/name", class}}`. */
function bindingsOf(guest: Guest, index: number, guests: readonly Guest[]): Binding[] {
  const asked = guest.capabilities?.['actors'] ?? {}
  return Object.entries(asked as Readonly<Record<string, Json>>).map(([name, binding]) => {
    const service = field(binding, 'service')
    const owner =
      service === undefined
        ? index
        : guests.findIndex((other) => `${other.tenant}/${other.service}` === service)
    if (owner < 0) throw new BenchError(`there is no guest ${String(service)} with actors for ${name}`)
    return { name, class: String(field(binding, 'class')), owner }
  })
}
