/** Where the last whole character of a chunk ends, in the encodings whose characters are of several bytes. */

const MULTI_BYTE: ReadonlySet<string> = new Set(['gbk', 'gb18030', 'big5', 'euc-jp', 'shift_jis', 'euc-kr'])
const SHIFTED = 'iso-2022-jp'
const ESCAPE = 0x1b

/** How many bytes can be decoded by themselves; what is behind them is the start of a character. */
export function completeLength(encoding: string, bytes: Uint8Array, escape: string): number {
  const { length } = bytes
  if (encoding === SHIFTED) return completeShifted(bytes, escape)
  if (!MULTI_BYTE.has(encoding)) return length
  let at = 0
  while (at < length) {
    const size = sizeAt(encoding, bytes, at)
    if (at + size > length) return at
    at += size
  }
  return length
}

/** A malformed second byte that is ASCII is a character of its own: it ends at the same place all the same. */
function sizeAt(encoding: string, bytes: Uint8Array, at: number): number {
  const lead = bytes[at] as number
  const second = bytes[at + 1]
  if (lead < 0x80) return 1
  switch (encoding) {
    case 'gbk':
    case 'gb18030':
      if (lead === 0x80 || lead === 0xff) return 1
      return second !== undefined && second >= 0x30 && second <= 0x39 ? 4 : 2
    case 'shift_jis':
      return lead === 0x80 || (lead >= 0xa0 && lead <= 0xdf) || lead > 0xfc ? 1 : 2
    case 'euc-jp':
      if (lead === 0x8f) return 3
      return lead === 0x8e || (lead >= 0xa1 && lead <= 0xfe) ? 2 : 1
    default:
      return lead === 0x80 || lead === 0xff ? 1 : 2
  }
}

function completeShifted(bytes: Uint8Array, escape: string): number {
  const { length } = bytes
  let isDouble = escape.startsWith('\u001b$')
  let at = 0
  while (at < length) {
    const isEscape = bytes[at] === ESCAPE
    const size = isEscape ? 3 : isDouble ? 2 : 1
    if (at + size > length) return at
    if (isEscape) isDouble = bytes[at + 1] === 0x24
    at += size
  }
  return length
}

/** The last escape sequence, which says how what follows is to be read. */
export function escapeAfter(encoding: string, text: string, escape: string): string {
  if (encoding !== SHIFTED) return ''
  const at = text.lastIndexOf('\u001b')
  return at === -1 ? escape : text.slice(at, at + 3)
}
