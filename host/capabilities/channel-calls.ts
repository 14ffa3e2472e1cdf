/**
 * Carries out a guest's calls on a binding of channels: `put`, `rest`, `take`, `leave`, `close` (guest-sdk/concurrency/remote-line.ts says
 * what each means). Everything in a call is hostile; values are bytes that are counted and never looked into. The ends belong
 * to the isolate that calls, and leave with it.
 */
import {
  CALL_CHARACTERS,
  MESSAGE_BYTES,
  WINDOW,
  type PutAnswer,
} from '../../guest-sdk/concurrency/remote-line.ts'
import { homeOf, type Home } from '../cells/home.ts'
import type { TakeReply } from '../concurrency/channels/end.ts'
import { chunkOf } from '../concurrency/channels/chunk.ts'
import type { ChannelEnds } from '../concurrency/channels/ends.ts'
import type { ChannelDirectory } from '../concurrency/channels/hub.ts'
import type { JsonValue } from '../registry/types.ts'
import { readWhole } from './call-body.ts'
import { GuestFacingError } from './capability.ts'
import type { Capability, CapabilityCall, CapabilityResult, Place } from './capability.ts'
import type { ChannelOptions } from './channels.ts'

interface Local {
  readonly ends: ChannelEnds
  readonly stopListening: () => void
}

export function createChannelCalls(hub: ChannelDirectory, options: ChannelOptions, place: Place): Capability {
  const { access, mode } = options
  const name = options.channel ?? place.service
  const settings = {
    mode,
    capacity: options.capacity ?? undefined,
    slow: options.slow ?? undefined,
  }
  let isClosed = false
  const locals = new Map<Home, Local>()
  const unanswered = new Set<() => void>()

  const endsOf = (call: CapabilityCall): ChannelEnds => {
    const home = homeOf(call.origin)
    const known = locals.get(home)
    if (known !== undefined) return known.ends
    const ends = hub.ends(home, place.tenant, name, settings)
    const leave = (): void => {
      locals.delete(home)
      ends.leaveAll()
    }
    const local: Local = { ends, stopListening: call.origin.onGone(leave) }
    if (!call.origin.gone) locals.set(home, local)
    return ends
  }

  /** One that waits is ended with the call, or with the grant. */
  const answered = (
    call: CapabilityCall,
    ask: (reply: (result: CapabilityResult) => void, fail: (thrown: unknown) => void) => void,
    giveUp: () => void,
  ): Promise<CapabilityResult> =>
    new Promise((resolve, reject) => {
      let isOver = false
      const over = (): void => {
        isOver = true
        unanswered.delete(revoke)
        if (isListening) call.signal.removeEventListener('abort', abort)
      }
      const abort = (): void => {
        if (isOver) return
        over()
        giveUp()
      }
      const revoke = (): void => {
        if (isOver) return
        over()
        reject(revoked())
      }
      let isListening = false
      unanswered.add(revoke)
      try {
        ask(
          (result) => {
            if (isOver) return
            over()
            resolve(result)
          },
          (thrown) => {
            if (isOver) return
            over()
            reject(thrown)
          },
        )
      } catch (thrown) {
        // Refused: nothing of it is kept.
        over()
        return reject(thrown)
      }
      // Most are answered before anything can end them, and a signal has its price.
      queueMicrotask(() =>
        queueMicrotask(() => {
          if (isOver) return
          isListening = true
          call.signal.addEventListener('abort', abort)
          if (call.signal.aborted) abort()
        }),
      )
    })

  const put = async (call: CapabilityCall): Promise<CapabilityResult> => {
    const ends = endsOf(call)
    const [want, waits, need] = call.args
    const asked = {
      want: count(want, WINDOW),
      waits: waits === 1,
      need: count(need, MESSAGE_BYTES),
    }
    const most = Math.max(ends.reservedBytes, CALL_CHARACTERS * 3)
    const { body } = call
    const bytes =
      body === undefined || Buffer.isBuffer(body)
        ? (body ?? Buffer.alloc(0))
        : await readWhole(body, most, () => badCall('More was sent than there was leave to send.'))
    if (bytes.length > MESSAGE_BYTES) checkSizes(bytes)
    // While the body came all that leaves with them has left.
    if (isClosed) throw revoked()
    if (call.origin.gone) throw new GuestFacingError('Error', 'The isolate is gone', 'VELA_CELL_LOST')
    return await answered(
      call,
      (reply, fail) => ends.put(chunkOf(bytes), asked, (answer) => reply({ value: listOf(answer) }), fail),
      () => ends.rest(),
    )
  }

  const take = (call: CapabilityCall): Promise<CapabilityResult> => {
    const ends = endsOf(call)
    const [id, consumed, want, isEngaged] = call.args
    const receiver = count(id, MOST_ID)
    return answered(
      call,
      (reply, fail) =>
        ends.take(
          receiver,
          count(consumed, WINDOW),
          count(want, WINDOW),
          isEngaged === 1,
          (answer) => reply(resultOf(answer)),
          fail,
        ),
      // What it may have been handed goes back.
      () => ends.giveUp(receiver),
    )
  }

  const mayNot = (what: string): never => {
    throw new GuestFacingError('Error', `This end of the channel may not ${what}`, 'VELA_CAPABILITY_DENIED')
  }

  return {
    call(call) {
      switch (call.method) {
        case 'put':
          return access === 'receive' ? mayNot('send') : put(call)
        case 'rest':
          endsOf(call).rest()
          return {}
        case 'take':
          return access === 'send' ? mayNot('receive') : take(call)
        case 'leave':
          endsOf(call).leave(count(call.args[0], MOST_ID))
          return {}
        case 'close':
          endsOf(call).close(reasonOf(call.args[0]))
          return {}
        default:
          throw new GuestFacingError('TypeError', 'A channel has no such method.', 'VELA_METHOD_NOT_FOUND')
      }
    },
    close() {
      isClosed = true
      for (const revoke of unanswered) revoke()
      for (const { ends, stopListening } of locals.values()) {
        stopListening()
        ends.leaveAll()
      }
      locals.clear()
    },
  }
}

const revoked = (): GuestFacingError =>
  new GuestFacingError('Error', 'This grant has ended', 'VELA_CAPABILITY_REVOKED')

const MOST_ID = 2 ** 31
const MOST_REASON_CHARACTERS = 4_096

const listOf = ({ accepted, credit, room, state, reason }: PutAnswer): JsonValue => [
  accepted,
  credit,
  room,
  state,
  reason,
]

const resultOf = ({ chunk, state, reason }: TakeReply): CapabilityResult => ({
  value: [state, reason],
  body: chunk?.bytes,
})

function count(value: JsonValue | undefined, most: number): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0) return Math.min(value, most)
  return badCall('A count is a whole number that is not negative.')
}

function reasonOf(value: JsonValue | undefined): string {
  if (typeof value !== 'string') return badCall('A reason is a text.')
  if (value.length > MOST_REASON_CHARACTERS)
    return badCall(`A reason has at most ${MOST_REASON_CHARACTERS} characters in its encoded form.`)
  return value
}

function checkSizes(bytes: Buffer): void {
  let from = 0
  while (from < bytes.length) {
    const end = bytes.indexOf(10, from)
    const to = end === -1 ? bytes.length : end
    if (to - from > MESSAGE_BYTES)
      badCall(`A message has at most ${MESSAGE_BYTES} bytes in its encoded form.`)
    from = to + 1
  }
}

function badCall(message: string): never {
  throw new GuestFacingError('RangeError', message, 'VELA_CAPABILITY_BAD_CALL')
}
