/**
 * A rate limiter: a token bucket for each client, in a durable actor of its own. Two requests of one client never meet
 * in a bucket, wherever they came in, and a restart forgives nobody.
 */
import { Actor, WorkerEntrypoint, type ActorNamespace } from '@vela/guest-sdk'

interface Env {
  readonly BURST: number
  readonly PER_SECOND: number
  readonly BUCKETS: ActorNamespace<Bucket>
}

interface Level {
  readonly tokens: number
  /** When there were so many: milliseconds since the epoch. */
  readonly at: number
}

interface Verdict {
  readonly allowed: boolean
  readonly remaining: number
  /** Until the next token is there; 0 when one is. */
  readonly retryAfterMs: number
}

export class Bucket extends Actor<Env> {
  async take(): Promise<Verdict> {
    const { BURST, PER_SECOND } = this.env
    const { tokens } = await this.#level()
    const allowed = tokens >= 1
    const left = allowed ? tokens - 1 : tokens
    if (allowed) {
      const level: Level = { tokens: left, at: Date.now() }
      await this.ctx.storage.put('level', level)
      await this.ctx.storage.setAlarm(Date.now() + Math.ceil(((BURST - left) / PER_SECOND) * 1000))
    }
    const retryAfterMs = left >= 1 ? 0 : Math.ceil(((1 - left) / PER_SECOND) * 1000)
    return { allowed, remaining: Math.floor(left), retryAfterMs }
  }

  /** The bucket is full again, which is what a client without a past has: nothing need be kept of it. */
  async alarm(): Promise<void> {
    // Unless a request came just before; it has set the alarm anew.
    if ((await this.#level()).tokens < this.env.BURST) return
    await this.ctx.storage.deleteAll()
    console.log(`forgot ${this.ctx.id.name}`)
  }

  /** What was there, and what has dripped in since. */
  async #level(): Promise<Level> {
    const { BURST, PER_SECOND } = this.env
    const now = Date.now()
    const { tokens, at } = (await this.ctx.storage.get<Level>('level')) ?? { tokens: BURST, at: now }
    return { tokens: Math.min(BURST, tokens + ((now - at) / 1000) * PER_SECOND), at: now }
  }
}

export default class extends WorkerEntrypoint<Env> {
  /** `/?key=ada`: 200, or 429 with the seconds to wait. */
  async fetch(request: Request): Promise<Response> {
    const key = new URL(request.url).searchParams.get('key') ?? ''
    if (!/^[\w.:-]{1,64}$/.test(key))
      return Response.json({ error: 'name a client: ?key=ada' }, { status: 400 })
    const { allowed, remaining, retryAfterMs } = await this.check(key)
    const headers = {
      'ratelimit-limit': String(this.env.BURST),
      'ratelimit-remaining': String(remaining),
      ...(allowed ? {} : { 'retry-after': String(Math.ceil(retryAfterMs / 1000)) }),
    }
    return Response.json({ allowed, remaining, retryAfterMs }, { status: allowed ? 200 : 429, headers })
  }

  /** For other services, which ask for it by `"services": {"limiter": {"service": "rate-limiter"}}`. */
  async check(key: string): Promise<Verdict> {
    return await this.env.BUCKETS.get(key).take()
  }
}
