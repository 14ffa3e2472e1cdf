/**
 * What workerd is given to run: one guest as its own worker, or several as dynamic workers behind a dispatcher that
 * finds them by the first two path segments. The dispatcher does the least it can (no URL object, the request passed
 * on as it is), so that the comparison does not rest on our glue.
 *
 * A guest that asks Vela for `kv` gets a Durable Object namespace STORE, whose class stands in the same worker and does
 * no more than name the two calls of its storage. One that asks for `fetch` gets the local network. Actors are Durable Objects
 * as they are: workerd-actors.ts.
 */
import { BenchError, type Guest } from '../contract.ts'
import { actorFiles } from './workerd-actors.ts'

export interface WorkerdFiles {
  /** File name to text; `config.capnp` is the one to serve. */
  readonly files: Readonly<Record<string, string>>
  /** Folder that must exist for Durable Objects. */
  readonly storage?: string
}

export function workerdFiles(guests: readonly Guest[], compatibilityDate: string): WorkerdFiles {
  if (guests.some(({ capabilities = {} }) => 'actors' in capabilities))
    return actorFiles(guests, compatibilityDate)
  const [only] = guests
  if (guests.length === 1 && only) return onlyGuest(only, compatibilityDate)
  if (guests.some(({ capabilities }) => capabilities !== undefined))
    throw new BenchError('workerd is given capabilities for a single guest only')
  const bindings = 'bindings = [ (name = "LOADER", workerLoader = ()) ],'
  return {
    files: {
      'config.capnp': configOf(compatibilityDate, ['main.js'], '', bindings),
      'main.js': dispatcherOf(guests, compatibilityDate),
    },
  }
}

const STORAGE = 'objects'

function onlyGuest({ source, capabilities = {} }: Guest, compatibilityDate: string): WorkerdFiles {
  // By default its `fetch` reaches public addresses alone.
  const network =
    'fetch' in capabilities ? '(name = "internet", network = (allow = ["public", "local"])),' : ''
  if (!('kv' in capabilities))
    return {
      files: {
        'config.capnp': configOf(compatibilityDate, ['main.js'], network, ''),
        'main.js': source,
      },
    }
  const services = `${network} (name = "disk", disk = (path = "${STORAGE}", writable = true)),`
  const worker = `durableObjectNamespaces = [ (className = "Store", uniqueKey = "bench-store") ],
  durableObjectStorage = (localDisk = "disk"),
  bindings = [ (name = "STORE", durableObjectNamespace = "Store") ],`
  return {
    files: {
      'config.capnp': configOf(compatibilityDate, ['main.js', 'guest.js'], services, worker),
      'main.js': STORE,
      'guest.js': source,
    },
    storage: STORAGE,
  }
}

/** What is durable is workerd's to say: its output gate holds an answer back until the write before it is. */
const STORE = `import { DurableObject } from 'cloudflare:workers'
export { default } from 'guest.js'
export class Store extends DurableObject {
  getValue(key) {
    return this.ctx.storage.get(key)
  }
  putValue(key, value) {
    return this.ctx.storage.put(key, value)
  }
}
`

function configOf(
  compatibilityDate: string,
  modules: readonly string[],
  services: string,
  worker: string,
): string {
  const embedded = modules.map((name) => `(name = "${name}", esModule = embed "${name}")`)
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [ ${services} (name = "main", worker = .main) ],
  sockets = [ (name = "http", address = "127.0.0.1:0", http = (), service = "main") ],
);
const main :Workerd.Worker = (
  modules = [ ${embedded.join(', ')} ],
  compatibilityDate = "${compatibilityDate}",
  ${worker}
);
`
}

function dispatcherOf(guests: readonly Guest[], compatibilityDate: string): string {
  const sources = [...new Set(guests.map((guest) => guest.source))]
  const known = guests.map(
    (guest) => [`${guest.tenant}/${guest.service}`, sources.indexOf(guest.source)] as const,
  )
  return `const SOURCES = ${JSON.stringify(sources)}
const GUESTS = new Map(${JSON.stringify(known)})
export default {
  fetch(request, env) {
    const url = request.url
    const start = url.indexOf('/', 8) + 1
    const end = url.indexOf('/', url.indexOf('/', start) + 1)
    const id = url.slice(start, end)
    const source = GUESTS.get(id)
    if (source === undefined) return new Response('no such service', { status: 404 })
    const worker = env.LOADER.get(id, () => ({
      compatibilityDate: '${compatibilityDate}',
      mainModule: 'guest.js',
      modules: { 'guest.js': SOURCES[source] },
      globalOutbound: null,
    }))
    return worker.getEntrypoint().fetch(request)
  },
}
`
}
