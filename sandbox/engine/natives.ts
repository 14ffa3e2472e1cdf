/**
 * The synchronous functions a cell gives the kernel (guest-sdk/kernel/native.ts says what each means). They see
 * only primitives and copied bytes, and are total: an error here would carry the cell's paths into the guest.
 */
import type { GuestHost } from './contract.ts'
import { createCompressionNative } from './native-compression.ts'
import { createCryptoNative } from './native-crypto.ts'

/** All of them, in the order in which an engine hands them to the kernel. */
export const NATIVE_NAMES: readonly string[] = [
  'parseUrl',
  'updateUrl',
  'decodeUtf8',
  'encodeUtf8',
  'decodeLegacy',
  'randomBytes',
  'part',
  'crypto',
  'compression',
  'flush',
  'emit',
  'log',
]

const MAX_RANDOM_BYTES = 65_536
const MAX_URL_LENGTH = 1_048_576
const MAX_LABEL_LENGTH = 64
const SETTERS: ReadonlySet<string> = new Set([
  'href',
  'protocol',
  'username',
  'password',
  'host',
  'hostname',
  'port',
  'pathname',
  'search',
  'hash',
])
const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
const fatalDecoder = new TextDecoder('utf-8', { ignoreBOM: true, fatal: true })

export type NativeFunction = (...args: unknown[]) => string | number | boolean | undefined

export function createNatives(
  host: GuestHost,
  parts: Readonly<Record<string, string>>,
): Readonly<Record<string, NativeFunction>> {
  return {
    parseUrl: total((input, base) => {
      if (typeof input !== 'string' || input.length > MAX_URL_LENGTH) return undefined
      return describeUrl(new URL(input, typeof base === 'string' ? base : undefined))
    }),
    updateUrl: total((href, property, value) => {
      if (typeof href !== 'string' || typeof property !== 'string' || typeof value !== 'string')
        return undefined
      if (!SETTERS.has(property) || value.length > MAX_URL_LENGTH) return undefined
      const url = new URL(href)
      url[property as 'href'] = value
      return describeUrl(url)
    }),
    decodeUtf8: total((bytes, fatal) => {
      const buffer = Buffer.from(String(bytes), 'latin1')
      return (fatal === true ? fatalDecoder : decoder).decode(buffer)
    }),
    encodeUtf8: total((text) => Buffer.from(String(text).toWellFormed(), 'utf8').toString('latin1')),
    decodeLegacy: total(createLegacyDecoder()),
    randomBytes: total((length) => {
      const count = Math.min(Math.max(0, Math.trunc(Number(length)) || 0), MAX_RANDOM_BYTES)
      return host.randomBytes(count).toString('latin1')
    }),
    part: total((name) => (Object.hasOwn(parts, String(name)) ? parts[String(name)] : undefined)),
    crypto: total(createCryptoNative(host)),
    compression: total(createCompressionNative()),
    flush: total((text) => {
      host.flush(String(text))
      return undefined
    }),
    emit: total((id, bytes) => {
      if (bytes instanceof Uint8Array) host.emit(Number(id) >>> 0, bytes)
      return undefined
    }),
    log: total((level, requestId, text) => host.log(Number(level) >>> 0, String(requestId), String(text))),
  }
}

/**
 * Decoders are kept, one of each kind: a guest that asks in a loop must not fill the cell with ICU's converters, which
 * no heap limit counts. Labels have many spellings, so the key is the name of the encoding.
 */
function createLegacyDecoder(): NativeFunction {
  const decoders = new Map<string, InstanceType<typeof TextDecoder>>()
  return (label, bytes, fatal) => {
    if (typeof label !== 'string' || label.length > MAX_LABEL_LENGTH) return undefined
    if (typeof bytes !== 'string') return new TextDecoder(label).encoding
    const key = `${label} ${String(fatal === true)}`
    let legacy = decoders.get(key)
    if (legacy === undefined) {
      legacy = new TextDecoder(label, { ignoreBOM: true, fatal: fatal === true })
      if (legacy.encoding !== label) return undefined
      decoders.set(key, legacy)
    }
    try {
      return legacy.decode(Buffer.from(bytes, 'latin1'))
    } catch {
      // Malformed, and the converter stands where it failed.
      decoders.delete(key)
      return undefined
    }
  }
}

const total =
  (native: NativeFunction): NativeFunction =>
  (...args) => {
    try {
      return native(...args)
    } catch {
      return undefined
    }
  }

function describeUrl(url: URL): string {
  const { href, protocol, username, password, host, hostname, port, pathname, search, hash, origin } = url
  return [href, protocol, username, password, host, hostname, port, pathname, search, hash, origin].join('\n')
}
