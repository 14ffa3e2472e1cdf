/**
 * HTTP for the control API's client. Problem documents become VelaErrors again; whatever else goes wrong becomes
 * VELA_ADMIN_UNREACHABLE that says which address and how to start a host. The other side is not trusted to speak
 * the protocol: any server may listen at the address, so answers are capped and parsed as unknown.
 */
import { ERRORS, VelaError, type ErrorCode } from '../core/errors.ts'

export interface AdminClientOptions {
  readonly url: string
  /** Absent: requests go without, and the host answers VELA_AUTH_MISSING. */
  readonly token?: string | undefined
}

export interface AdminRequest {
  /** Sent as JSON. */
  readonly body?: unknown
  readonly contentType?: string
  readonly accept?: string
  readonly signal?: AbortSignal | undefined
}

export interface AdminHttp {
  json(method: string, path: string, request?: AdminRequest): Promise<unknown>
  text(method: string, path: string): Promise<string>
  /** One value for each line; ends when the host ends the answer. */
  lines(method: string, path: string, request?: AdminRequest): AsyncGenerator<unknown, void, void>
}

const LINE_CHARS = 8 * 1024 * 1024

export function createAdminHttp({ url, token }: AdminClientOptions): AdminHttp {
  const base = parseBase(url)

  const open = async (method: string, path: string, request: AdminRequest): Promise<Response> => {
    const { body, accept = 'application/json', contentType = 'application/json', signal } = request
    let response: Response
    try {
      response = await fetch(new URL(path, base), {
        method,
        redirect: 'error',
        headers: {
          accept,
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
          ...(body === undefined ? {} : { 'content-type': contentType }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        ...(signal === undefined ? {} : { signal }),
      })
    } catch (error) {
      throw unreachable(base, error)
    }
    if (!response.ok) throw await errorOf(response, base)
    return response
  }

  return {
    async json(method, path, request = {}) {
      const response = await open(method, path, request)
      const text = await readText(response, base)
      if (text === '') return undefined
      try {
        return JSON.parse(text)
      } catch (error) {
        throw notVela(base, error)
      }
    },
    async text(method, path) {
      return readText(await open(method, path, { accept: 'text/plain' }), base)
    },
    async *lines(method, path, request = {}) {
      const response = await open(method, path, { accept: 'application/x-ndjson', ...request })
      yield* readLines(response, base)
    },
  }
}

function parseBase(url: string): URL {
  const base = URL.canParse(url) ? new URL(url) : undefined
  if (base?.protocol === 'http:' || base?.protocol === 'https:') return base
  throw new VelaError(
    'VELA_ADMIN_BAD_REQUEST',
    `the URL of the control API is not an http(s) URL: ${JSON.stringify(url)}; set --api-url or VELA_API_URL`,
  )
}

async function readText(response: Response, base: URL): Promise<string> {
  try {
    return await response.text()
  } catch (error) {
    throw unreachable(base, error)
  }
}

async function* readLines(response: Response, base: URL): AsyncGenerator<unknown, void, void> {
  if (response.body === null) return
  let rest = ''
  try {
    for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + chunk).split('\n')
      rest = lines.pop() ?? ''
      if (rest.length > LINE_CHARS) throw new Error('a line is too long')
      for (const line of lines) {
        if (line !== '') yield JSON.parse(line) as unknown
      }
    }
  } catch (error) {
    throw unreachable(base, error)
  }
}

async function errorOf(response: Response, base: URL): Promise<VelaError> {
  const text = await readText(response, base)
  let problem: { code?: unknown; detail?: unknown; title?: unknown; requestId?: unknown; details?: unknown }
  try {
    problem = JSON.parse(text) as typeof problem
  } catch (error) {
    return notVela(base, error)
  }
  return velaErrorOf(problem) ?? notVela(base, undefined)
}

/** A problem document as the VelaError it was; undefined when it is none of ours. */
export function velaErrorOf(problem: unknown): VelaError | undefined {
  if (typeof problem !== 'object' || problem === null) return undefined
  const { code, detail, title, requestId, details } = problem as Record<string, unknown>
  if (typeof code !== 'string' || !Object.hasOwn(ERRORS, code)) return undefined
  const known = code as ErrorCode
  const text = typeof detail === 'string' ? detail : typeof title === 'string' ? title : ERRORS[known].title
  const facts = typeof details === 'object' && details !== null ? (details as Record<string, unknown>) : {}
  return new VelaError(known, text, {
    details: { ...facts, ...(typeof requestId === 'string' ? { requestId } : {}) },
  })
}

function unreachable(base: URL, cause: unknown): VelaError {
  if (cause instanceof VelaError) return cause
  const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause
  const reason =
    (inner as NodeJS.ErrnoException | undefined)?.code ??
    (inner instanceof Error ? inner.message : 'no answer')
  return new VelaError(
    'VELA_ADMIN_UNREACHABLE',
    `no host answers at ${base.origin} (${reason}); start one with \`vela start\`, or name another with --api-url or VELA_API_URL`,
    { details: { url: base.origin, reason }, cause },
  )
}

function notVela(base: URL, cause: unknown): VelaError {
  return new VelaError(
    'VELA_ADMIN_UNREACHABLE',
    `what answers at ${base.origin} is not Vela's control API; check --api-url or VELA_API_URL (the gateway has another port)`,
    { details: { url: base.origin }, cause },
  )
}
