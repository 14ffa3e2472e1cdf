/** A host that is short of something: places for calls, room, memory. Nothing is lost by it, and no more is held than is counted. */
import { describe, expect, test } from 'vitest'
import { decodeValue, encodeValue } from '../../guest-sdk/async/codec.ts'
import { createRemoteEnds } from '../../guest-sdk/concurrency/remote-channel.ts'
import { createBudget } from '../../host/concurrency/channels/budget.ts'
import { HubChannel } from '../../host/concurrency/channels/channel.ts'
import { chunkOf, costOf, type Chunk } from '../../host/concurrency/channels/chunk.ts'
import { createEnds } from '../../host/concurrency/channels/ends.ts'
import { lineTo } from '../../host/concurrency/channels/host-channel.ts'
import { createChannelHub, type ChannelHub } from '../../host/concurrency/channels/hub.ts'
import { createLogBacklog } from '../../host/concurrency/channels/log-backlog.ts'
import { createQueueBacklog } from '../../host/concurrency/channels/queue-backlog.ts'
import { isolateOf, outcomeOf, settled } from './support.ts'

describe('what a tenant’s channels hold', () => {
  test('is one wish for room for each channel, however often it asks', () => {
    const wishes = new Set<() => void>()
    const full = {
      ...createBudget(0),
      take: () => false,
      onRoom: (wish: () => void) => void wishes.add(wish),
    }
    const work: (() => void)[] = []
    const jobs = new HubChannel({
      capacity: 10,
      backlog: createQueueBacklog(full),
      isLog: false,
      budget: full,
      onOver: () => undefined,
      defer: (task) => void work.push(task),
    })
    const ends = createEnds({ hears: true, lost: false }, () => jobs)
    for (let time = 0; time < 50; time++) {
      ends.put(undefined, { want: 1, waits: true, need: 1 }, () => undefined)
      for (const task of work.splice(0)) task()
    }
    expect(wishes.size).toBe(1)
  })

  test('makes a slow receiver miss no more than the room that is needed, and nothing in vain', () => {
    const budget = createBudget(180)
    let dropped = 0
    const log = createLogBacklog({
      capacity: 100,
      drops: true,
      budget,
      onDrop: (count) => (dropped += count),
    })
    log.join({})
    // Ten values of 18 bytes each.
    const all = chunkOf(Buffer.from('0123456789'.split('').join('\n'))) as Chunk
    expect(budget.take(costOf(all))).toBe(true)
    log.push(all)
    expect([log.relieve(181), dropped]).toEqual([false, 0])
    expect([log.relieve(37), dropped, budget.usedBytes]).toEqual([true, 3, 180 - 3 * 18])
    expect([log.relieve(54), dropped]).toEqual([true, 3])
  })

  test('is no more memory than what is counted, when only the first of what was sent got in', () => {
    const budget = createBudget(1_000_000)
    const backlog = createQueueBacklog(budget)
    const pushed: Chunk[] = []
    const jobs = new HubChannel({
      capacity: 1,
      backlog: { ...backlog, push: (chunk) => void pushed.push(chunk) },
      isLog: false,
      budget,
      onOver: () => undefined,
      defer: queueMicrotask,
    })
    const ends = createEnds({ hears: true, lost: false }, () => jobs)
    const sent = chunkOf(Buffer.concat([Buffer.from('1\n'), Buffer.alloc(180_000, 'x')]))
    ends.put(sent, { want: 0, waits: false, need: 0 }, () => undefined)
    expect(pushed.map(({ bytes }) => bytes.toString())).toEqual(['1'])
    expect(pushed[0]?.bytes.buffer.byteLength).toBe(1)
  })
})

describe('a call that the host refuses because too many are in flight', () => {
  /** Ends whose calls are refused while `isBusy` says so. */
  const busyEnds = (hub: ChannelHub) => {
    const state = { isBusy: false }
    const line = lineTo(createEnds({ hears: true, lost: false }, () => hub.channel('acme', 'jobs', QUEUE)))
    const refuse = (): Promise<never> =>
      Promise.reject(Object.assign(new Error('too many'), { code: 'VELA_CAPABILITY_OVERLOADED' }))
    const later =
      <Args extends unknown[], Answer>(ask: (...args: Args) => Promise<Answer>) =>
      async (...args: Args): Promise<Answer> => {
        const { isBusy } = state
        await settled()
        return await (isBusy ? refuse() : ask(...args))
      }
    const take = line.receiver(0)
    const ends = createRemoteEnds(
      {
        ...line,
        // What is refused is said later, as by a host that is elsewhere.
        put: later(line.put),
        receiver: () => ({ ...take, take: later(take.take) }),
      },
      {
        encode: encodeValue,
        decode: decodeValue,
        createError: (code, message) => Object.assign(new Error(message), { code }),
        tooLarge: (message) => new RangeError(message),
      },
    )
    return { state, jobs: ends.channel({ bind: undefined, gate: () => undefined }) }
  }
  const QUEUE = { mode: 'queue', capacity: 10 } as const

  test('does not make a value that was taken come again', async () => {
    const hub = createChannelHub()
    const sender = isolateOf(hub, 'acme/jobs', QUEUE).channel
    for (const value of [1, 2, 3]) await sender.send(value)
    const { state, jobs } = busyEnds(hub)
    const got = [await jobs.receive()]
    // Said with the end of this turn: that it took one.
    state.isBusy = true
    await settled()
    await expect(jobs.receive()).rejects.toMatchObject({ code: 'VELA_CAPABILITY_OVERLOADED' })
    state.isBusy = false
    got.push(await jobs.receive(), await jobs.receive())
    expect(got).toEqual([1, 2, 3])
  })

  test('does not lose what was sent under leave', async () => {
    const hub = createChannelHub()
    const receiver = isolateOf(hub, 'acme/jobs', QUEUE).channel
    const { state, jobs } = busyEnds(hub)
    const sent: number[] = []
    const sending = (async () => {
      for (let value = 0; value < 6; value++) {
        await jobs.send(value)
        sent.push(value)
        // By then there is leave to send: the next ones have resolved before the host hears of them.
        if (value === 2) state.isBusy = true
      }
    })()
    await sending.catch(() => undefined)
    await settled()
    state.isBusy = false
    const got: unknown[] = []
    while (got.length < sent.length) {
      const next = await outcomeOf(receiver.receive())
      if (next === 'waits') break
      got.push((next as { value: unknown }).value)
    }
    expect(sent.length).toBeGreaterThan(3)
    expect(got).toEqual(sent)
  })
})
