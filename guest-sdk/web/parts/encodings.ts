/**
 * The encodings besides UTF-8. UTF-16 and windows-1252, which is what the web means by latin1 and ascii, are decoded
 * here; the others by the cell. A part of its own: most services never decode anything but UTF-8.
 */
import { byteStringFromBytes } from '../bytes.ts'
import { copyBytes, concatBytes } from '../intrinsics.ts'
import { completeLength, escapeAfter } from './character-ends.ts'

/** See Native.decodeLegacy. */
export type DecodeNative = (label: string, bytes: string | undefined, fatal: boolean) => string | undefined

export interface LegacyDecoder {
  readonly encoding: string
  /** `undefined`: `fatal` and malformed; the state is then as at the start. */
  decode(bytes: Uint8Array, stream: boolean, fatal: boolean): string | undefined
}

export interface EncodingsPart {
  create(label: string, native: DecodeNative): LegacyDecoder | undefined
}

const LABELS: Readonly<Record<string, string>> = {
  'utf-16le': 'utf-16 utf-16le csunicode iso-10646-ucs-2 ucs-2 unicode unicodefeff',
  'utf-16be': 'utf-16be unicodefffe',
  'windows-1252':
    'ansi_x3.4-1968 ascii cp1252 cp819 csisolatin1 ibm819 iso-8859-1 iso-ir-100 iso8859-1 iso88591 iso_8859-1 ' +
    'iso_8859-1:1987 l1 latin1 us-ascii windows-1252 x-cp1252',
}

/** Bytes 0x80 to 0x9f of windows-1252. */
const HIGH_CONTROLS =
  '\u20ac\u0081\u201a\u0192\u201e\u2026\u2020\u2021\u02c6\u2030\u0160\u2039\u0152\u008d\u017d\u008f' +
  '\u0090\u2018\u2019\u201c\u201d\u2022\u2013\u2014\u02dc\u2122\u0161\u203a\u0153\u009d\u017e\u0178'

export function create(label: string, native: DecodeNative): LegacyDecoder | undefined {
  const wanted = label.replace(/^[\t\n\f\r ]+|[\t\n\f\r ]+$/g, '').toLowerCase()
  for (const encoding of Object.keys(LABELS)) {
    if (wanted === '' || !(LABELS[encoding] as string).split(' ').includes(wanted)) continue
    return encoding === 'windows-1252' ? createWindows1252() : createUtf16(encoding, encoding === 'utf-16be')
  }
  const encoding = wanted === '' ? undefined : native(wanted, undefined, false)
  return encoding === undefined ? undefined : createByCell(encoding, native)
}

/** The cell decodes whole characters and remembers nothing: what is incomplete or shifted is kept here. */
function createByCell(encoding: string, native: DecodeNative): LegacyDecoder {
  let held: Uint8Array | undefined
  let escape = ''
  return {
    encoding,
    decode(given, stream, fatal) {
      const bytes = held === undefined ? given : concatBytes([held, given])
      const end = stream ? completeLength(encoding, bytes, escape) : bytes.length
      held = end === bytes.length ? undefined : copyBytes(bytes.subarray(end))
      const whole = byteStringFromBytes(bytes.subarray(0, end))
      // Two escape sequences in a row are malformed, so one goes in front of text only.
      const prefix = whole === '' || whole.startsWith('\u001b') ? '' : escape
      const text = native(encoding, prefix + whole, fatal)
      escape = stream && text !== undefined ? escapeAfter(encoding, whole, escape) : ''
      if (text === undefined) held = undefined
      return text
    },
  }
}

function createWindows1252(): LegacyDecoder {
  return {
    encoding: 'windows-1252',
    decode(bytes) {
      let text = ''
      for (const byte of bytes) {
        text += byte >= 0x80 && byte < 0xa0 ? HIGH_CONTROLS[byte - 0x80] : String.fromCharCode(byte)
      }
      return text
    },
  }
}

function createUtf16(encoding: string, bigEndian: boolean): LegacyDecoder {
  let odd: number | undefined
  let lead: number | undefined
  return {
    encoding,
    decode(bytes, stream, fatal) {
      let text = ''
      let malformed = false
      const replace = (): void => {
        malformed = true
        text += '\ufffd'
      }
      for (const byte of bytes) {
        if (odd === undefined) {
          odd = byte
          continue
        }
        const unit = bigEndian ? (odd << 8) | byte : (byte << 8) | odd
        odd = undefined
        const isTrail = unit >= 0xdc00 && unit <= 0xdfff
        if (lead !== undefined) {
          if (isTrail) text += String.fromCharCode(lead, unit)
          else replace()
          const paired = isTrail
          lead = undefined
          if (paired) continue
        }
        if (unit >= 0xd800 && unit <= 0xdbff) lead = unit
        else if (isTrail) replace()
        else text += String.fromCharCode(unit)
      }
      if (!stream) {
        if (odd !== undefined || lead !== undefined) replace()
        odd = undefined
        lead = undefined
      }
      if (!fatal || !malformed) return text
      odd = undefined
      lead = undefined
      return undefined
    },
  }
}
