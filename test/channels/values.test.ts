/** Loops that a signal ends, and waiting that is given up: who is gone takes nothing, holds up nobody, and loses no value. */
import { describe, expect, test } from 'vitest'
import {
  hostChannels,
  type HostBroadcast,
  type HostChannel,
} from '../../host/concurrency/channels/host-channel.ts'
import { createChannelHub } from '../../host/concurrency/channels/hub.ts'
import { broadcast, channel, race, timeout } from '../../host/index.ts'
import { isolateOf, outcomeOf, settled } from './support.ts'

/** What each kind has in common; `send` of one within an isolate is awaited as well. */
type Queue = Pick<HostChannel<number>, 'send' | 'receive' | 'values' | 'close'>
type News = Pick<HostBroadcast<number>, 'send' | 'values' | 'close'>

const queues: readonly (readonly [string, () => Queue])[] = [
  ['within an isolate', () => channel<number>({ capacity: 2 }) as unknown as Queue],
  ['of another isolate', () => isolateOf(createChannelHub(), 'acme/jobs', { capacity: 2 }).channel as Queue],
  ['of the host', () => hostChannels(createChannelHub())<number>('acme', 'jobs', { capacity: 2 })],
]

/** Collects until the loop ends, and says how. */
async function collect(values: AsyncIterable<number>, onEach: (value: number) => void): Promise<unknown> {
  const got: number[] = []
  try {
    for await (const value of values) {
      got.push(value)
      onEach(value)
    }
    return { got }
  } catch (thrown) {
    return { got, thrown: (thrown as Error).message }
  }
}

describe.each(queues)('a channel %s', (_, create) => {
  test('has values in their order until it is closed', async () => {
    const jobs = create()
    const loop = collect(jobs.values({ signal: new AbortController().signal }), () => undefined)
    for (const value of [1, 2, 3]) await jobs.send(value)
    await settled()
    await jobs.close()
    expect(await loop).toEqual({ got: [1, 2, 3] })
  })

  test('ends a loop whose signal aborts while it waits, and the next value is another’s', async () => {
    const jobs = create()
    const stop = new AbortController()
    const loop = collect(jobs.values(stop), () => undefined)
    await settled()
    stop.abort(new Error('enough'))
    expect(await loop).toEqual({ got: [], thrown: 'enough' })
    await jobs.send(1)
    expect(await outcomeOf(jobs.receive())).toEqual({ value: 1 })
  })

  test('keeps what stands in it when the signal aborts while the loop is busy', async () => {
    const jobs = create()
    const stop = new AbortController()
    await jobs.send(1)
    await jobs.send(2)
    const loop = collect(jobs.values(stop), () => stop.abort(new Error('enough')))
    expect(await loop).toEqual({ got: [1], thrown: 'enough' })
    expect(await outcomeOf(jobs.receive())).toEqual({ value: 2 })
  })

  test('gives nothing to a loop whose signal had aborted', async () => {
    const jobs = create()
    await jobs.send(1)
    const values = jobs.values({ signal: AbortSignal.abort(new Error('before')) })
    expect(await collect(values, () => undefined)).toEqual({ got: [], thrown: 'before' })
    expect(await outcomeOf(jobs.receive())).toEqual({ value: 1 })
  })

  test('loses no value to a receive that timed out, was too late to begin, or lost a race', async () => {
    const jobs = create()
    await expect(timeout(1, jobs.receive())).rejects.toMatchObject({ code: 'VELA_TASK_TIMEOUT' })
    await expect(timeout(0, jobs.receive())).rejects.toMatchObject({ code: 'VELA_TASK_TIMEOUT' })
    await expect(race([jobs.receive()], { signal: AbortSignal.abort(new Error('no')) })).rejects.toThrow('no')
    expect(await race<unknown>([jobs.receive(), Promise.resolve('faster')])).toBe('faster')
    await jobs.send(1)
    expect(await outcomeOf(jobs.receive())).toEqual({ value: 1 })
  })

  test('gives a value to who was handed it, although the signal aborts at that moment', async () => {
    const jobs = create()
    const stop = new AbortController()
    const waiting = jobs.receive(stop)
    await settled()
    const sending = jobs.send(1)
    stop.abort(new Error('enough'))
    await sending
    const [first] = await Promise.allSettled([waiting])
    // One or the other, and never nobody.
    if (first?.status === 'rejected') expect(await outcomeOf(jobs.receive())).toEqual({ value: 1 })
    else expect(first?.value).toBe(1)
  })
})

const broadcasts: readonly (readonly [string, () => News])[] = [
  ['within an isolate', () => broadcast<number>({ capacity: 1 }) as unknown as News],
  [
    'of another isolate',
    () => isolateOf(createChannelHub(), 'acme/news', { capacity: 1, mode: 'broadcast' }).broadcast as News,
  ],
  [
    'of the host',
    () => hostChannels(createChannelHub())<number>('acme', 'news', { capacity: 1, mode: 'broadcast' }),
  ],
]

describe.each(broadcasts)('a broadcast %s', (_, create) => {
  test('is held up no more by a loop that its signal has ended', async () => {
    const news = create()
    const stop = new AbortController()
    const loop = collect(news.values(stop), () => undefined)
    await settled()
    await news.send(1)
    await settled()
    stop.abort(new Error('enough'))
    expect(await loop).toEqual({ got: [1], thrown: 'enough' })
    for (const value of [2, 3, 4]) expect(await outcomeOf(news.send(value))).toEqual({ value: undefined })
  })
})

test('a loop of the host over a broadcast lets go of its receiver when it throws', async () => {
  const hub = createChannelHub()
  const news = hostChannels(hub)<number>('acme', 'news', { capacity: 1, mode: 'broadcast' })
  const sender = isolateOf(hub, 'acme/news', { capacity: 1, mode: 'broadcast' })
  const loop = collect(news, () => undefined)
  await settled()
  await sender.broadcast.send(1)
  await settled()
  sender.go(true)
  expect(await loop).toMatchObject({ got: [1], thrown: expect.stringContaining('is gone') as string })
  for (const value of [2, 3, 4]) expect(await outcomeOf(news.send(value))).toEqual({ value: undefined })
})
