/** Who waits at a full channel: served in turn, with equal shares, and only while somebody there still wants to send. */
import { expect, test } from 'vitest'
import { createChannelHub, type ChannelHub } from '../../host/concurrency/channels/hub.ts'
import type { HubChannel } from '../../host/concurrency/channels/channel.ts'
import { chunkOf } from '../../host/concurrency/channels/chunk.ts'
import type { SendEnd } from '../../host/concurrency/channels/end.ts'
import { isolateOf, outcomeOf, settled } from './support.ts'

interface Answer {
  readonly accepted: number
  readonly credit: number
}

const values = (count: number): ReturnType<typeof chunkOf> =>
  chunkOf(Buffer.from(Array.from({ length: count }, () => '1').join('\n')))

const put = (channel: HubChannel, end: SendEnd, count: number, want: number): Promise<Answer> =>
  new Promise((resolve) => channel.put(end, values(count), { want, waits: true, need: 0 }, resolve))

const owner = (): { hears: boolean; lost: boolean } => ({ hears: true, lost: false })

/** A full channel, and how to make room in it. */
function fullChannel(hub: ChannelHub, capacity: number): { channel: HubChannel; free(count: number): void } {
  const channel = hub.channel('acme', 'jobs', { mode: 'queue', capacity })
  void put(channel, channel.joinSender(owner()), capacity, 0)
  const taker = channel.joinTaker(owner())
  return {
    channel,
    free(count) {
      channel.take(taker, 0, count, false, () => channel.take(taker, count, 0, false, () => undefined))
    },
  }
}

test('room is shared out equally among those who wait for it, however much one of them wants', async () => {
  const { channel, free } = fullChannel(createChannelHub(), 40)
  await settled()
  const waiting = [4_096, 4_096, 4_096, 2].map((want) => put(channel, channel.joinSender(owner()), 1, want))
  expect(await outcomeOf(Promise.race(waiting))).toBe('waits')
  free(16)
  expect((await Promise.all(waiting)).map(({ credit }) => credit)).toEqual([4, 4, 4, 2])
})

test('one alone gets half of the capacity ahead at most', async () => {
  const channel = createChannelHub().channel('acme', 'jobs', { mode: 'queue', capacity: 40 })
  expect(await put(channel, channel.joinSender(owner()), 1, 4_096)).toMatchObject({ accepted: 1, credit: 20 })
})

test('room that others wait for is theirs: who comes later does not get in before them', async () => {
  const { channel } = fullChannel(createChannelHub(), 2)
  const taker = channel.joinTaker(owner())
  const first = put(channel, channel.joinSender(owner()), 1, 1)
  await new Promise<void>((resolve) => channel.take(taker, 0, 1, false, () => resolve()))
  await settled()
  // There is room from here on, and the one who waits has not been told yet.
  channel.take(taker, 1, 0, false, () => undefined)
  const second = put(channel, channel.joinSender(owner()), 1, 1)
  expect(await first).toMatchObject({ accepted: 0, credit: 1 })
  expect(await outcomeOf(second)).toBe('waits')
})

test('leave goes to nobody whose turn is over', async () => {
  const hub = createChannelHub()
  const settings = { capacity: 1 }
  const isolate = isolateOf(hub, 'acme/jobs', settings)
  await isolate.channel.send('first')
  const turn = isolate.turn()
  const waiting = turn.channel.send('second')
  expect(await outcomeOf(waiting)).toBe('waits')
  turn.end()
  await settled()
  const channel = hub.channel('acme', 'jobs', { mode: 'queue' })
  const answers: unknown[] = []
  const original = channel.put.bind(channel)
  channel.put = (end, chunk, options, reply) =>
    original(end, chunk, options, (answer) => reply((answers.push(answer), answer)))
  expect(await isolateOf(hub, 'acme/jobs', settings).channel.receive()).toBe('first')
  await settled()
  expect(answers).toEqual([])
  expect(channel.load).toBe(0)
})
