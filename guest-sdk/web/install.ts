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
import { defineConstants, DOMException, nameError } from './dom-exception.ts'
import { createEncoding } from './encoding.ts'
import { createEvents } from './events.ts'
import { createGlobalScope } from './global-scope.ts'
import { defineGlobals } from './globals.ts'
import { createHeaders } from './headers.ts'
import { createParts, type LoadPart } from './parts.ts'
import { createPerformance } from './performance.ts'
import { createPlatformClasses } from './platform-classes.ts'
import type { RequestInit } from './request-init.ts'
import { createRequestKit, type Request, type RequestParts } from './request.ts'
import { createResponse, type ResponseHead, type ResponseParts } from './response.ts'
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
  /** Runs it in a task of its own, after the running code and its microtasks. */
  queueTask(run: () => void): void
  /** Evaluates a part of the kernel and returns its exports; asked at most once for each name. */
  readonly loadPart: LoadPart
  /** Writes an error that nobody caught to the guest's log. */
  reportError(error: unknown): void
  /** What the global `fetch` does. */
  fetch(input: unknown, init: unknown): Promise<unknown>
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
  reportException(thrown: unknown): void
  reportRejection(description: string | undefined, value: unknown): boolean
  createResponse(head: ResponseHead, body: IncomingBody | Uint8Array): object
  readRequest(input: unknown, init: unknown): RequestParts
  throwIfAborted(signal: object): void
  onAbort(signal: object, listener: (reason: unknown) => void): () => void
  createError(name: string, message: string): object
  makeRequest(input: unknown, init: unknown): object
  responseSocket(value: unknown): object | null | undefined
  gateSocket(socket: unknown, gate: (run: () => void) => void, ofPeer?: boolean): boolean
}

export function installWeb(target: object, deps: WebDeps): Web {
  const { native, now } = deps
  const reportException = (error: unknown): void => scope.reportException(error)
  const codec = createCodec(native)
  const events = createEvents(() => performance.now(), reportException, target)
  const abort = createAbortKit(events, deps.setTimeout)
  const headers = createHeaders()
  const params = createSearchParams(codec)
  const parser = createUrlParser(native)
  const url = createUrl(parser, params)
  const encoding = createEncoding(codec, () => parts.encodings(), native.decodeLegacy)
  const crypto = createCrypto(native.randomBytes, () => parts.subtle().subtle)
  const { Performance, performance } = createPerformance(events.EventTarget, now)

  const platform = createPlatformClasses()
  const parts = createParts(deps.loadPart, {
    codec,
    encoding,
    events,
    native,
    classes: platform,
    now,
    randomBytes: native.randomBytes,
    parseParams: params.parse,
    queueTask: deps.queueTask,
  })
  const scope = createGlobalScope(target, {
    events,
    errorEvents: parts.errorEvents,
    log: (error) => deps.reportError(error),
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
  const responses = createResponse(
    headers,
    bodies,
    (value) => {
      const record = parseUrl(value)
      if (record === undefined) throw new TypeError(`Response.redirect: invalid URL "${String(value)}"`)
      return record.href
    },
    {
      isSocket: (value) => parts.loadedWebSocket()?.isSocket(value) === true,
      take: (socket) => parts.webSocket().take(socket),
    },
  )

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
    fetch: createFetch(deps.fetch),
    navigator: Object.freeze({ userAgent: 'Vela' }),
    performance,
    queueMicrotask: createQueueMicrotask(reportException),
    reportError(error: unknown): void {
      if (arguments.length === 0) throw new TypeError('reportError: 1 argument is required, 0 given')
      reportException(error)
    },
    self: target,
  }
  defineConstants()
  platform.adopt(classes)
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
    reportException: scope.reportException,
    reportRejection: scope.reportRejection,
    createResponse: (head, body) => responses.createResponse(head, body as IncomingBody),
    readRequest: (input, init) => requests.readRequest(input, init as RequestInit | undefined),
    throwIfAborted: (signal) => abort.throwIfAborted(signal as AbortSignal),
    onAbort: (signal, listener) => abort.onAbort(signal as AbortSignal, listener),
    createError: nameError,
    makeRequest: (input, init) => new requests.Request(input as string, init as RequestInit | undefined),
    responseSocket: responses.responseSocket,
    gateSocket(socket, gate, ofPeer = false) {
      const part = parts.loadedWebSocket()
      if (part?.isSocket(socket) !== true) return false
      part.gate(socket as object, gate, ofPeer)
      return true
    },
  }
}

/** A function of its own: `defineGlobals` names it, and it takes one argument as the standard's does. */
const createFetch = (fetch: WebDeps['fetch']): unknown =>
  async function (input: unknown, init: unknown = undefined): Promise<unknown> {
    return fetch(input, init)
  }

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
