/**
 * What the engine gives the kernel: synchronous functions of the cell, captured at boot and never reachable by
 * guest code. Binary data crosses as "byte strings": each character code is one byte (0–255), which is a plain
 * copy on both sides. Every function is total: it returns a value or undefined, and never throws into the guest.
 */
export interface Native {
  /**
   * Parses with the cell's own URL parser. `undefined`: invalid. Else the components joined by `\n`:
   * href, protocol, username, password, host, hostname, port, pathname, search, hash, origin.
   */
  parseUrl(input: string, base: string | undefined): string | undefined
  /** Applies one setter of URL (`protocol`, `host`, `pathname` …) to `href`; same result form. */
  updateUrl(href: string, property: string, value: string): string | undefined
  /** Decodes UTF-8 bytes (a byte string). `undefined`: `fatal` and the input is malformed. */
  decodeUtf8(bytes: string, fatal: boolean): string | undefined
  /** Encodes as UTF-8 into a byte string; lone surrogates become U+FFFD. */
  encodeUtf8(text: string): string
  /**
   * Without `bytes`: the name of the encoding that a label means. With them: decodes whole characters of the encoding
   * of that name. `undefined`: no such label or name, or `fatal` and the input is malformed.
   */
  decodeLegacy(label: string, bytes: string | undefined, fatal: boolean): string | undefined
  /** A byte string of `length` (at most 65,536) random bytes, drawn from the seed that came with the turn. */
  randomBytes(length: number): string
  /** Source of a lazily loaded part of the kernel: an expression whose value is the part's exports. */
  part(name: string): string | undefined
  /** Hands over messages before the end of the entry, so that bytes emitted next keep their order. */
  flush(text: string): void
  /** A part of a body, of turn or call `id`; copied at once. */
  emit(id: number, bytes: Uint8Array): void
  /**
   * A cryptographic operation on byte strings; sandbox/engine/native-crypto.ts lists the operations and their words.
   * '1' and the result, or '0', the name of a DOMException, a line break and its message. Its randomness is drawn like
   * `randomBytes`, so that a replay computes the same.
   */
  crypto(
    operation: string,
    words: string,
    first?: string,
    second?: string,
    third?: string,
    fourth?: string,
  ): string | undefined
  /** Feeds a compressor or decompressor (sandbox/engine/native-compression.ts); handles are small numbers. */
  compression(operation: string, handle: number, bytes: string): string | number | undefined
  /** A line of the guest's log. Kept even when the entry is killed; false when the entry has said enough. */
  log(level: number, requestId: string, text: string): boolean
}

/** What the kernel gives the engine, once, at boot. */
export interface Bridge {
  /** Gives the guest its identity and environment; before its module is evaluated. */
  configure(config: string): void
  /** Called by the entry module when the guest's module (with its top-level await) has been evaluated. */
  register(namespace: object): void
  /** Describes what was registered as JSON, or undefined while top-level await goes on. */
  describe(): string | undefined
  /** Takes the messages of one ENTER frame at time `nowMs`. True when a timer or a task is due. */
  deliver(nowMs: number, text: string): boolean
  /** Runs one due task or timer, so that its microtasks run before the next one. True when another is due. */
  fire(): boolean
  /**
   * Tells the guest of a rejection that nobody handled: JSON {name, message, stack?} of an error, or else the primitive
   * `value`. True when the guest asked that it be left out of its log.
   */
  rejected(description: string | undefined, value: unknown): boolean
  /** What the guest has to say since the last call (messages, newline, bodies), or undefined; `true`: call `fire` first. */
  collect(): string | true | undefined
}

/** The JSON that `configure` takes. */
export interface GuestConfig {
  readonly nowMs: number
  /** 32 hexadecimal digits: the seed of Math.random. */
  readonly seed: string
  readonly timers: number
  readonly responseBodyBytes: number
  /** Largest message of a WebSocket (bytes). */
  readonly socketMessageBytes: number
  /** Vars and secrets. */
  readonly env: Readonly<Record<string, unknown>>
  /** What it may use beside them. */
  readonly capabilities: readonly BindingConfig[]
}

/** Name in `env`, kind, number of the grant at the host, and what the guest's half of the kind needs to know. */
export type BindingConfig = readonly [name: string, kind: string, grant: number, options: unknown]

/** The JSON that `describe` returns. */
export interface GuestDescription {
  readonly fetch: boolean
  readonly scheduled: boolean
  readonly queue: boolean
  readonly start: boolean
  readonly stop: boolean
  /** Methods that `runtime.invoke` can name: of the default export, exported functions, `Class.method`. */
  readonly methods: readonly string[]
  /** Exported classes that extend Actor. */
  readonly actors: readonly string[]
  /** What its containers need of `env`: [by whom, binding, whether its calls have a deadline]. */
  readonly needs: readonly (readonly [path: string, binding: string, hasDeadline: boolean])[]
}
