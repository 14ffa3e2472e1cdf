/** A service that publishes what a test asks and keeps what its handlers get, and what tests share to watch it. */
import type { JsonValue } from '../../host/registry/types.ts'
import type { Host } from '../capabilities/support.ts'

export const GUEST = `
import { WorkerEntrypoint, env as shared } from '@vela/guest-sdk'
const got = []
let fails = 0
let held = []
const outcome = (promise) => promise.then((value) => ({ value }), ({ name, message, code }) => ({ name, message, code }))
const seen = (event) => ({ id: event.id, subject: event.subject, source: event.source, data: event.data, key: event.key,
  headers: { ...event.headers }, attempts: event.attempts, recent: Math.abs(Date.now() - event.timeMs) < 60_000 })
export default class extends WorkerEntrypoint {
  async publish({ subject, data, options, binding = 'E' }) { const { env } = this; return await outcome(env[binding].publish(subject, data, options)) }
  async many({ subject, count, chunk = count, from = 0 }) { const { env } = this;
    for (let at = 0; at < count; at += chunk) {
      const all = []
      for (let i = at; i < Math.min(at + chunk, count); i++) all.push(env.E.publish(subject, from + i))
      await Promise.all(all)
    }
    return count
  }
  async odd() { const { env } = this;
    const map = new Map([['when', new Date(0)], ['what', new Set([1n, undefined])], ['text', '\\n ü \\u2028 "']])
    await env.E.publish('odd.map', map)
    const bad = [() => 1, Symbol('x'), { deep: [1, { work() {} }] }]
    return await Promise.all(bad.map((value) => outcome(env.E.publish('odd.bad', value))))
  }
  carelessly({ subject, data }) { const { env } = this; void env.E.publish(subject, data); return 'answered' }
  globally({ subject, data }) { void shared.E.publish(subject, data); return 'answered' }
  async send({ body, options }) { const { env } = this; return await outcome(env.Q.send(body, options)) }
  async sendBatch({ bodies }) { const { env } = this; return await outcome(env.Q.sendBatch(bodies.map((body) => ({ body })))) }
  got() { return got }
  count() { return got.length }
  forget() { got.length = 0 }
  fail({ times }) { fails = times }
  release() { for (const go of held) go(); held = [] }
  async queue(batch) { const { ctx } = this;
    got.push({ queue: batch.queue, events: batch.messages.map(seen), timestamps: batch.messages.every((m) => m.timestamp instanceof Date), requestId: ctx.requestId })
    // What a message says is done at its first try.
    const first = batch.messages.filter(({ attempts }) => attempts === 1)
    for (const message of first) {
      if (message.data.do === 'ack') message.ack()
      if (message.data.do === 'retry') { message.retry({ delaySeconds: 0.001 }); message.ack() }
    }
    if (first.some(({ data }) => data.do === 'ackAll')) batch.ackAll()
    if (first.some(({ data }) => data.do === 'retryAll')) batch.retryAll({ delaySeconds: 0 })
    if (first.some(({ data }) => data.do === 'later')) ctx.waitUntil(new Promise((resolve) => held.push(resolve)))
    if (first.some(({ data }) => data.do === 'throw')) throw new TypeError('the batch fails')
    if (fails-- > 0) throw new RangeError('queue fails')
  }
}
export function onEvent(event, env, ctx) { got.push(seen(event)); if (event.data === 'bad') throw new RangeError('a bad one') }
export async function onFirstFails({ data, attempts }) { if (data === 0 && attempts < 3) throw new Error('not yet'); got.push(data) }
export async function onSlow(event) { got.push(event.data); await new Promise((resolve) => held.push(resolve)) }
export function onMap({ data }) { got.push([data.get('when').toISOString(), [...data.get('what')].map(String), data.get('text')]) }
export async function onCircle(event, env) { got.push(event.data); await env.E.publish('circle', event.data + 1).catch(({ code }) => got.push(code)) }
export function onGlobalCircle(event) { got.push(event.data); void shared.E.publish('circle', event.data + 1) }
export function onLeftCircle({ data }) { got.push(data); if (data < 100) void (async () => { for (let i = 0; i < 20; i++) await null; void shared.E.publish('circle', data + 1) })() }
export function onLoop() { got.push('loop'); for (;;); }
export async function onNever(event) { got.push(event.data); await new Promise(() => undefined) }
`

/** Of one event, as the guest above tells it. */
export interface Seen {
  readonly id: string
  readonly subject: string
  readonly source: string
  readonly data: JsonValue
  readonly key: string | null
  readonly headers: Readonly<Record<string, string>>
  readonly attempts: number
  readonly recent: boolean
}

/** What the service's handlers have got, once there are so many. Throws with what there is after 10 s. */
export async function gotBy(host: Pick<Host, 'invoke'>, at: string, count: number): Promise<unknown[]> {
  let got: unknown[] = []
  await until(
    async () => (got = (await host.invoke(at, 'got')) as unknown[]).length >= count,
    () => `${at} has got ${JSON.stringify(got)}; ${count} were expected`,
  )
  return got
}

/** Polls until it is so. */
export async function until(
  check: () => boolean | Promise<boolean>,
  why: () => string = () => 'it never came to be',
): Promise<void> {
  const deadline = performance.now() + 10_000
  while (!(await check())) {
    if (performance.now() > deadline) throw new Error(why())
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

// What the handlers have got is kept by the isolate.
export const GUEST_LIMITS = { cpuMs: 5_000, replicas: 1 } as const

export interface DurableGuests {
  /** A service with both ends; its name is new. */
  both(tenant: string, engine: Engine, subscribe: object): Promise<string>
  deploy(at: string, engine: Engine, subscribe: object, source?: string): Promise<unknown>
  publish(at: string, subject: string, data: unknown, options?: object): Promise<unknown>
}

type Engine = 'v8' | 'quickjs'

/** Services that publish durable events by the binding E and hear them by IN. */
export function durableGuests(host: () => Host): DurableGuests {
  let names = 0
  const guests: DurableGuests = {
    async both(tenant, engine, subscribe) {
      const at = `${tenant}/both-${++names}`
      await guests.deploy(at, engine, subscribe)
      return at
    },
    deploy: (at, engine, subscribe, source = GUEST) =>
      host().deploy(at, source, {
        engine,
        limits: GUEST_LIMITS,
        capabilities: {
          events: {
            E: { kind: 'durable', publish: ['>'] },
            IN: { kind: 'durable', subscribe: [{ backoffMs: 1, ...subscribe }] },
          },
        },
      }),
    publish: (at, subject, data, options = {}) =>
      host().invoke(at, 'publish', { subject, data, options } as never),
  }
  return guests
}
