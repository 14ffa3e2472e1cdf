/**
 * What workerd is given to run: one guest as its own worker, or several as dynamic workers behind a dispatcher that
 * finds them by the first two path segments. The dispatcher does the least it can (no URL object, the request passed
 * on as it is), so that the comparison does not rest on our glue.
 */
import type { Guest } from '../contract.ts'

export interface WorkerdFiles {
  readonly config: string
  readonly main: string
}

export function workerdFiles(guests: readonly Guest[], compatibilityDate: string): WorkerdFiles {
  const [only] = guests
  if (guests.length === 1 && only) return { config: configOf(compatibilityDate, ''), main: only.source }
  const bindings = 'bindings = [ (name = "LOADER", workerLoader = ()) ],'
  return { config: configOf(compatibilityDate, bindings), main: dispatcherOf(guests, compatibilityDate) }
}

function configOf(compatibilityDate: string, bindings: string): string {
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [ (name = "main", worker = .main) ],
  sockets = [ (name = "http", address = "127.0.0.1:0", http = (), service = "main") ],
);
const main :Workerd.Worker = (
  modules = [ (name = "main.js", esModule = embed "main.js") ],
  compatibilityDate = "${compatibilityDate}",
  ${bindings}
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
