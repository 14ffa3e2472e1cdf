/**
 * Makes the wasm file's function table reachable: QuickJS asks a function of the table about rejected promises, and the file offers no
 * other way to name one. Nothing else of the file changes.
 */
const SECTION = { export: 7 } as const
const KIND_TABLE = 1
export const TABLE_EXPORT = 'vela_table'

/** The file with its table exported as TABLE_EXPORT. Throws if it is no wasm file with exports. */
export function exportTable(wasm: Uint8Array): Uint8Array {
  const name = Buffer.from(TABLE_EXPORT)
  const entry = Buffer.from([name.length, ...name, KIND_TABLE, 0])
  for (let at = 8; at < wasm.length;) {
    const size = readLeb(wasm, at + 1)
    const end = size.next + size.value
    if (wasm[at] === SECTION.export) {
      const count = readLeb(wasm, size.next)
      const body = Buffer.concat([leb(count.value + 1), wasm.subarray(count.next, end), entry])
      const head = Buffer.from([SECTION.export, ...leb(body.length)])
      return Buffer.concat([wasm.subarray(0, at), head, body, wasm.subarray(end)])
    }
    at = end
  }
  throw new Error('The wasm file has no exports')
}

/**
 * A module that gives a JavaScript function the type of QuickJS's rejection tracker, (context, promise, reason, is handled, opaque),
 * so that the table takes it: it imports `a.a` and exports it as `a`.
 */
export const TRACKER_MODULE: Uint8Array = Buffer.from(
  '0061736d0100000001090160057f7e7e7f7f0002070101610161000007050101610000',
  'hex',
)

function readLeb(bytes: Uint8Array, from: number): { value: number; next: number } {
  let value = 0
  let next = from
  for (let shift = 0; shift < 35; shift += 7) {
    const byte = bytes[next++] ?? 0
    value |= (byte & 0x7f) << shift
    if ((byte & 0x80) === 0) break
  }
  return { value: value >>> 0, next }
}

function leb(value: number): Buffer {
  const bytes: number[] = []
  for (let rest = value; ; rest >>>= 7) {
    if (rest < 0x80) return Buffer.from([...bytes, rest])
    bytes.push((rest & 0x7f) | 0x80)
  }
}
