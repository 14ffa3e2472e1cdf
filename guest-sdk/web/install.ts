/**
 * The web platform of a guest: puts the globals on `target` and returns the hooks by which the kernel makes
 * requests and reads responses. Runs once per isolate, before guest code; what the hooks need is captured here.
 */
import type { Native } from '../kernel/native.ts'
import { createAbortKit, type AbortSignal } from './abort.ts'
import { atob, btoa } from './base64.ts'
import { createBodies, type IncomingBody } from './body.ts'
import { createCodec } from './bytes.ts'
import { createCrypto } from './crypto.ts'
import { defineConstants, DOMException } from './dom-exception.ts'
import { createEncoding } from './encoding.ts'
import { createEvents } from './events.ts'
import { defineGlobals } from './globals.ts'
import { createHeaders } from './headers.ts'
import { createParts, type LoadPart } from './parts.ts'
import { createPerformance } from './performance.ts'
import { createRequestKit, type Request } from './request.ts'
import { createResponse, type ResponseParts } from './response.ts'
import { createSearchParams, serializePairs } from './search-params.ts'
import { createUrlParser } from './url-record.ts'
import { createUrl } from './url.ts'

export type { AbortSignal } from './abort.ts'
export type { IncomingBody } from './body.ts'
export type { Request } from './request.ts'
export type { ResponseParts } from './response.ts'

export interface WebDeps {
  readonly native: Native
  /** Milliseconds since the epoch, as of this turn. */
  now(): number
  setTimeout(fn: () => void, ms: number): number
  clearTimeout(id: number): void
  /** Evaluates a part of the kernel and returns its exports; asked at most once for each name. */
  readonly loadPart: LoadPart
  /** For errors that nobody awaits: thrown by event listeners and microtasks. */
  reportError(error: unknown): void
}

export interface Web {
  createRequest(
    method: string,
    url: string,
    rawHeaders: readonly string[],
    body: IncomingBody,
    signal: () => AbortSignal,
  ): Request
  /** `undefined`: not one of our responses. Throws a TypeError when the body was used. Takes the body. */
  readResponse(value: unknown): ResponseParts | undefined
  createAbort(): { readonly signal: AbortSignal; abort(reason: unknown): void }
}

export function installWeb(target: object, deps: WebDeps): Web {
  const { native, now, reportError } = deps
  const codec = createCodec(native)
  const events = createEvents(() => performance.now(), reportError)
  const abort = createAbortKit(events, deps.setTimeout)
  const headers = createHeaders()
  const params = createSearchParams(codec)
  const parser = createUrlParser(native)
  const url = createUrl(parser, params)
  const encoding = createEncoding(codec, () => parts.encodings())
  const crypto = createCrypto(native.randomBytes)
  const { Performance, performance } = createPerformance(events.EventTarget, now)

  const parts = createParts(deps.loadPart, {
    codec,
    now,
    randomBytes: native.randomBytes,
    parseParams: params.parse,
    encoding,
    isPlatformObject: (value) =>
      headers.listOf(value) !== undefined ||
      url.recordOf(value) !== undefined ||
      params.pairsOf(value) !== undefined ||
      value instanceof events.Event ||
      value instanceof events.EventTarget ||
      value instanceof requests.Request ||
      value instanceof responses.Response,
  })

  const bodies = createBodies({
    codec,
    streams: parts.streams,
    forms: parts.forms,
    loadedStreams: parts.loadedStreams,
    loadedForms: parts.loadedForms,
    paramsText: (value) => {
      const pairs = params.pairsOf(value)
      return pairs === undefined ? undefined : serializePairs(pairs)
    },
  })

  const parseUrl = (value: unknown): ReturnType<typeof url.recordOf> =>
    url.recordOf(value) ?? parser.parse(typeof value === 'string' ? value : String(value))
  const requests = createRequestKit({ headers, bodies, abort, parseUrl })
  const responses = createResponse(headers, bodies, (value) => {
    const record = parseUrl(value)
    if (record === undefined) throw new TypeError(`Response.redirect: invalid URL "${String(value)}"`)
    return record.href
  })

  const classes = {
    AbortController: abort.AbortController,
    AbortSignal: abort.AbortSignal,
    Crypto: crypto.Crypto,
    CustomEvent: events.CustomEvent,
    DOMException,
    Event: events.Event,
    EventTarget: events.EventTarget,
    Headers: headers.Headers,
    Performance,
    Request: requests.Request,
    Response: responses.Response,
    TextDecoder: encoding.TextDecoder,
    TextEncoder: encoding.TextEncoder,
    URL: url.URL,
    URLSearchParams: params.URLSearchParams,
  }
  const values = {
    atob,
    btoa,
    crypto: crypto.crypto,
    fetch: refusingFetch,
    navigator: Object.freeze({ userAgent: 'Vela' }),
    performance,
    queueMicrotask: createQueueMicrotask(reportError),
  }
  defineConstants()
  defineGlobals(target, classes, values, parts)

  return {
    createRequest: requests.createRequest,
    readResponse: responses.readResponse,
    createAbort() {
      let signal: AbortSignal | undefined
      return {
        get signal() {
          return (signal ??= abort.createSignal())
        },
        abort(reason) {
          abort.abort((signal ??= abort.createSignal()), reason)
        },
      }
    },
  }
}

/** The global `fetch` without its grant: it exists, so that libraries load, and says what is missing. */
async function refusingFetch(_input: unknown, _init?: unknown): Promise<never> {
  throw Object.assign(
    new Error(
      'fetch is not granted to this service: add the grant `fetch` to `capabilities` in its manifest',
    ),
    { code: 'VELA_CAPABILITY_DENIED' },
  )
}
Object.defineProperty(refusingFetch, 'name', { value: 'fetch', configurable: true })

function createQueueMicrotask(reportError: (error: unknown) => void): (callback: () => void) => void {
  const settled = Promise.resolve()
  const run = async (callback: () => void): Promise<void> => {
    await settled
    try {
      callback()
    } catch (error) {
      reportError(error)
    }
  }
  return function queueMicrotask(callback) {
    if (typeof callback !== 'function') throw new TypeError('queueMicrotask: the callback is no function')
    void run(callback)
  }
}
