/** The kernel's hooks as the harness leaves them on the guest's global, for functions that run inside. */
interface GuestHooks {
  createRequest(
    method: string,
    url: string,
    rawHeaders: readonly string[],
    body: unknown,
    signal: () => unknown,
  ): Request
  readResponse(value: unknown): unknown
  createAbort(): { readonly signal: AbortSignal; abort(reason: unknown): void }
  reportRejection(description: string | undefined, value: unknown): boolean
}

declare global {
  var web: GuestHooks
}

/** What a guest has and Node's types have not, or have otherwise. */
interface GuestScope {
  readonly self: object
  onerror: ((...args: unknown[]) => unknown) | null
  onunhandledrejection: ((event: GuestRejection) => unknown) | null
  reportError(error?: unknown): void
  addEventListener(type: string, listener: (event: GuestError) => void, options?: object): void
  removeEventListener(type: string, listener: (event: GuestError) => void): void
  dispatchEvent(event: Event): boolean
  readonly ErrorEvent: new (type: string, init?: object) => GuestError
  readonly PromiseRejectionEvent: new (type: string, init: object) => GuestRejection
  readonly MessageChannel: new () => { readonly port1: GuestPort; readonly port2: GuestPort }
}

interface GuestError extends Event {
  readonly message: string
  readonly filename: string
  readonly lineno: number
  readonly colno: number
  readonly error: unknown
}

interface GuestRejection extends Event {
  readonly promise: Promise<unknown>
  readonly reason: unknown
}

interface GuestPort extends EventTarget {
  onmessage: ((event: MessageEvent) => void) | null
  postMessage(message: unknown, options?: unknown): void
  start(): void
  close(): void
}

export type { GuestHooks, GuestPort, GuestScope }
