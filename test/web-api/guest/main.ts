/** The service that is deployed: its methods look at the guest that they run in and tell what they find. */
import type { Interface } from '../contract.ts'
import { abort } from './abort.ts'
import { blob, formData } from './blob.ts'
import { body } from './body.ts'
import { clone } from './clone.ts'
import { compression } from './compression.ts'
import { random } from './crypto.ts'
import { encoding } from './encoding.ts'
import { events } from './events.ts'
import type { Checks } from './expect.ts'
import { consoles, globals, timers } from './globals.ts'
import { headers } from './headers.ts'
import { checkMembers, type MemberReport } from './members.ts'
import { messaging } from './messaging.ts'
import { multipart } from './multipart.ts'
import { request } from './request.ts'
import { response } from './response.ts'
import { searchParams } from './search-params.ts'
import { streamsByte } from './streams-byte.ts'
import { streamsReadable } from './streams-readable.ts'
import { streamsWritable } from './streams-writable.ts'
import { subtleAsymmetric } from './subtle-asymmetric.ts'
import { subtleSymmetric } from './subtle-symmetric.ts'
import { urlPattern } from './url-pattern.ts'
import { url } from './url.ts'

/** A check that does not settle has failed; long, because machines may be busy. */
const LONGEST_MS = 2_000

const AREAS: Readonly<Record<string, Checks>> = {
  Headers: headers,
  Bodies: body,
  Request: request,
  'Response and fetch': response,
  URL: url,
  URLSearchParams: searchParams,
  URLPattern: urlPattern,
  'Encoding and base64': encoding,
  'Readable streams': streamsReadable,
  'Byte streams': streamsByte,
  'Writable and transform streams': streamsWritable,
  Compression: compression,
  'Blob and File': blob,
  FormData: formData,
  Multipart: multipart,
  'Events and errors': events,
  'Abort signals': abort,
  'Structured clone': clone,
  Messaging: messaging,
  'Timers and microtasks': timers,
  'Global object': globals,
  Console: consoles,
  'Random values': random,
  'Subtle: digest, HMAC, AES, derivation': subtleSymmetric,
  'Subtle: RSA and curves': subtleAsymmetric,
}

/** By the sentence of the check: '' when it holds, else what was found instead. */
export type AreaReport = Record<string, string>

export const areas = (): string[] => Object.keys(AREAS)

export const members = (contracts: readonly Interface[]): MemberReport[] => contracts.map(checkMembers)

/** One after the other, because some listen on the global object. */
export async function run(area: string): Promise<AreaReport> {
  const report: AreaReport = {}
  for (const [sentence, check] of Object.entries(AREAS[area] ?? {})) report[sentence] = await outcome(check)
  return report
}

async function outcome(check: () => unknown): Promise<string> {
  let timer: number | undefined
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error('never settled')), LONGEST_MS)
  })
  try {
    await Promise.race([check(), late])
    return ''
  } catch (error) {
    return String(error).slice(0, 300) || 'failed'
  } finally {
    clearTimeout(timer)
  }
}
