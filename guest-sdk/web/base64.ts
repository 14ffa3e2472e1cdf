/** atob and btoa (HTML: forgiving-base64). */
import { domException } from './dom-exception.ts'

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'

export function btoa(data: string): string {
  if (arguments.length === 0) throw new TypeError('btoa: 1 argument is required, 0 given')
  const text = `${data}`
  if (/[^\0-\xff]/.test(text)) {
    throw domException('InvalidCharacterError', 'btoa: the string contains a character above U+00FF')
  }
  const digit = (bits: number): string => ALPHABET[bits & 63] as string
  let encoded = ''
  for (let index = 0; index < text.length; index += 3) {
    const left = text.length - index
    const bits =
      (text.charCodeAt(index) << 16) |
      (left > 1 ? text.charCodeAt(index + 1) << 8 : 0) |
      (left > 2 ? text.charCodeAt(index + 2) : 0)
    encoded += digit(bits >> 18) + digit(bits >> 12) + (left > 1 ? digit(bits >> 6) : '=')
    encoded += left > 2 ? digit(bits) : '='
  }
  return encoded
}

export function atob(data: string): string {
  if (arguments.length === 0) throw new TypeError('atob: 1 argument is required, 0 given')
  let text = `${data}`.replace(/[\t\n\f\r ]+/g, '')
  if (text.length % 4 === 0) text = text.replace(/==?$/, '')
  if (text.length % 4 === 1 || /[^A-Za-z0-9+/]/.test(text)) {
    throw domException('InvalidCharacterError', 'atob: the string is not correctly encoded')
  }
  let decoded = ''
  let bits = 0
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    const value =
      code >= 97 ? code - 71 : code >= 65 ? code - 65 : code >= 48 ? code + 4 : code === 43 ? 62 : 63
    bits = ((bits << 6) | value) & 0xffffff
    if (index % 4 !== 0) decoded += String.fromCharCode((bits >> (6 - 2 * (index % 4))) & 0xff)
  }
  return decoded
}
