/** Writes what Vela itself answers: problem documents. Never a stack, never a guest's words. */
import { STATUS_CODES, type ServerResponse } from 'node:http'
import { ERRORS, problemOf, type ErrorCode } from '../core/errors.ts'

export interface ProblemOptions {
  readonly detail?: string | undefined
  /** The request's body was not read to its end, so the connection cannot be used again. */
  readonly close?: boolean
}

/** Returns the bytes of the body. */
export function sendProblem(
  response: ServerResponse,
  code: ErrorCode,
  requestId: string,
  options: ProblemOptions = {},
): number {
  const problem = problemOf(code, requestId, options.detail)
  const body = JSON.stringify(problem)
  const length = Buffer.byteLength(body)
  const headers = [
    'content-type',
    'application/problem+json',
    'content-length',
    String(length),
    'cache-control',
    'no-store',
    'x-request-id',
    requestId,
  ]
  if (RETRY_AFTER.has(problem.status) && ERRORS[code].retryable) headers.push('retry-after', '1')
  if (options.close === true) headers.push('connection', 'close')
  // 499 is a word for logs: nobody is there to read it.
  response.writeHead(problem.status, headers)
  response.end(body)
  return length
}

const RETRY_AFTER: ReadonlySet<number> = new Set([429, 503])

/** A whole response for a socket whose request never became one. */
export function rawProblem(code: ErrorCode, requestId: string): string {
  const problem = problemOf(code, requestId)
  const body = JSON.stringify(problem)
  return (
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status] ?? 'Error'}\r\n` +
    `content-type: application/problem+json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n` +
    `x-request-id: ${requestId}\r\nconnection: close\r\n\r\n${body}`
  )
}
