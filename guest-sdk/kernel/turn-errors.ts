/** What a handler is told, by the log of its service, when what it gave is no answer. */
import type { ResponseParts } from './web-contract.ts'

export class BadResponse extends TypeError {
  readonly code = 'VELA_GUEST_BAD_RESPONSE'
  constructor(value: unknown) {
    const what = value === null ? 'null' : typeof value
    super(
      `The fetch handler must return a Response, but returned ${what === 'object' ? 'another object' : what}`,
    )
  }
}

class ResponseTooLarge extends RangeError {
  readonly code = 'VELA_GUEST_RESPONSE_TOO_LARGE'
}

export function checkLength(length: number, limitBytes: number): void {
  if (length > limitBytes) {
    throw new ResponseTooLarge(`The response has ${length} bytes; limits.responseBodyBytes is ${limitBytes}`)
  }
}

/** What is known of the length before anything is sent; a stream is counted as it flows. */
export const wholeLength: (body: ResponseParts['body']) => number = (body) =>
  body === null ? 0 : 'text' in body ? body.text.length : 'bytes' in body ? body.bytes.length : 0

export class MethodMissing extends TypeError {
  readonly code = 'VELA_METHOD_NOT_FOUND'
  constructor(name: string) {
    super(`The service exports no method ${name}`)
  }
}

/** A code of its own: what a handler lets through of a call that it made, to a method that there is not, is a failure of the handler. */
export class FetchMissing extends TypeError {
  readonly code = 'VELA_ROUTE_NOT_FOUND'
  constructor() {
    super('The service exports no fetch handler')
  }
}

export class TaskMissing extends TypeError {
  readonly code = 'VELA_WORKER_TASK_NOT_FOUND'
  constructor(name: string) {
    super(`The service exports no function ${name}`)
  }
}

export class ValueTooLarge extends RangeError {
  readonly code = 'VELA_GUEST_RESPONSE_TOO_LARGE'
  constructor(length: number, limit: number) {
    super(`The result of the task has ${length} characters; at most ${limit} are allowed`)
  }
}
