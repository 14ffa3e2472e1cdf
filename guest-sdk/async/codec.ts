/**
 * What crosses between actors, channels and workers is more than JSON. A value becomes a text without newlines, and
 * the text a value again, equally in hosts and guests. The form is kept in stores: old texts must stay readable.
 *
 * Plain JSON data is its JSON text. Anything else is `$`, followed by JSON in which objects and primitives stand for
 * themselves and a list has its kind as first item:
 *
 * | list | value |
 * | --- | --- |
 * | `["", a, b]` | array |
 * | `["sparse", length, index, item, …]` | array with holes |
 * | `["undefined"]`, `["number", "NaN"]` (`Infinity`, `-Infinity`, `-0`), `["bigint", "12"]` | primitives that JSON lacks |
 * | `["date", ms]` | Date; null: invalid |
 * | `["map", key, value, …]`, `["set", item, …]` | Map, Set |
 * | `["bytes", base64]`, `["buffer", base64]`, `["view", "Float64Array", base64]` | Uint8Array, ArrayBuffer, other views |
 * | `["error", name, message, "code", …, "cause", …, "errors", …]` | Error, with those parts it has |
 * | `["regexp", source, flags]` | RegExp |
 *
 * Left behind: prototypes of subclasses of the above, properties with symbols as names or not enumerable, what an array
 * has beside its items, stacks of errors, `lastIndex`. What is shared within a value is copied once for each place.
 */
export { cloneValue } from './codec-clone.ts'
export { decodeValue } from './codec-decode.ts'
export { encodeValue } from './codec-encode.ts'
export { DataCloneError } from './data-clone-error.ts'
