/**
 * The capability `channels`: ends of bounded channels between the services of a tenant, and between them and the host. `{}` asks for one
 * binding `channels` on the channel that is called like the service; `{"JOBS": {"channel": "jobs", "capacity": 100, "access":
 * "send"}}` says it in full. The tenant comes from the deployment alone. A policy: `{"channels": ["jobs"], "capacity": 1000}`.
 */
import { z } from 'zod'
import type { ChannelDirectory } from '../concurrency/channels/hub.ts'
import { MOST_CAPACITY } from '../concurrency/channels/hub.ts'
import { isName } from '../registry/names.ts'
import type { JsonValue } from '../registry/types.ts'
import { AskProblem } from './capability.ts'
import type { Binding, CapabilityKind, Place, Refusal } from './capability.ts'
import { createChannelCalls } from './channel-calls.ts'

export interface ChannelOptions {
  /** null: the one called like the service. */
  readonly channel: string | null
  /** null: what it has, or 100. */
  readonly capacity: number | null
  readonly access: 'send' | 'receive' | 'both'
  readonly mode: 'queue' | 'broadcast'
  /** Of a broadcast; null: what it has, or 'wait'. */
  readonly slow: 'wait' | 'drop' | null
}

const MOST_BINDINGS = 32

const NAME = 'must be a name of at most 63 lower-case letters, digits and inner hyphens'
const name = z.string(NAME).refine((text) => isName('channel', text), NAME)
const CAPACITY = `must be a whole number from 1 to ${MOST_CAPACITY}`
const capacity = z.int(CAPACITY).min(1, CAPACITY).max(MOST_CAPACITY, CAPACITY)
const bindingSchema = z
  .strictObject({
    channel: name.optional(),
    capacity: capacity.optional(),
    access: z.enum(['send', 'receive', 'both'], 'must be "send", "receive" or "both"').optional(),
    mode: z.enum(['queue', 'broadcast'], 'must be "queue" or "broadcast"').optional(),
    slow: z.enum(['wait', 'drop'], 'must be "wait" or "drop"').optional(),
  })
  .refine(({ mode, slow }) => slow === undefined || mode === 'broadcast', {
    path: ['slow'],
    error: 'is for the mode "broadcast"',
  })
const policySchema = z.strictObject({ channels: z.array(name).optional(), capacity: capacity.optional() })

export function createChannelsKind(hub: ChannelDirectory): CapabilityKind<ChannelOptions> {
  return {
    kind: 'channels',
    defaultPolicy: true,
    checkPolicy: (policy) =>
      policySchema.safeParse(policy).success
        ? undefined
        : 'must be true, false or {"channels": [names], "capacity": a number}',
    parse,
    narrow,
    describe,
    open: (options, place) => createChannelCalls(hub, options, place),
  }
}

function parse(asked: JsonValue): readonly Binding<ChannelOptions>[] {
  if (asked === true) return [bindingOf('channels', DEFAULTS)]
  if (typeof asked !== 'object' || asked === null || Array.isArray(asked))
    throw new AskProblem([], 'must be {} or an object of bindings, such as {"JOBS": {"channel": "jobs"}}')
  const bindings = Object.entries(asked)
  if (bindings.length === 0) return [bindingOf('channels', DEFAULTS)]
  if (bindings.length > MOST_BINDINGS) throw new AskProblem([], `must have at most ${MOST_BINDINGS} bindings`)
  return bindings.map(([key, value]) => bindingOf(key, parseBinding(key, value)))
}

/** The guest's half needs to know what it is, and never its name. */
const bindingOf = (key: string, options: ChannelOptions): Binding<ChannelOptions> => ({
  name: key,
  options,
  guest: { mode: options.mode, access: options.access },
})

const DEFAULTS: ChannelOptions = { channel: null, capacity: null, access: 'both', mode: 'queue', slow: null }

function parseBinding(key: string, asked: JsonValue): ChannelOptions {
  if (asked === true) return DEFAULTS
  const read = bindingSchema.safeParse(asked)
  if (read.success) {
    const { channel = null, capacity: size = null, access = 'both', mode = 'queue', slow = null } = read.data
    return { channel, capacity: size, access, mode, slow }
  }
  const issue = read.error.issues[0]
  const path = (issue?.path ?? []).map((step) => (typeof step === 'symbol' ? String(step) : step))
  throw new AskProblem(
    [key, ...path],
    path.length > 0
      ? (issue?.message ?? 'is not valid')
      : 'must be {} or an object with "channel", "capacity", "access", "mode" and "slow"',
  )
}

function narrow(options: ChannelOptions, policy: JsonValue, place: Place): ChannelOptions | Refusal {
  if (policy === true) return options
  const read = policySchema.safeParse(policy)
  if (!read.success) return { refused: "the operator's policy of channels is not understood" }
  const { channels, capacity: most } = read.data
  const wanted = options.channel ?? place.service
  if (channels !== undefined && !channels.includes(wanted))
    return { refused: `the operator's policy does not allow the channel ${wanted}` }
  if (most !== undefined && (options.capacity ?? 0) > most)
    return { refused: `the operator's policy allows a capacity of at most ${most}` }
  return most !== undefined && options.capacity === null
    ? { ...options, capacity: Math.min(most, 100) }
    : options
}

function describe({ channel, capacity: size, access, mode }: ChannelOptions): string {
  const what = access === 'both' ? 'send to and receive from' : access === 'send' ? 'send to' : 'receive from'
  const which = channel === null ? 'the channel of the service' : `the channel ${channel}`
  const form = mode === 'broadcast' ? ', a broadcast' : ''
  return `${what} ${which}${form}${size === null ? '' : `, of ${size} values`}`
}
