/** The gateway's answer to what node's parser refused: a request that never became one. */
import type { Socket } from 'node:net'
import type { ErrorCode } from '../core/errors.ts'
import { rawProblem } from './respond.ts'

/** What is no HTTP gets an answer in HTTP, as far as the socket still takes one. */
export function answerClientError(
  error: NodeJS.ErrnoException,
  socket: Socket,
  requestId: string,
  refused: (code: ErrorCode) => void,
): void {
  if (error.code === 'ECONNRESET' || !socket.writable || socket.bytesWritten > 0) {
    socket.destroy()
    return
  }
  const code: ErrorCode =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? 'VELA_GATEWAY_HEADERS_TOO_LARGE'
      : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? 'VELA_GATEWAY_TIMEOUT'
        : 'VELA_GATEWAY_BAD_REQUEST'
  refused(code)
  socket.end(rawProblem(code, requestId))
}
