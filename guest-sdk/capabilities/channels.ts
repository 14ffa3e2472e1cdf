/**
 * The guest's half of the `channels` capability: one pair of ends for each binding of this isolate, and a face of them in each turn's
 * `env`. What the ends do between entries, and why nothing is lost with a turn, is in guest-sdk/concurrency/remote-*.ts.
 */
import type { PutAnswer, TakeAnswer } from '../concurrency/remote-line.ts'
import { createRemoteEnds, type RemoteEnds, type RemoteLine } from '../concurrency/remote-channel.ts'
import type { CallResult } from '../kernel/calls.ts'
import type { CapabilityFactory, CapabilityKit, Power } from '../kernel/capabilities.ts'
import { defineProperty, freeze } from '../kernel/primordials.ts'

interface Options {
  readonly mode: 'queue' | 'broadcast'
  readonly access: 'send' | 'receive' | 'both'
}

export const usesCodec = true
export const create: CapabilityFactory = (kit) => {
  /** By binding: `options` is the same object for each turn. */
  const known: { readonly options: unknown; readonly ends: RemoteEnds }[] = []
  const endsOf = (power: Power, options: unknown): RemoteEnds => {
    for (let index = 0; index < known.length; index++) {
      const entry = known[index] as { readonly options: unknown; readonly ends: RemoteEnds }
      if (entry.options === options) return entry.ends
    }
    const ends = createRemoteEnds(lineOf(kit, power), {
      encode: kit.encodeValue,
      decode: kit.decodeValue,
      createError: (code, message, cause) => withCause(kit.createError('Error', message, code), cause),
      tooLarge: (message) => kit.createError('RangeError', message, 'VELA_CAPABILITY_BAD_CALL'),
    })
    known[known.length] = { options, ends }
    return ends
  }
  return (power, options) => {
    const { mode, access } = options as Options
    const ends = endsOf(power, options)
    const { scope } = power
    const remote = {
      bind: (cancel: (reason: unknown) => void): (() => void) => {
        const turn = scope.turn()
        return turn === 0 ? nothing : kit.onTurnEnd(turn, cancel)
      },
      gate: () => scope.gate(),
    }
    const face = mode === 'broadcast' ? ends.broadcast(remote) : ends.channel(remote)
    return freeze(access === 'both' ? face : narrowed(kit, face, access))
  }
}

const RECEIVING: readonly (string | symbol)[] = [
  'receive',
  'values',
  'poll',
  'subscribe',
  'receiver',
  Symbol.asyncIterator,
]
const SENDING: readonly string[] = ['send', 'trySend']

/** The face with what the grant leaves out refused here; the host refuses it too. */
function narrowed(kit: CapabilityKit, face: object, access: string): object {
  const without = access === 'send' ? RECEIVING : SENDING
  for (let index = 0; index < without.length; index++) {
    const name = without[index] as string
    if (!(name in face)) continue
    const value = (): never => {
      throw kit.createError(
        'Error',
        `This end of the channel can only ${access}: it was granted so`,
        'VELA_CAPABILITY_DENIED',
      )
    }
    defineProperty(face, name, { value, enumerable: true })
  }
  return face
}

function lineOf(kit: CapabilityKit, power: Power): RemoteLine {
  return {
    atEnd: kit.atEntryEnd,
    async put({ body, want, waits, need }) {
      const sent = body === '' ? null : { text: body }
      const { value } = await power.raw('put', [want, waits ? 1 : 0, need], sent)
      const [accepted, credit, room, state, reason] = value as [number, number, number, number, string]
      return { accepted, credit, room, state, reason } satisfies PutAnswer
    },
    rest: () => quiet(power.raw('rest', [])),
    receiver: (id) => ({
      atEnd: kit.atEntryEnd,
      async take(consumed, want, isEngaged) {
        const { value, body } = await power.raw('take', [id, consumed, want, isEngaged ? 1 : 0])
        const [state, reason] = value as [number, string]
        return { body: await textOf(kit, body), state, reason } satisfies TakeAnswer
      },
    }),
    leave: (id) => quiet(power.raw('leave', [id])),
    async close(reason) {
      await power.raw('close', [reason])
    },
  }
}

const nothing = (): void => undefined
/** Nobody waits for it. */
const quiet = (call: Promise<unknown>): void => void call.then(nothing, nothing)

const HEAD = { status: 200, statusText: '', headers: [], url: '', redirected: false }

async function textOf(kit: CapabilityKit, body: CallResult['body']): Promise<string | undefined> {
  if (body === null) return undefined
  if ('byteString' in body && body.ascii) return body.byteString
  return await (kit.web.createResponse(HEAD, body) as { text(): Promise<string> }).text()
}

function withCause(error: unknown, cause: unknown): unknown {
  if (cause !== undefined)
    defineProperty(error as object, 'cause', { value: cause, configurable: true, writable: true })
  return error
}
