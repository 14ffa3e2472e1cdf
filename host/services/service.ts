/**
 * A tenant's service in operation: the version that serves, those that drain, its log and its numbers. Switching
 * versions is one assignment: a call goes to the old version or to the new one, and the old one finishes what it has.
 */
import { GuestFacingError } from '../capabilities/capability.ts'
import type { Call, GuestError } from '../cells/call.ts'
import { VelaError } from '../core/errors.ts'
import type { ServiceMetrics } from '../core/metrics.ts'
import type { GatewayTarget } from '../http/gateway.ts'
import type { ServiceRecord } from '../registry/types.ts'
import type { LogHub } from './log-hub.ts'
import type { ServiceVersion } from './version.ts'

/** True: another host of the cluster serves the call. `isFull`: no more calls may wait here. */
export type Elsewhere = (tenant: string, service: string, call: Call, isFull: boolean) => boolean

export class Service implements GatewayTarget {
  readonly tenant: string
  readonly service: string
  readonly hub: LogHub
  readonly #metrics: ServiceMetrics
  readonly #draining = new Set<ServiceVersion>()
  #active: ServiceVersion
  updatedAt: number
  /** The operator's; undefined leaves it to the manifest. */
  engineOverride: ServiceRecord['engineOverride']

  readonly #elsewhere: Elsewhere | undefined

  constructor(
    active: ServiceVersion,
    hub: LogHub,
    metrics: ServiceMetrics,
    record: ServiceRecord,
    elsewhere?: Elsewhere,
  ) {
    this.#elsewhere = elsewhere
    this.tenant = active.deployment.tenant
    this.service = active.deployment.service
    this.hub = hub
    this.#metrics = metrics
    this.#active = active
    this.updatedAt = record.updatedAt
    this.engineOverride = record.engineOverride
  }

  get active(): ServiceVersion {
    return this.#active
  }
  get requestBodyBytes(): number {
    return this.#active.limits.requestBodyBytes
  }
  get socketMessageBytes(): number {
    return this.#active.limits.socketMessageBytes
  }
  get socketIdleMs(): number {
    return this.#active.limits.socketIdleMs
  }
  get responseBodyBytes(): number {
    return this.#active.limits.responseBodyBytes
  }
  get inFlight(): number {
    let sum = this.#active.live.inFlight
    for (const { live } of this.#draining) sum += live.inFlight
    return sum
  }

  dispatch(call: Call): void {
    const { live, limits } = this.#active
    const isFull = this.#elsewhere !== undefined && live.queueLength >= limits.queueLength
    if (this.#elsewhere?.(this.tenant, this.service, call, isFull) !== true) live.dispatch(call)
  }

  /** Of a call that has come from another host, and goes no further. */
  dispatchHere(call: Call): void {
    this.#active.live.dispatch(call)
  }

  threw(error: GuestError, requestId: string): void {
    this.#active.threw(error, requestId)
  }

  settled(outcome: string, durationMs: number): void {
    this.#metrics.settled(outcome, durationMs)
  }

  /** The result of a call, counted as it settles: by its code if it fails. */
  async counted<Result>(result: Promise<Result>): Promise<Result> {
    const startedMs = performance.now()
    try {
      const value = await result
      this.settled('ok', performance.now() - startedMs)
      return value
    } catch (thrown) {
      const code = thrown instanceof VelaError || thrown instanceof GuestFacingError ? thrown.code : undefined
      this.settled(code ?? 'VELA_GATEWAY_INTERNAL', performance.now() - startedMs)
      throw thrown
    }
  }

  /** The new version serves from here on; resolves when the old one has drained. */
  async switchTo(next: ServiceVersion, updatedAt: number, drainMs: number): Promise<void> {
    const old = this.#active
    this.#active = next
    this.updatedAt = updatedAt
    await this.#drain(old, 'replaced', drainMs)
  }

  async stop(reason: string, drainMs: number): Promise<void> {
    await this.#drain(this.#active, reason, drainMs)
  }

  tick(nowMs: number): void {
    this.#active.live.tick(nowMs)
    for (const { live } of this.#draining) live.tick(nowMs)
  }

  async #drain(version: ServiceVersion, reason: string, drainMs: number): Promise<void> {
    this.#draining.add(version)
    try {
      await version.drain(reason, drainMs)
    } finally {
      this.#draining.delete(version)
    }
  }
}
