/** A call of a guest's method by the host: `runtime.invoke`, `vela invoke`. Arguments and result are JSON. */
import { BODY, HANDLER, TO_GUEST } from '../../guest-sdk/kernel/messages.ts'
import { asciiJson } from '../cells/ascii-json.ts'
import type { Call, GuestError, TurnLink } from '../cells/call.ts'
import { VelaError, type ErrorCode } from '../core/errors.ts'
import type { JsonValue } from '../registry/types.ts'

export interface MethodCall {
  readonly call: Call
  readonly result: Promise<JsonValue | undefined>
}

export interface MethodCallOptions {
  readonly requestId: string
  readonly mapStack: (stack: string) => string
  /** How many services deep; 0 if it is the host that calls. */
  readonly depth?: number
  /** What is invoked; HANDLER.method if left out. */
  readonly handler?: number
  /** The key whose replica it prefers. */
  readonly affinity?: string | undefined
  /** Cancels the turn. */
  readonly signal?: AbortSignal
}

/** `result` rejects with a VelaError; if the method threw, its details have `thrown: {name, message, code?}`. */
export function createMethodCall(
  method: string,
  args: readonly JsonValue[],
  { requestId, mapStack, depth = 0, handler = HANDLER.method, affinity, signal }: MethodCallOptions,
): MethodCall {
  const { promise, resolve, reject } = Promise.withResolvers<JsonValue | undefined>()
  const body = asciiJson(args)
  let over = false
  let link: TurnLink | undefined
  signal?.addEventListener('abort', () => {
    if (over) return
    over = true
    link?.cancel('VELA_TURN_CANCELED')
    reject(new VelaError('VELA_TURN_CANCELED', 'The caller went away'))
  })
  const fail = (code: ErrorCode, message: string, details: Readonly<Record<string, unknown>> = {}): void => {
    over = true
    reject(new VelaError(code, message, { details }))
  }
  const call: Call = {
    requestId,
    body,
    get canceled() {
      return over
    },
    startedMs: performance.now(),
    attempts: 0,
    depth,
    affinity,
    encode: (id) =>
      `[${TO_GUEST.invoke},${id},${handler},${JSON.stringify(method)},0,0,${BODY.text},${body.length},"${requestId}"]`,
    attach(turn) {
      link = turn
    },
    head: () => fail('VELA_GUEST_BAD_RESPONSE', 'The method answered with a response'),
    data: () => undefined,
    end: () => undefined,
    wants: () => undefined,
    value: (json) => {
      over = true
      try {
        resolve(json === undefined ? undefined : (JSON.parse(json) as JsonValue))
      } catch {
        fail('VELA_GUEST_BAD_RESPONSE', 'The method returned a value that is no JSON')
      }
    },
    threw: (error: GuestError) => {
      const known = error.code === 'VELA_METHOD_NOT_FOUND' || error.code === 'VELA_GUEST_RESPONSE_TOO_LARGE'
      const code = known ? (error.code as ErrorCode) : 'VELA_GUEST_THREW'
      const { name, message, stack, code: own } = error
      fail(code, code === 'VELA_GUEST_THREW' ? `${name}: ${message}` : message, {
        thrown: { name, message, ...(own === undefined ? {} : { code: own }) },
        ...(stack === undefined ? {} : { stack: mapStack(stack) }),
      })
    },
    failed: (code, detail) => fail(code, detail),
  }
  return { call, result: promise }
}
