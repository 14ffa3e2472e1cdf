/** What a Request's init says besides URL, headers, body and signal (Fetch Standard), checked and in one record. */
import { exec, toUpperCase } from './intrinsics.ts'

/** Attributes that mean nothing to a server, but are kept for those who copy them: name and allowed values. */
const ATTRIBUTES: Readonly<Record<Attribute, string>> = {
  cache: 'default no-store reload no-cache force-cache only-if-cached',
  credentials: 'same-origin omit include',
  mode: 'cors navigate same-origin no-cors',
  redirect: 'follow error manual',
  referrerPolicy:
    ' no-referrer no-referrer-when-downgrade same-origin origin strict-origin origin-when-cross-origin ' +
    'strict-origin-when-cross-origin unsafe-url',
}

type Attribute = 'cache' | 'credentials' | 'mode' | 'redirect' | 'referrerPolicy'

/** The attributes of a Request that its init did not name. */
export const DEFAULTS: Readonly<Record<string, unknown>> = {
  cache: 'default',
  credentials: 'same-origin',
  mode: 'cors',
  redirect: 'follow',
  referrerPolicy: '',
  referrer: 'about:client',
  integrity: '',
  keepalive: false,
  destination: '',
  duplex: 'half',
  isReloadNavigation: false,
  isHistoryNavigation: false,
}

export interface RequestInit extends Partial<Record<Attribute, string>> {
  method?: string
  headers?: unknown
  body?: unknown
  signal?: unknown
  duplex?: string
  referrer?: string
  integrity?: string
  keepalive?: boolean
  window?: unknown
}

const NOT_TOKEN = /[^a-z0-9!#$%&'*+.^_`|~-]/i
const FORBIDDEN_METHOD = /^(?:connect|trace|track)$/i
const NORMALIZED_METHOD = /^(?:delete|get|head|options|post|put)$/i
const SIMPLE_METHOD = /^(?:GET|HEAD|POST)$/

export function normalizeMethod(hostile: unknown): string {
  const method = `${hostile as string}`
  if (method === 'GET' || method === 'POST') return method
  if (method === '' || exec(NOT_TOKEN, method) !== null)
    throw new TypeError(`Request: invalid method "${method}"`)
  if (exec(FORBIDDEN_METHOD, method) !== null)
    throw new TypeError(`Request: the method ${method} is not allowed`)
  return exec(NORMALIZED_METHOD, method) === null ? method : toUpperCase(method)
}

/** The attributes that differ from the defaults; undefined: none does. */
export function attributesOf(
  init: RequestInit,
  method: string,
  inherited: Readonly<Record<string, unknown>> | undefined,
  isUrl: (text: string) => boolean,
): Record<string, unknown> | undefined {
  const own: Record<string, unknown> = {}
  for (const name of Object.keys(ATTRIBUTES) as Attribute[]) {
    const value = init[name]
    if (value === undefined) continue
    if (!ATTRIBUTES[name].split(' ').includes(`${value}`)) {
      throw new TypeError(`Request: "${value}" is no value of ${name}`)
    }
    own[name] = `${value}`
  }
  const { duplex, window, referrer, integrity, keepalive } = init
  if (duplex !== undefined && `${duplex}` !== 'half') throw new TypeError(`Request: duplex must be 'half'`)
  if (window !== undefined && window !== null) throw new TypeError('Request: window can only be null')
  if (referrer !== undefined) own['referrer'] = referrerOf(`${referrer}`, isUrl)
  if (integrity !== undefined) own['integrity'] = `${integrity}`
  if (keepalive !== undefined) own['keepalive'] = Boolean(keepalive)
  if (inherited === undefined && Object.keys(own).length === 0) return undefined
  const all: Record<string, unknown> = { ...inherited, ...own }
  checkTogether(own, all, method)
  return all
}

/** There is no origin that another URL could share, so every URL counts as the client itself. */
function referrerOf(referrer: string, isUrl: (text: string) => boolean): string {
  if (referrer === '') return ''
  if (!isUrl(referrer)) throw new TypeError(`Request: invalid referrer "${referrer}"`)
  return 'about:client'
}

function checkTogether(
  own: Readonly<Record<string, unknown>>,
  all: Readonly<Record<string, unknown>>,
  method: string,
): void {
  if (own['mode'] === 'navigate') throw new TypeError('Request: the mode navigate is for browsers')
  if (all['cache'] === 'only-if-cached' && all['mode'] !== 'same-origin') {
    throw new TypeError('Request: only-if-cached needs the mode same-origin')
  }
  if (all['mode'] === 'no-cors' && exec(SIMPLE_METHOD, method) === null) {
    throw new TypeError(`Request: the mode no-cors does not allow ${method}`)
  }
}
