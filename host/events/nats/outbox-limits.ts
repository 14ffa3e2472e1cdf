/** How much may wait for JetStream, and how long: what is over is refused, so that a host without its NATS keeps its memory. */
export interface OutboxLimits {
  /** For all tenants. */
  readonly messages: number
  readonly bytes: number
  /** For one of them, so that none takes the room of all. */
  readonly tenantMessages: number
  readonly tenantBytes: number
  /** From `send` to VELA_EVENTS_UNAVAILABLE. */
  readonly deadlineMs: number
}

export const OUTBOX_LIMITS: OutboxLimits = {
  messages: 65_536,
  bytes: 128 * 1024 * 1024,
  tenantMessages: 8192,
  tenantBytes: 8 * 1024 * 1024,
  deadlineMs: 10_000,
}
