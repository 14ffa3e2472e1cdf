/** Keeps every fact of the shop, by batches, and shows those that come in to whoever looks on. */
import type { EventBatch, ExportedHandler, KvNamespace, RemoteBroadcast } from '@vela/guest-sdk'
import type { Order } from '../../facts.ts'

interface Env {
  readonly LOG: KvNamespace
  readonly LIVE: RemoteBroadcast<string>
}

export default {
  /** The key is of the event, so one that comes again is the same entry. */
  async queue(batch: EventBatch<Order>, env: Env): Promise<void> {
    await Promise.all(
      batch.messages.map(({ id, subject, source, timestamp, data }) => {
        const entry = { at: timestamp.toISOString(), subject, source, order: data.id }
        return env.LOG.put(`${entry.at} ${id}`, JSON.stringify(entry))
      }),
    )
    for (const { subject, data } of batch.messages) await env.LIVE.send(`${subject} ${data.id}`)
  },

  async fetch(request: Request, env: Env): Promise<Response> {
    const { pathname } = new URL(request.url)
    if (pathname === '/live') return live(env, request.signal)
    if (pathname !== '/log') return Response.json({ error: 'GET /log or GET /live' }, { status: 404 })
    const { keys } = await env.LOG.list({ limit: 100, reverse: true })
    const entries = await env.LOG.get<{ subject: string }>(
      keys.map(({ name }) => name),
      'json',
    )
    return Response.json({ entries: [...entries.values()] })
  },
} satisfies ExportedHandler<Env>

/** Server-sent events, until the client leaves. */
function live(env: Env, signal: AbortSignal): Response {
  const { readable, writable } = new TransformStream<string, string>()
  const writer = writable.getWriter()
  const show = async (): Promise<void> => {
    await writer.write(': you see what happens from now on\n\n')
    for await (const fact of env.LIVE.values({ signal })) await writer.write(`data: ${fact}\n\n`)
  }
  show().catch(() => writer.abort().catch(() => undefined))
  return new Response(readable.pipeThrough(new TextEncoderStream()), {
    headers: { 'content-type': 'text/event-stream' },
  })
}
