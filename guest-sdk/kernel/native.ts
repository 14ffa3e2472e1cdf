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
  /** A byte string of `length` (at most 65,536) random bytes, drawn from the seed that came with the turn. */
  randomBytes(length: number): string
  /** Source of a lazily loaded part of the kernel, a function body evaluated with `kernel` in scope. */
  part(name: string): string | undefined
}
