/**
 * The web platform's own types, from whichever library a service is checked with ("webworker", "dom", those of
 * Workers): the SDK declares none, so that they are never two. Without one they are empty objects.
 */

/** The instances of a global class of the author's library. */
type InstanceOf<Name extends string> = typeof globalThis extends {
  readonly [Key in Name]: { prototype: infer Instance }
}
  ? Instance
  : object

export type GuestRequest = InstanceOf<'Request'>
export type GuestResponse = InstanceOf<'Response'>
export type GuestReadableStream = InstanceOf<'ReadableStream'>
export type GuestBlob = InstanceOf<'Blob'>
/** Either; one name, since without a library they are the same. */
export type GuestBlobOrStream = InstanceOf<'Blob' | 'ReadableStream'>
export type GuestWebSocket = InstanceOf<'WebSocket'>
export type GuestAbortSignal = InstanceOf<'AbortSignal'>

/** The second argument of the author's `fetch`. */
export type GuestRequestInit = typeof globalThis extends {
  readonly fetch: (input: never, init?: infer Init) => unknown
}
  ? Init
  : object

/** Bytes as calls take them. */
export type Bytes = ArrayBuffer | ArrayBufferView

/** What crosses between services: JSON. */
export type JsonValue =
  | string
  | number
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue }
