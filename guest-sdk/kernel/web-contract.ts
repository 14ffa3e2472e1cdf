/** What the kernel needs of the web platform (guest-sdk/web implements it); declared by its consumer. */
export interface WebHooks {
  createRequest(
    method: string,
    url: string,
    rawHeaders: readonly string[],
    body: IncomingBody,
    signal: () => object,
  ): object
  /** `undefined` when the value is no Response of ours; throws TypeError when its body was used. */
  readResponse(value: unknown): ResponseParts | undefined
  createAbort(): { signal: object; abort(reason: unknown): void }
}

export type IncomingBody =
  | null
  | { readonly byteString: string; readonly ascii: boolean }
  | { pull(): Promise<Uint8Array | undefined>; cancel(reason: unknown): void }

export interface ResponseParts {
  readonly status: number
  /** Flat: name, value, name, value … */
  readonly headers: readonly string[]
  readonly body:
    | null
    | { readonly text: string }
    | { readonly bytes: Uint8Array }
    | { readonly stream: BodyStream }
}

/** As much of ReadableStream as the kernel uses. */
export interface BodyStream {
  getReader(): BodyReader
}

export interface BodyReader {
  read(): Promise<{ done: boolean; value?: unknown }>
  cancel(reason: unknown): Promise<void>
}
