/**
 * What hosts say to one another about a channel that one of them holds: the calls of ChannelEnds one way, their answers the other. The
 * values are the body, as they came from the guest.
 */
import { z } from 'zod'
import type { PutAnswer } from '../../../guest-sdk/concurrency/remote-line.ts'
import type { ChannelSettings } from '../../concurrency/channels/hub.ts'
import type { JsonValue } from '../../registry/types.ts'

interface OfEnds {
  /** Which ends, as whoever has them calls them. */
  readonly ends: string
}
interface Numbered extends OfEnds {
  /** Of the asks of these ends: the answer has the same. */
  readonly n: number
}

export type ChannelAsk =
  | ({
      readonly op: 'open'
      readonly tenant: string
      readonly name: string
      readonly settings: ChannelSettings
    } & OfEnds)
  | ({ readonly op: 'put'; readonly want: number; readonly waits: boolean; readonly need: number } & Numbered)
  | ({
      readonly op: 'take'
      readonly id: number
      readonly consumed: number
      readonly want: number
      readonly engaged: boolean
    } & Numbered)
  | ({ readonly op: 'rest' } & OfEnds)
  | ({ readonly op: 'giveUp' | 'leave'; readonly id: number } & OfEnds)
  | ({ readonly op: 'close'; readonly reason: string } & OfEnds)
  | ({ readonly op: 'leaveAll'; readonly lost: boolean } & OfEnds)
  /** These are still there. */
  | { readonly op: 'alive'; readonly all: readonly string[] }

export type ChannelAnswer =
  | ({ readonly kind: 'put' } & PutAnswer & Numbered)
  | ({ readonly kind: 'take'; readonly state: number; readonly reason: string } & Numbered)
  /** `error` as peers/wire.ts describes one. */
  | ({ readonly kind: 'failed'; readonly error: unknown } & Numbered)
  /** The host that holds the channel does not know these ends (any more). */
  | ({ readonly kind: 'unknown' } & OfEnds)

const Count = z.int().nonnegative()
const Ends = z.string().min(1).max(64)
const Settings = z.object({
  mode: z.enum(['queue', 'broadcast']),
  capacity: z.int().positive().optional(),
  slow: z.enum(['wait', 'drop']).optional(),
})

const Ask: z.ZodType<ChannelAsk> = z.discriminatedUnion('op', [
  z.object({ op: z.literal('open'), ends: Ends, tenant: z.string(), name: z.string(), settings: Settings }),
  z.object({ op: z.literal('put'), ends: Ends, n: Count, want: Count, waits: z.boolean(), need: Count }),
  z.object({
    op: z.literal('take'),
    ends: Ends,
    n: Count,
    id: Count,
    consumed: Count,
    want: Count,
    engaged: z.boolean(),
  }),
  z.object({ op: z.literal('rest'), ends: Ends }),
  z.object({ op: z.literal('giveUp'), ends: Ends, id: Count }),
  z.object({ op: z.literal('leave'), ends: Ends, id: Count }),
  z.object({ op: z.literal('close'), ends: Ends, reason: z.string() }),
  z.object({ op: z.literal('leaveAll'), ends: Ends, lost: z.boolean() }),
  z.object({ op: z.literal('alive'), all: z.array(Ends) }),
])

const Answer: z.ZodType<ChannelAnswer> = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('put'),
    ends: Ends,
    n: Count,
    accepted: Count,
    credit: Count,
    room: Count,
    state: Count,
    reason: z.string(),
  }),
  z.object({ kind: z.literal('take'), ends: Ends, n: Count, state: Count, reason: z.string() }),
  z.object({ kind: z.literal('failed'), ends: Ends, n: Count, error: z.unknown() }),
  z.object({ kind: z.literal('unknown'), ends: Ends }),
])

/** The channels of Peers that carry them. */
export const ASKS = 'channel-asks'
export const ANSWERS = 'channel-answers'

/** undefined: another version of Vela says something that this one does not know. */
export const readAsk = (header: unknown): ChannelAsk | undefined => Ask.safeParse(header).data
export const readAnswer = (header: unknown): ChannelAnswer | undefined => Answer.safeParse(header).data

export const headerOf = (message: ChannelAsk | ChannelAnswer): JsonValue => message as unknown as JsonValue
