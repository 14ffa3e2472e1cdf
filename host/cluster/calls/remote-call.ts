/**
 * A call carried out by another node: what its guest says comes back to the call as if a replica of this host said it, and what the call asks of
 * its turn goes there. Invariants: the call settles once; the guest is credited with what the call's own side has taken, so a slow client
 * slows it over the network too; a call that was carried is never carried further.
 */
import { BODY, SOCKET_MESSAGE_COST, SOCKET_WINDOW } from '../../../guest-sdk/kernel/messages.ts'
import type { Call, GuestError, SocketLink, TurnLink } from '../../cells/call.ts'
import { ERRORS, type ErrorCode } from '../../core/errors.ts'
import type { JsonValue } from '../../registry/types.ts'
import type { Frame, Stream, StreamHandler, Streams } from './streams.ts'

/** `['service', tenant, service]` or `['actor', tenant, service, class, name]`. */
export type CallTarget = readonly [kind: 'service' | 'actor', ...names: string[]]

export interface CarryOptions {
  /** Of an actor: it is not there, and nothing was done. The call hears nothing then. */
  readonly onMoved?: () => void
}

/** Begins at once; the call hears of whatever comes of it. */
export function carryCall(
  streams: Streams,
  node: string,
  target: CallTarget,
  call: Call,
  { onMoved }: CarryOptions = {},
): void {
  let over = false
  const last = (): void => {
    over = true
    stream.close()
  }
  const heard = (frame: Frame): void => {
    if (over) return
    const { verb, args, body } = frame
    if (verb === 'moved' && onMoved !== undefined) {
      last()
      return onMoved()
    }
    if (verb === 'head') {
      const [status, headers, kind, ascii] = args
      if (typeof status !== 'number' || !isTexts(headers) || typeof kind !== 'number') return broken()
      // A stream ends by itself, a WebSocket too.
      if (kind !== BODY.stream && status !== 101) last()
      return call.head(status, headers, kind, decode(body, kind), ascii === true)
    }
    if (verb === 'wants') {
      const bytes = numberAt(args, 0)
      return call.wants(bytes)
    }
    if (verb === 'data') {
      const kind = numberAt(args, 0)
      return call.data(kind === BODY.text ? body.toString() : body, kind)
    }
    if (verb === 'message') {
      const kind = numberAt(args, 0)
      return call.socket?.message(kind, decode(body, kind), numberAt(args, 1))
    }
    if (verb === 'close') return call.socket?.close(numberAt(args, 0), textAt(args, 1))
    if (verb === 'shut') return call.shut?.(numberAt(args, 0), textAt(args, 1))
    last()
    if (verb === 'end') return call.end(args[0] === true)
    if (verb === 'value') return call.value(args[0] === true ? body.toString() : undefined)
    if (verb === 'threw') return call.threw(readGuestError(args[0]))
    if (verb === 'failed') return call.failed(codeOf(args[0]), textAt(args, 1))
    call.failed('VELA_NODE_LOST', 'The other host said something that is not understood')
  }
  const broken = (): void => {
    last()
    call.failed('VELA_NODE_LOST', 'The other host answered with something that is no answer')
  }
  const handler: StreamHandler = {
    heard(frame) {
      try {
        heard(frame)
      } catch (thrown) {
        if (over) throw thrown
        // A node of the cluster that breaks the rules of a call, as a cell would that was taken over.
        link.cancel('VELA_PROTOCOL_VIOLATION')
        broken()
      }
    },
    lost() {
      if (over) return
      over = true
      call.failed('VELA_NODE_LOST', 'The host that served the call is gone')
    },
  }
  const stream: Stream = streams.open(node, handler)
  const say = (verb: string, args: readonly JsonValue[] = [], body?: Uint8Array): void => {
    if (!over) stream.say(verb, args, body)
  }
  const link: TurnLink = {
    sendBody: (part, whether) => say('body', [whether], Buffer.from(part, 'latin1')),
    grant: (bytes) => say('grant', [bytes]),
    cancel(code) {
      say('cancel', [code])
      last()
    },
    endure() {
      // The other side may have no room for one more; then it fails the call.
      say('endure')
      return !over
    },
    openSocket(onRoom) {
      if (over) return undefined
      say('socket')
      return createRemoteSocket(say, onRoom)
    },
  }
  if (over) return
  const waitedMs = Math.max(0, performance.now() - call.startedMs)
  const { requestId, depth, affinity = null, weight = 1, body } = call
  say(
    'open',
    [[...target], call.encode(0), requestId, depth, affinity, waitedMs, weight],
    Buffer.from(body, 'latin1'),
  )
  call.attach(link)
}

/** What the client says runs ahead of what the guest has taken by a window, as on one host. */
function createRemoteSocket(
  say: (verb: string, args?: readonly JsonValue[], body?: Uint8Array) => void,
  onRoom: () => void,
): SocketLink {
  let ahead = 0
  let isFull = false
  return {
    receive(isText, bytes) {
      ahead += bytes.length + SOCKET_MESSAGE_COST
      say('receive', [isText], Buffer.from(bytes, 'latin1'))
      isFull ||= ahead >= SOCKET_WINDOW
      return !isFull
    },
    taken(amount) {
      ahead = Math.max(0, ahead - amount)
      if (!isFull || ahead > SOCKET_WINDOW / 2) return
      isFull = false
      onRoom()
    },
    closed: (code, how, reason) => say('closed', [code, how], Buffer.from(reason, 'latin1')),
  }
}

/** As `Call.head` has it: characters of text, or a byte each. */
const decode = (body: Buffer, kind: number): string => body.toString(kind === BODY.bytes ? 'latin1' : 'utf8')

const isTexts = (value: unknown): value is string[] =>
  Array.isArray(value) && value.every((one) => typeof one === 'string')

function numberAt(args: readonly unknown[], at: number): number {
  const value = args[at]
  return typeof value === 'number' && Number.isFinite(value) ? value : 0
}

function textAt(args: readonly unknown[], at: number): string {
  const value = args[at]
  return typeof value === 'string' ? value : ''
}

const codeOf = (value: unknown): ErrorCode =>
  typeof value === 'string' && Object.hasOwn(ERRORS, value) ? (value as ErrorCode) : 'VELA_NODE_LOST'

function readGuestError(value: unknown): GuestError {
  const given = (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>
  const { name, message, stack, code } = given
  return {
    name: typeof name === 'string' ? name : 'Error',
    message: typeof message === 'string' ? message : '',
    ...(typeof stack === 'string' ? { stack } : {}),
    ...(typeof code === 'string' ? { code } : {}),
  }
}
