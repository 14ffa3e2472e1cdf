/** What a service exports and what its handlers are given. */
import type { EventBatch } from './events.ts'
import type { GuestAbortSignal, GuestRequest, GuestResponse } from './web.ts'

/** What belongs to one turn: a request, a call of a method, or a scheduled run. */
export interface Context {
  /** The id in the response's `x-request-id` header, in the access log and beside this turn's log lines. */
  readonly requestId: string
  /** Empty: there for Cloudflare-style code that reads it. */
  readonly props: Readonly<Record<string, unknown>>
  /**
   * Aborts when nobody waits for the turn any more: the client has gone, or the service's `wallMs` is over. What is begun with
   * it ends with the turn.
   *
   * @example
   * await taskGroup(async (group) => { group.spawn((task) => fetch(url, task)) }, ctx)
   */
  readonly signal: GuestAbortSignal
  /**
   * Keeps the turn open until the promise settles, after the response has gone; at most 1,000 promises a turn
   * (`RangeError` beyond), and no longer than the service's `wallMs` (milliseconds). A rejection is logged.
   *
   * @example
   * ctx.waitUntil(env.VISITS.put(crypto.randomUUID(), request.url))
   */
  waitUntil(promise: Promise<unknown>): void
  /** Does nothing: there is no origin to pass through to. */
  passThroughOnException(): void
}

/** What a scheduled run is for. */
export interface ScheduledController {
  readonly type: 'scheduled'
  /** The schedule that is due, as the manifest has it. */
  readonly cron: string
  /** The minute that the run stands for (milliseconds since the epoch, UTC). */
  readonly scheduledTime: number
  /** There for Workers' code: a run that fails is never repeated. */
  noRetry(): void
}

/** Why a version ends. */
export type StopReason = 'replaced' | 'deleted' | 'shutdown'

/**
 * The default export of a service. Every part is optional, but a service must have a `fetch`, a `scheduled`, a `queue`,
 * a `start` or a method.
 *
 * @example
 * export default {
 *   fetch: (request, env) => Response.json({ hello: env.NAME }),
 * } satisfies ExportedHandler<{ NAME: string }>
 */
export interface ExportedHandler<Env = Readonly<Record<string, unknown>>> {
  /**
   * Answers the HTTP requests of this service. Its URL is without `/<tenant>/<service>`; `request.signal` aborts when the
   * client goes or `wallMs` is over. What it throws is logged, and the client gets 500 `VELA_GUEST_THREW`.
   */
  fetch?(request: GuestRequest, env: Env, ctx: Context): GuestResponse | Promise<GuestResponse>
  /**
   * Runs when one of the manifest's `schedules` is due (cron expressions of five fields, UTC); one run at a time, what is
   * missed is not made up for. What it throws is logged.
   *
   * @example
   * async scheduled({ scheduledTime }, env) {
   *   await env.REPORTS.put(new Date(scheduledTime).toISOString(), await report())
   * }
   */
  scheduled?(controller: ScheduledController, env: Env, ctx: Context): void | Promise<void>
  /**
   * Gets events in batches: those that the manifest subscribes to without a handler of their own. An event is acknowledged when this
   * returns and all it gave to `ctx.waitUntil` is done, unless `retry()` was called; if it throws, those that it did not `ack()` failed.
   *
   * @example
   * async queue(batch, env) {
   *   for (const message of batch.messages) await env.MAIL.send(message.body)
   * }
   */
  queue?(batch: EventBatch, env: Env, ctx: Context): void | Promise<void>
  /** Runs once in each isolate, after the module and before the first call. What it throws refuses the deploy. */
  start?(env: Env): void | Promise<void>
  /**
   * Runs when the version is replaced or deleted, or the host shuts down, for a few seconds at most. Not before an idle
   * isolate is unloaded, and never after a limit has ended it.
   */
  stop?(reason: StopReason): void | Promise<void>
  /** Methods, for `runtime.invoke`, `vela invoke` and other services: arguments and result are JSON. */
  readonly [method: string]: unknown
}
