/**
 * multipart/form-data, both ways (RFC 7578, HTML). Parsing works on a byte string, where searching is the engine's
 * own `indexOf`; only the texts that are handed out get decoded.
 * Threat: the body comes from a client. Parsing is linear, and the number of parts is bounded.
 */
import type { BlobKit } from './blob.ts'
import type { FormData, FormDataKit, FormEntry } from './form-data.ts'
import type { FormsDeps } from './forms.ts'

const MAX_PARTS = 10_000
const MAX_PART_HEADER_BYTES = 16 * 1024

interface Multipart {
  serialize(entries: readonly FormEntry[]): { bytes: Uint8Array<ArrayBuffer>; type: string }
  parse(bytes: Uint8Array<ArrayBuffer>, contentType: string): FormData
}

export function createMultipart(deps: FormsDeps, blobs: BlobKit, forms: FormDataKit): Multipart {
  const toByteString = (text: string): string => deps.byteStringFromBytes(deps.encode(text))
  const lines = (text: string): string => text.replace(/\r\n?|\n/g, '\r\n')
  const escape = (text: string): string =>
    text.replace(/["\r\n]/g, (found) => (found === '"' ? '%22' : found === '\r' ? '%0D' : '%0A'))

  function serialize(entries: readonly FormEntry[]): { bytes: Uint8Array<ArrayBuffer>; type: string } {
    const random = deps.randomBytes(16)
    let boundary = '----vela-form-'
    for (let index = 0; index < random.length; index++) {
      boundary += random.charCodeAt(index).toString(16).padStart(2, '0')
    }
    let body = ''
    for (const [name, value] of entries) {
      body += `--${boundary}\r\nContent-Disposition: form-data; name="${toByteString(escape(lines(name)))}"`
      if (typeof value === 'string') body += `\r\n\r\n${toByteString(lines(value))}\r\n`
      else {
        const parts = blobs.partsOf(value)
        if (parts === undefined) continue
        const type = parts.type === '' ? 'application/octet-stream' : parts.type
        body += `; filename="${toByteString(escape(parts.name ?? 'blob'))}"\r\nContent-Type: ${type}\r\n\r\n`
        body += `${deps.byteStringFromBytes(parts.bytes)}\r\n`
      }
    }
    body += `--${boundary}--\r\n`
    return { bytes: deps.bytesFromByteString(body), type: `multipart/form-data; boundary=${boundary}` }
  }

  const malformed = (what: string): TypeError => new TypeError(`formData: malformed multipart body: ${what}`)

  function parse(bytes: Uint8Array<ArrayBuffer>, contentType: string): FormData {
    const found = /;\s*boundary=(?:"([^"]+)"|([^;\s]+))/i.exec(contentType)
    const boundary = found?.[1] ?? found?.[2]
    if (boundary === undefined) throw malformed('the content type names no boundary')
    const body = deps.byteStringFromBytes(bytes)
    const form = new forms.FormData()
    const delimiter = `--${boundary}`
    // What is before the first delimiter is a preamble and means nothing.
    let at = body.startsWith(delimiter) ? 0 : body.indexOf(`\r\n${delimiter}`) + 2
    if (at === 1) throw malformed('the boundary does not occur')
    for (let count = 0; ; count++) {
      if (count > MAX_PARTS) throw malformed(`more than ${MAX_PARTS} parts`)
      at += delimiter.length
      if (body.startsWith('--', at)) return form
      const lineEnd = /[ \t]*\r\n/y
      lineEnd.lastIndex = at
      if (!lineEnd.test(body)) throw malformed('no line break after a boundary')
      // A part without headers has its empty line at once.
      const headerStart = lineEnd.lastIndex
      const headerEnd = body.startsWith('\r\n', headerStart)
        ? headerStart - 2
        : body.indexOf('\r\n\r\n', headerStart)
      if (headerEnd === -1) throw malformed('a part has no end of its headers')
      if (headerEnd - headerStart > MAX_PART_HEADER_BYTES)
        throw malformed('the headers of a part are too long')
      const end = body.indexOf(`\r\n${delimiter}`, headerEnd + 2)
      if (end === -1) throw malformed('the closing boundary is missing')
      const content = end < headerEnd + 4 ? '' : body.slice(headerEnd + 4, end)
      appendPart(form, body.slice(headerStart, Math.max(headerStart, headerEnd)), content)
      at = end + 2
    }
  }

  function appendPart(form: FormData, headers: string, content: string): void {
    let disposition: string | undefined
    let type: string | undefined
    for (const line of headers.split('\r\n')) {
      const colon = line.indexOf(':')
      const name = line.slice(0, colon).trim().toLowerCase()
      if (name === 'content-disposition') disposition = line.slice(colon + 1).trim()
      else if (name === 'content-type') type = line.slice(colon + 1).trim()
    }
    if (disposition === undefined || !/^form-data(?:\s*;|$)/i.test(disposition)) {
      throw malformed('a part has no form-data disposition')
    }
    const name = parameter(disposition, 'name')
    if (name === undefined) throw malformed('a part has no name')
    const filename = parameter(disposition, 'filename')
    if (filename === undefined) form.append(name, deps.decodeText(content))
    else
      form.append(
        name,
        new blobs.File([deps.bytesFromByteString(content)], filename, { type: type ?? 'text/plain' }),
      )
  }

  function parameter(disposition: string, name: string): string | undefined {
    const found = new RegExp(`;\\s*${name}=(?:"((?:[^"\\\\]|\\\\.)*)"|([^;\\s]*))`, 'i').exec(disposition)
    const raw = found?.[1] ?? found?.[2]
    if (raw === undefined) return undefined
    const unescaped = raw
      .replace(/%0A/gi, '\n')
      .replace(/%0D/gi, '\r')
      .replace(/%22/g, '"')
      .replace(/\\"/g, '"')
    return deps.decodeText(unescaped)
  }

  return { serialize, parse }
}
