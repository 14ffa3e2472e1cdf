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
}

declare global {
  var web: GuestHooks
}

export type { GuestHooks }
