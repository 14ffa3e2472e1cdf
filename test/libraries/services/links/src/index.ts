/** A worker as one writes it for Cloudflare: bindings in `env`, `ctx.waitUntil`, RPC to an entrypoint. */
import { env as globalEnv, WorkerEntrypoint } from 'cloudflare:workers'

interface KvNamespace {
  get(key: string): Promise<string | null>
  get<Value>(key: string, type: 'json'): Promise<Value | null>
  getWithMetadata(key: string): Promise<{ value: string | null; metadata: { by: string } | null }>
  put(key: string, value: string, options?: { expirationTtl?: number; metadata?: unknown }): Promise<void>
  delete(key: string): Promise<void>
  list(options?: {
    prefix?: string
  }): Promise<{ keys: { name: string; metadata?: unknown }[]; list_complete: boolean }>
}

interface Env {
  readonly LINKS: KvNamespace
  readonly HITS: KvNamespace
  readonly OWNER: string
  readonly AUDIT: { record(what: string): Promise<number> }
}

interface Context {
  waitUntil(promise: Promise<unknown>): void
}

export class Admin extends WorkerEntrypoint<Env> {
  async count(): Promise<number> {
    return (await this.env.LINKS.list()).keys.length
  }
}

export default {
  async fetch(request: Request, env: Env, ctx: Context): Promise<Response> {
    const url = new URL(request.url)
    const slug = url.pathname.slice(1)
    if (slug === '') {
      const { keys } = await env.LINKS.list()
      return Response.json({
        owner: (globalEnv as unknown as Env).OWNER,
        links: keys.map(({ name }) => name),
      })
    }
    switch (request.method) {
      case 'PUT': {
        await env.LINKS.put(slug, await request.text(), { metadata: { by: request.headers.get('x-user') } })
        return new Response(null, {
          status: 201,
          headers: { 'x-audited': String(await env.AUDIT.record(slug)) },
        })
      }
      case 'DELETE':
        await env.LINKS.delete(slug)
        return new Response(null, { status: 204 })
      default: {
        const { value, metadata } = await env.LINKS.getWithMetadata(slug)
        if (value === null) return new Response('no such link', { status: 404 })
        const hits = ((await env.HITS.get<number>(slug, 'json')) ?? 0) + 1
        ctx.waitUntil(env.HITS.put(slug, JSON.stringify(hits), { expirationTtl: 3600 }))
        return new Response(null, {
          status: 302,
          headers: { location: value, 'x-by': metadata?.by ?? '', 'x-hits': String(hits) },
        })
      }
    }
  },
}
