/**
 * What `@vela/guest-sdk/testing` gives, for compilers: types alone, without Node's, so that tests can be checked with
 * the same library as the service.
 */
import type { GuestRequestInit, GuestResponse, JsonValue } from '../types/web.ts'

export interface StartServiceOptions {
  /** Over the manifest's `vars`, key by key. */
  readonly vars?: Readonly<Record<string, JsonValue>>
  /** Secrets, as `vela secret put` would set them. */
  readonly secrets?: Readonly<Record<string, string>>
  /** Over the manifest's `capabilities`, key by key; for a `fetch` that must reach a server of the test. */
  readonly capabilities?: Readonly<Record<string, JsonValue>>
  /**
   * What the operator grants, by kind of capability (docs of the host: `policy.default`). Left out, everything that the
   * manifest asks for is granted, and `fetch` may reach servers on this machine.
   */
  readonly policy?: Readonly<Record<string, JsonValue>>
  /** Services of the host by name: objects whose methods stand in for what the operator registers. */
  readonly services?: Readonly<Record<string, object>>
  /** Folders of other services, deployed before this one under the same tenant: for calls between services. */
  readonly peers?: readonly string[]
  readonly engine?: 'v8' | 'quickjs'
  /** Keys that are there from the start, by the binding's name in `env`. What is no string is stored as JSON. */
  readonly kvSeed?: Readonly<Record<string, Readonly<Record<string, JsonValue>>>>
}

export interface LogLine {
  /** Milliseconds since the epoch. */
  readonly time: number
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  /** `guest` is console output; `runtime` is Vela speaking about the service. */
  readonly source: 'guest' | 'runtime'
  readonly message: string
  /** With the author's files and lines. */
  readonly stack?: string
  readonly requestId?: string
  /** A `VELA_*` code, if the line reports an error. */
  readonly code?: string
}

/** A service in a sandbox of its own, with everything of a real host but its disk. */
export interface RunningService {
  /** Where it answers HTTP; ends with a slash. */
  readonly url: string
  /** What it asks for and did not get, one line each. */
  readonly denied: readonly string[]
  /** An HTTP request, through the gateway. `path` begins with a slash. */
  fetch(path?: string, init?: GuestRequestInit): Promise<GuestResponse>
  /**
   * Calls a method (`quote`, `Api.quote`). Arguments and result are JSON; the result's type is the caller's promise. Rejects
   * with an error whose `code` is `VELA_GUEST_THREW` (and whose message is what was thrown), `VELA_METHOD_NOT_FOUND`, …
   */
  invoke<Result = JsonValue | undefined>(method: string, ...args: readonly unknown[]): Promise<Result>
  /**
   * Runs the `scheduled` handler now, and resolves when it is over; `cron` may be left out if there is only one schedule.
   * Rejects with what it threw.
   */
  scheduled(cron?: string): Promise<void>
  /** What it logged so far; the last 10,000 lines. */
  logs(): readonly LogLine[]
  /** The first line that contains the text, now or later. Rejects after `timeoutMs` (5,000), with what was logged. */
  waitForLog(text: string, timeoutMs?: number): Promise<LogLine>
  /** Ends the service and its processes; idempotent. */
  stop(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

export type StartService = (path?: string, options?: StartServiceOptions) => Promise<RunningService>
