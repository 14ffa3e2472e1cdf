/**
 * A guest's use of its powers: each call goes out as a message that names a grant by number and comes back as a result.
 * The guest holds numbers; what they stand for, and whether they may be used, only the host knows.
 */
import { sendParts, splitBody, type Sender } from './body-sender.ts'
import { createInbound, type Inbound } from './inbound.ts'
import { BODY, FIRST_CALL_ID, FROM_GUEST, LAST_CALL_ID } from './messages.ts'
import { NumberMap, PromiseOf, parse, stringify } from './primordials.ts'
import type { Native } from './native.ts'
import type { Outbox } from './outbox.ts'
import type { IncomingBody, ResponseParts } from './web-contract.ts'

/** What goes with a call beside its arguments. */
export type CallBody = ResponseParts['body']

export interface CallResult {
  readonly id: number
  /** JSON. */
  readonly value: unknown
  readonly body: IncomingBody
}

export interface StartedCall {
  readonly result: Promise<CallResult>
  /** The answer is not wanted any more; `result` rejects with `reason`, and so does reading a body that came with it. */
  cancel(reason: unknown): void
  /** Calls back when it has been answered and nothing flows any more. */
  onOver(callback: () => void): void
}

export interface Calls {
  /** `turn` 0: on nobody's behalf. Throws TypeError if the arguments have no JSON form. */
  start(grant: number, turn: number, method: string, args: readonly unknown[], body: CallBody): StartedCall
  result(id: number, json: string, kind: number, text: string): void
  failed(id: number, json: string): void
  data(id: number, part: string, last: number): void
  credit(id: number, bytes: number): void
  /** Whether a body that goes in parts was begun since this was asked: its parts are added by microtasks. */
  beganBody(): boolean
  /** Cancels what the turn began and has not got. */
  endTurn(turn: number, reason: () => unknown): void
}

export interface CallsDeps {
  readonly outbox: Outbox
  readonly native: Native
  /** Makes the error that the guest sees. */
  readonly createError: (
    name: string,
    message: string,
    code: string | undefined,
    details?: unknown,
  ) => unknown
}

interface Failure {
  readonly name: string
  readonly message: string
  readonly code?: string
  readonly details?: unknown
}

interface Call {
  readonly turn: number
  onOver: (() => void) | undefined
  resolve: ((result: CallResult) => void) | undefined
  reject: (reason: unknown) => void
  sender: Sender | undefined
  inbound: Inbound | undefined
}

export function createCalls({ outbox, native, createError }: CallsDeps): Calls {
  const calls = new NumberMap<Call>()
  /** Of each turn, so that its end costs what it began; 0 never ends. */
  const byTurn = new NumberMap<{ count: number; readonly calls: NumberMap<Call> }>()
  let lastId = FIRST_CALL_ID - 1
  let began = false

  const nextId = (): number => {
    do lastId = lastId >= LAST_CALL_ID ? FIRST_CALL_ID : lastId + 1
    while (calls.get(lastId) !== undefined)
    return lastId
  }

  const remember = (id: number, call: Call): void => {
    calls.set(id, call)
    if (call.turn === 0) return
    let own = byTurn.get(call.turn)
    if (own === undefined) byTurn.set(call.turn, (own = { count: 0, calls: new NumberMap() }))
    own.count++
    own.calls.set(id, call)
  }

  const forget = (id: number, call: Call): void => {
    calls.delete(id)
    const own = byTurn.get(call.turn)
    if (own?.calls.delete(id) === true && --own.count === 0) byTurn.delete(call.turn)
    call.onOver?.()
  }

  /** A call is over when it has been answered and neither body is under way. */
  const closeIfOver = (id: number, call: Call): void => {
    if (calls.get(id) !== call) return
    if (call.resolve === undefined && call.sender === undefined && call.inbound === undefined)
      forget(id, call)
  }

  const cancel = (id: number, call: Call, reason: unknown): void => {
    if (calls.get(id) !== call) return
    forget(id, call)
    outbox.add(`[${FROM_GUEST.drop},${id}]`, '')
    if (call.resolve !== undefined) {
      call.resolve = undefined
      call.reject(reason)
    }
    call.inbound?.fail(reason)
    call.sender?.cancel(reason)
  }

  return {
    start(grant, turn, method, args, body) {
      const json = stringify(args)
      if (typeof json !== 'string') throw new TypeError(`${method}: the arguments have no JSON form`)
      const id = nextId()
      const call: Call = {
        turn,
        onOver: undefined,
        resolve: undefined,
        reject: () => undefined,
        sender: undefined,
        inbound: undefined,
      }
      const result = new PromiseOf<CallResult>((resolve, reject) => {
        call.resolve = resolve
        call.reject = reject
      })
      remember(id, call)
      const { kind, text, rest } = splitBody(body)
      const name = stringify(method) as string
      outbox.add(
        `[${FROM_GUEST.call},${id},${grant},${name},${json.length},${kind},${text.length},${turn}]`,
        json + text,
      )
      if (rest !== undefined) {
        began = true
        call.sender = sendParts(id, rest, {
          outbox,
          native,
          limitBytes: Infinity,
          limitMessage: () => '',
          onEnd: (error) => {
            call.sender = undefined
            if (error !== undefined) cancel(id, call, error)
            else closeIfOver(id, call)
          },
        })
      }
      return {
        result,
        cancel: (reason) => cancel(id, call, reason),
        onOver: (callback) => {
          if (calls.get(id) === call) call.onOver = callback
          else callback()
        },
      }
    },

    result(id, json, kind, text) {
      const call = calls.get(id)
      const resolve = call?.resolve
      if (call === undefined || resolve === undefined) return
      call.resolve = undefined
      let body: IncomingBody = null
      if (kind === BODY.stream) {
        const inbound = createInbound(id, outbox, () => {
          call.inbound = undefined
          closeIfOver(id, call)
        })
        call.inbound = inbound
        body = inbound
      } else if (kind !== BODY.none) body = { byteString: text, ascii: kind === BODY.text }
      closeIfOver(id, call)
      resolve({ id, value: json === '' ? undefined : parse(json), body })
    },

    failed(id, json) {
      const call = calls.get(id)
      if (call?.resolve === undefined) return
      const { name, message, code, details } = parse(json) as Failure
      call.resolve = undefined
      const error = createError(name, message, code, details)
      // Nobody reads what is still being sent with it.
      call.sender?.cancel(error)
      call.sender = undefined
      closeIfOver(id, call)
      call.reject(error)
    },

    data(id, part, last) {
      calls.get(id)?.inbound?.push(part, last)
    },

    credit(id, bytes) {
      calls.get(id)?.sender?.credit(bytes)
    },

    beganBody() {
      const answer = began
      began = false
      return answer
    },

    endTurn(turn, reason) {
      byTurn.get(turn)?.calls.each((call, id) => cancel(id, call, reason()))
    },
  }
}
