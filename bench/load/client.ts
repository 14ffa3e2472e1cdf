/** One HTTP request at a time and what came of it, for what wrk cannot tell: bodies, error codes, exact times. */
import { Agent, request } from 'node:http'
import { performance } from 'node:perf_hooks'
import { field, parseJson } from '../unknown.ts'

export interface Answer {
  /** 0 when the connection broke, the client gave up, or the client was closed. */
  readonly status: number
  readonly body: string
  /** `code` of a problem document, or of the connection's error. */
  readonly code: string
  readonly startedMs: number
  readonly endedMs: number
}

export interface Client {
  get(url: string, timeoutMs?: number): Promise<Answer>
  /** Breaks what is in flight, which then answers with status 0. */
  close(): void
}

/** Keeps up to `connections` connections alive; further requests wait for one. */
export function createClient(connections: number): Client {
  const agent = new Agent({ keepAlive: true, maxSockets: connections })
  const closing = new AbortController()
  return {
    get: (url, timeoutMs = 10_000) => get(agent, closing.signal, url, timeoutMs),
    close() {
      closing.abort()
      agent.destroy()
    },
  }
}

function get(agent: Agent, closing: AbortSignal, url: string, timeoutMs: number): Promise<Answer> {
  const startedMs = performance.now()
  return new Promise((resolve) => {
    const settle = (status: number, body: string, code: string): void =>
      resolve({ status, body, code, startedMs, endedMs: performance.now() })
    const signal = AbortSignal.any([closing, AbortSignal.timeout(timeoutMs)])
    const outgoing = request(url, { agent, signal }, (incoming) => {
      let body = ''
      incoming.setEncoding('latin1')
      incoming.on('data', (chunk: string) => (body += chunk))
      incoming.on('end', () =>
        settle(incoming.statusCode ?? 0, body, problemCode(incoming.statusCode ?? 0, body)),
      )
      incoming.on('error', (error: NodeJS.ErrnoException) => settle(0, body, error.code ?? error.name))
    })
    outgoing.on('error', (error: NodeJS.ErrnoException) => settle(0, '', error.code ?? error.name))
    outgoing.end()
  })
}

function problemCode(status: number, body: string): string {
  if (status < 400) return ''
  const code = field(parseJson(body), 'code')
  return typeof code === 'string' ? code : ''
}
