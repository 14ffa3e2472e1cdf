/** A service that counts in actors, publishes and handles durable events, and writes keys: all that a cluster keeps for its guests. */
import { deployTo, type Host } from './hosts.ts'

/** Increments, durable events and key-value writes; the handled events stand in the store of keys. */
const WORK = `
import { Actor } from '@vela/guest-sdk'
export class Counter extends Actor {
  async add(id) {
    const n = ((await this.ctx.storage.get('n')) ?? 0) + 1
    await this.ctx.storage.put('n', n)
    await this.ctx.storage.put('id:' + id, n)
    return n
  }
  async history() {
    return Object.fromEntries([...(await this.ctx.storage.list({ prefix: 'id:' }))].map(([key, n]) => [key.slice(3), n]))
  }
}
export async function onPlaced({ data }, env) {
  await env.KV.put('handled/' + data, 'yes')
}
const all = async (kv, prefix) => {
  const names = []
  for (let cursor; ;) {
    const page = await kv.list({ prefix, ...(cursor === undefined ? {} : { cursor }) })
    names.push(...page.keys.map(({ name }) => name.slice(prefix.length)))
    if (page.list_complete) return names
    cursor = page.cursor
  }
}
const DEEDS = {
  count: (env, id, name) => env.COUNTER.get(name).add(id),
  history: (env, id) => env.COUNTER.get(id).history(),
  publish: (env, id) => env.ORDERS.publish('orders.placed', id, { id }),
  put: async (env, id) => (await env.KV.put('put/' + id, id), id),
  list: (env, id) => all(env.KV, id + '/'),
}
export default {
  async fetch(request, env) {
    const [, deed, id, name] = new URL(request.url).pathname.split('/')
    try {
      return Response.json({ done: await DEEDS[deed](env, id, name) })
    } catch (error) {
      return Response.json({ code: error.code ?? String(error) })
    }
  },
}
`

/** Longer than any deadline of the host's. */
const HANG_MS = 30_000
/** As acme/work; its events are handled by itself. */
export async function deployWork(host: Host): Promise<void> {
  await deployTo(host, 'acme', 'work', WORK, {
    capabilities: {
      actors: { COUNTER: { class: 'Counter' } },
      kv: { KV: {} },
      events: {
        ORDERS: {
          kind: 'durable',
          publish: ['orders.*'],
          subscribe: [
            { subject: 'orders.placed', handler: 'onPlaced', retries: 100, backoffMs: 100, from: 'all' },
          ],
        },
      },
    },
  })
}

/** What the deed gave, or the code of its refusal. Rejects when nothing comes in time. */
export async function ask(host: Host, path: string): Promise<{ done?: unknown; code?: string }> {
  const response = await fetch(`${host.gateway}/acme/work${path}`, { signal: AbortSignal.timeout(HANG_MS) })
  const text = await response.text()
  const answer = JSON.parse(text) as { done?: unknown; code?: string }
  return response.ok ? answer : { code: answer.code ?? text }
}

/** A service that says one thing. */
export const saying = (text: string): string =>
  `export default { fetch() { return new Response(${JSON.stringify(text)}) } }`
