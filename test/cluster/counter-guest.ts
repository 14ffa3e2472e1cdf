/** A service whose actors count, and remember which increment made which number: what a history can be checked against. */
import type { Cluster, Host } from './hosts.ts'
import { deployTo, eventually } from './hosts.ts'

const SOURCE = `
import { Actor } from '@vela/guest-sdk'
export class Counter extends Actor {
  async add(id) {
    const n = ((await this.ctx.storage.get('n')) ?? 0) + 1
    await this.ctx.storage.put('n', n)
    await this.ctx.storage.put('id:' + id, n)
    return n
  }
  async read() {
    return (await this.ctx.storage.get('n')) ?? 0
  }
  async history() {
    return Object.fromEntries([...(await this.ctx.storage.list({ prefix: 'id:' }))].map(([key, n]) => [key.slice(3), n]))
  }
  async fill(size) {
    for (let index = 0; index < size; index++) await this.ctx.storage.put('fill' + index, 'x'.repeat(100000))
    return size
  }
  async ring(inMs) {
    await this.ctx.storage.setAlarm(Date.now() + inMs)
    return inMs
  }
  async alarm() {
    await this.ctx.storage.put('rang', ((await this.ctx.storage.get('rang')) ?? 0) + 1)
  }
  async rang() {
    return (await this.ctx.storage.get('rang')) ?? 0
  }
  async nap(ms) {
    await new Promise((resolve) => setTimeout(resolve, ms))
    return ms
  }
  async fetch(request) {
    if (request.headers.get('upgrade') === 'websocket') {
      const { 0: client, 1: server } = new WebSocketPair()
      this.ctx.acceptWebSocket(server)
      return new Response(null, { status: 101, webSocket: client })
    }
    const text = await request.text()
    return new Response('n=' + (await this.read()) + ' ' + request.method + ' ' + text.length + ' ' + 'y'.repeat(Number(request.headers.get('want') ?? 0)))
  }
  async webSocketMessage(ws, text) {
    ws.send('echo ' + text + ' ' + (await this.read()))
  }
}
export default {
  async fetch(request, env) {
    const [, name, op, arg] = new URL(request.url).pathname.split('/')
    const actor = env.COUNTER.get(name)
    if (op === 'fetch') return await actor.fetch(request)
    return Response.json(await actor[op](arg === undefined ? undefined : isNaN(arg) ? arg : Number(arg)))
  },
}
`

/** Deploys it as acme/count; resolves when every host serves it. */
export async function deployCounter({ hosts }: Cluster): Promise<void> {
  const [first] = hosts
  if (first === undefined) throw new Error('no host')
  await first.client.createTenant('acme')
  await deployTo(first, 'acme', 'count', SOURCE, {
    capabilities: { actors: { COUNTER: { class: 'Counter' } } },
  })
  for (const host of hosts)
    await eventually(`${host.name} serves`, () => host.get('acme', 'count', '/warm/read'))
}

export const call = async (host: Host, name: string, op: string, arg?: string | number): Promise<unknown> =>
  JSON.parse(await host.get('acme', 'count', `/${name}/${op}${arg === undefined ? '' : `/${arg}`}`))

/** The actor's answer, from whichever attempt gets one. */
export const callSoon = (host: Host, name: string, op: string, arg?: string | number): Promise<unknown> =>
  eventually(`${host.name} answers ${name}.${op}`, async () => ({
    value: await call(host, name, op, arg),
  })).then(({ value }) => value)
