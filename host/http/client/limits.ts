/** What bounds outgoing requests. Every number is a cap on what a hostile guest, server, or both together can take. */
export interface ClientLimits {
  /** Name resolution, TCP and TLS together. */
  readonly connectMs: number
  /** From the end of the request to the end of the response's headers. */
  readonly headersMs: number
  /** Between two chunks of a response, while the reader waits for one. */
  readonly bodyIdleMs: number
  /** An idle connection is kept this long. */
  readonly keepAliveMs: number
  /** Under constant use a connection is replaced after this, so that changed DNS answers count. */
  readonly connectionAgeMs: number
  readonly connectionsPerOrigin: number
  readonly connectionsPerTenant: number
  /** Requests of a service that are waiting, running, or have a body that is not read to its end. */
  readonly requestsPerService: number
  readonly requestBytes: number
  /** Of a response's body, after decoding; and as it came. */
  readonly responseBytes: number
  readonly requestHeaders: number
  readonly requestHeaderBytes: number
  readonly responseHeaders: number
  readonly responseHeaderBytes: number
  readonly redirects: number
}

const MIB = 1024 * 1024

export const DEFAULT_CLIENT_LIMITS: ClientLimits = {
  connectMs: 10_000,
  headersMs: 30_000,
  bodyIdleMs: 30_000,
  keepAliveMs: 10_000,
  connectionAgeMs: 300_000,
  connectionsPerOrigin: 64,
  connectionsPerTenant: 256,
  requestsPerService: 128,
  requestBytes: 100 * MIB,
  responseBytes: 100 * MIB,
  requestHeaders: 128,
  requestHeaderBytes: 32_768,
  responseHeaders: 128,
  responseHeaderBytes: 32_768,
  redirects: 20,
}
