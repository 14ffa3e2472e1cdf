/** A call of a guest's method by the host: `runtime.invoke`, `vela invoke`. Arguments and result are JSON. */
import { BODY, HANDLER, TO_GUEST } from '../../guest-sdk/kernel/messages.ts'
import type { Call, GuestError } from '../cells/call.ts'
import { VelaError, type ErrorCode } from '../core/errors.ts'
import type { JsonValue } from '../registry/types.ts'

export interface MethodCall {
  readonly call: Call
  readonly result: Promise<JsonValue | undefined>
}

export function createMethodCall(
  method: string,
  args: readonly JsonValue[],
  requestId: string,
  mapStack: (stack: string) => string,
): MethodCall {
  const { promise, resolve, reject } = Promise.withResolvers<JsonValue | undefined>()
  // Everything above ASCII is escaped, so that a character is a byte on the link.
  const body = JSON.stringify(args).replaceAll(/[\u0080-\uffff]/g, escapeUnit)
  const fail = (code: ErrorCode, message: string, stack?: string): void =>
    reject(new VelaError(code, message, stack === undefined ? {} : { details: { stack: mapStack(stack) } }))
  const call: Call = {
    requestId,
    body,
    canceled: false,
    startedMs: performance.now(),
    attempts: 0,
    encode: (id) =>
      `[${TO_GUEST.invoke},${id},${HANDLER.method},${JSON.stringify(method)},0,0,${BODY.text},${body.length},"${requestId}"]`,
    attach: () => undefined,
    head: () => fail('VELA_GUEST_BAD_RESPONSE', 'The method answered with a response'),
    data: () => undefined,
    end: () => undefined,
    wants: () => undefined,
    value: (json) => {
      try {
        resolve(json === undefined ? undefined : (JSON.parse(json) as JsonValue))
      } catch {
        fail('VELA_GUEST_BAD_RESPONSE', 'The method returned a value that is no JSON')
      }
    },
    threw: (error: GuestError) => {
      const known = error.code === 'VELA_METHOD_NOT_FOUND' || error.code === 'VELA_GUEST_RESPONSE_TOO_LARGE'
      const code = known ? (error.code as ErrorCode) : 'VELA_GUEST_THREW'
      fail(code, code === 'VELA_GUEST_THREW' ? `${error.name}: ${error.message}` : error.message, error.stack)
    },
    failed: fail,
  }
  return { call, result: promise }
}

const escapeUnit = (unit: string): string => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`
