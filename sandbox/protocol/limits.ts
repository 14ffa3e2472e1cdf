/**
 * The limits that hold for one deployment. The host resolves them (operator's maximum, tenant, manifest) and
 * sends them with LOAD; the cell keeps the polite half of each, the host keeps the certain half.
 * Durations end in `Ms`, sizes in `Bytes` or `Mb` (mebibytes).
 */
export interface Limits {
  /** CPU time of one turn, that is one entry into the guest (milliseconds). */
  readonly cpuMs: number
  /** Time from the arrival of a request to the end of its response; of what lasts, to its beginning (milliseconds). */
  readonly wallMs: number
  /** CPU time of loading: evaluating the module and its top-level await (milliseconds). */
  readonly startupMs: number
  /** Heap and ArrayBuffers of the isolate (mebibytes). */
  readonly memoryMb: number
  /** Largest request body (bytes). */
  readonly requestBodyBytes: number
  /** Largest response body (bytes). */
  readonly responseBodyBytes: number
  /** Turns in flight in one service at a time: taken by a cell and not yet settled. */
  readonly concurrency: number
  /** Isolates that a busy service may have, each in a process of its own. */
  readonly replicas: number
  /** Calls that may wait in the host for one service. */
  readonly queueLength: number
  /** Calls of capabilities in flight in one isolate. */
  readonly calls: number
  /** WebSockets and event streams open in one isolate. */
  readonly sockets: number
  /** Largest message of a WebSocket, either way (bytes). */
  readonly socketMessageBytes: number
  /** A WebSocket whose client is silent for so long, pings unanswered, is closed (milliseconds). */
  readonly socketIdleMs: number
  /** Timers pending in one isolate. */
  readonly timers: number
  /** Log text of one service (bytes per second, bursts of ten seconds); what is over is dropped and counted. */
  readonly logBytesPerSecond: number
  /** Size of the bundled source (bytes). */
  readonly bundleBytes: number
}

export const DEFAULT_LIMITS: Limits = {
  cpuMs: 100,
  wallMs: 30_000,
  startupMs: 1_000,
  memoryMb: 64,
  requestBodyBytes: 10 * 1024 * 1024,
  responseBodyBytes: 100 * 1024 * 1024,
  concurrency: 256,
  replicas: 4,
  queueLength: 1024,
  calls: 1000,
  sockets: 256,
  socketMessageBytes: 1024 * 1024,
  socketIdleMs: 60_000,
  timers: 1000,
  logBytesPerSecond: 64 * 1024,
  bundleBytes: 4 * 1024 * 1024,
}

/** What no tenant and no manifest may exceed unless the operator's configuration says otherwise. */
export const MAXIMUM_LIMITS: Limits = {
  cpuMs: 30_000,
  wallMs: 300_000,
  startupMs: 10_000,
  memoryMb: 512,
  requestBodyBytes: 100 * 1024 * 1024,
  responseBodyBytes: 1024 * 1024 * 1024,
  concurrency: 4096,
  replicas: 16,
  queueLength: 16_384,
  calls: 10_000,
  sockets: 4096,
  socketMessageBytes: 16 * 1024 * 1024,
  socketIdleMs: 3_600_000,
  timers: 10_000,
  logBytesPerSecond: 1024 * 1024,
  bundleBytes: 16 * 1024 * 1024,
}

/** Each limit of the first source that names it, never above `maximum`. */
export function resolveLimits(maximum: Limits, ...sources: readonly Partial<Limits>[]): Limits {
  const resolved: Record<string, number> = {}
  for (const key of Object.keys(DEFAULT_LIMITS) as (keyof Limits)[]) {
    const source = sources.find((candidate) => candidate[key] !== undefined)
    resolved[key] = Math.min(source?.[key] ?? DEFAULT_LIMITS[key], maximum[key])
  }
  return resolved as unknown as Limits
}
