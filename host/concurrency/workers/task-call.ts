/** A task as a call of the guest's kernel (HANDLER.task): an exported function and one encoded value. */
import { BODY, HANDLER, TASK_MARK, TASK_VALUE_LIMIT, TO_GUEST } from '../../../guest-sdk/kernel/messages.ts'
import { GuestFacingError } from '../../capabilities/capability.ts'
import { asciiJson } from '../../cells/ascii-json.ts'
import type { Call, GuestError, TurnLink } from '../../cells/call.ts'
import type { ErrorCode } from '../../core/errors.ts'

export interface TaskSpec {
  /** The exported function. */
  readonly name: string
  /** The encoded input, ASCII. */
  readonly input: string
  readonly requestId: string
  /** How many services deep. */
  readonly depth: number
}

export interface TaskCallEvents {
  /** `atOnce`: it settled in the entry it began in. */
  readonly value: (text: string, atOnce: boolean) => void
  readonly threw: (error: GuestError) => void
  readonly failed: (code: ErrorCode, detail: string) => void
}

/** The call, and how to tell the guest that nobody waits. */
export interface TaskCall {
  readonly call: Call
  /** Since when a replica has it (monotonic milliseconds); undefined: none has had it yet. */
  readonly begunMs: number | undefined
  cancel(): void
}

export function createTaskCall(
  { name, input, requestId, depth }: TaskSpec,
  events: TaskCallEvents,
): TaskCall {
  let link: TurnLink | undefined
  let begunMs: number | undefined
  let canceled = false
  const refuse = (message: string, code: ErrorCode): void => events.threw({ name: 'Error', message, code })
  const call: Call = {
    requestId,
    body: input,
    get canceled() {
      return canceled
    },
    startedMs: performance.now(),
    attempts: 0,
    depth,
    encode: (id) =>
      `[${TO_GUEST.invoke},${id},${HANDLER.task},${asciiJson(name)},0,0,${BODY.text},${input.length},${asciiJson(requestId)}]`,
    attach(given) {
      link = given
      begunMs = performance.now()
    },
    head: () => refuse('The task answered with a response', 'VELA_GUEST_BAD_RESPONSE'),
    data: () => undefined,
    end: () => undefined,
    wants: () => undefined,
    // The kernel sends what it was made to; a cell that was broken out of sends anything.
    value(text) {
      const mark = text?.[0]
      const isMark = mark === TASK_MARK.atOnce || mark === TASK_MARK.outlasts
      if (text === undefined || text.length < 2 || !isMark || text.includes('\n'))
        return refuse('The task answered with something that is no value', 'VELA_GUEST_BAD_RESPONSE')
      if (text.length > TASK_VALUE_LIMIT + 1)
        return refuse('The result of the task is too large', 'VELA_GUEST_RESPONSE_TOO_LARGE')
      events.value(text.slice(1), mark === TASK_MARK.atOnce)
    },
    threw: (error) => events.threw(error),
    failed: (code, detail) => events.failed(code, detail),
  }
  return {
    call,
    get begunMs() {
      return begunMs
    },
    cancel() {
      canceled = true
      link?.cancel('VELA_TASK_CANCELED')
    },
  }
}

/** What a task threw, for whoever called it: of the same service, so with its own code. */
export const taskError = ({ name, message, code }: GuestError): GuestFacingError =>
  new GuestFacingError(name, message, code ?? 'VELA_GUEST_THREW')
