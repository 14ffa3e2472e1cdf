/** Broadcasts by the hub: each receiver has everything from when it came, and a slow one is dealt with as the channel says. */
import { describe, expect, test } from 'vitest'
import { createChannelHub } from '../../host/concurrency/channels/hub.ts'
import { isolateOf, outcomeOf, settled } from './support.ts'

const WAIT = { mode: 'broadcast', capacity: 3 } as const
const DROP = { ...WAIT, slow: 'drop' } as const

describe('a broadcast between isolates', () => {
  test('gives every receiver all that is sent while it is there, in order', async () => {
    const hub = createChannelHub()
    const sender = isolateOf(hub, 'acme/news', WAIT)
    await sender.broadcast.send('before')
    const receivers = [0, 1, 2].map(() => isolateOf(hub, 'acme/news', WAIT).broadcast.receiver())
    await settled()
    const got = receivers.map((receiver) => Array.fromAsync(receiver))
    for (let index = 0; index < 50; index++) await sender.broadcast.send(index)
    await sender.broadcast.close()
    const all = Array.from({ length: 50 }, (_, index) => index)
    expect(await Promise.all(got)).toEqual([all, all, all])
    expect(hub.stats).toEqual({ channels: 0, bytes: 0, dropped: 0 })
  })

  test('that has no receiver takes everything and keeps nothing', async () => {
    const hub = createChannelHub()
    const sender = isolateOf(hub, 'acme/news', WAIT)
    for (let index = 0; index < 100; index++) await sender.broadcast.send('x'.repeat(1000))
    await settled()
    expect(hub.stats.bytes).toBe(0)
  })

  test('waits for its slowest receiver, and no longer once that has closed its place or its isolate is gone', async () => {
    const hub = createChannelHub()
    const sender = isolateOf(hub, 'acme/news', WAIT)
    const quick = isolateOf(hub, 'acme/news', WAIT).broadcast.receiver()
    const slow = isolateOf(hub, 'acme/news', WAIT)
    const places = [slow.broadcast.receiver(), slow.broadcast.receiver()]
    await settled()
    const got: unknown[] = []
    const loop = (async () => {
      for await (const value of quick) got.push(value)
    })()
    for (const value of [1, 2, 3]) await sender.broadcast.send(value)
    const fourth = sender.broadcast.send(4)
    expect(await outcomeOf(fourth)).toBe('waits')
    expect(await sender.broadcast.trySend(5)).toBe(false)
    places[0]?.close()
    expect(await outcomeOf(fourth)).toBe('waits')
    slow.go(false)
    expect(await outcomeOf(fourth)).toEqual({ value: undefined })
    await sender.broadcast.close()
    await loop
    expect(got).toEqual([1, 2, 3, 4])
  })

  test('that drops lets a slow receiver miss its oldest values, and keeps no more than its capacity for it', async () => {
    const hub = createChannelHub()
    const sender = isolateOf(hub, 'acme/news', DROP)
    const receiver = isolateOf(hub, 'acme/news', DROP).broadcast.receiver()
    await settled()
    for (let index = 0; index < 10; index++) await sender.broadcast.send(index)
    await settled()
    expect(hub.stats.dropped).toBe(7)
    expect([await receiver.receive(), await receiver.receive(), await receiver.receive()]).toEqual([7, 8, 9])
    expect(await outcomeOf(receiver.receive())).toBe('waits')
  })

  test('that drops makes room in the tenant’s bytes too', async () => {
    const hub = createChannelHub({ bytesOfTenant: 400_000 })
    const settings = { ...DROP, capacity: 1000 }
    const sender = isolateOf(hub, 'acme/news', settings)
    const receiver = isolateOf(hub, 'acme/news', settings).broadcast.receiver()
    await settled()
    for (let index = 0; index < 100; index++) await sender.broadcast.send(String(index).padEnd(10_000))
    expect(hub.stats.bytes).toBeLessThanOrEqual(400_000)
    const first = (await receiver.receive()) as string
    expect(Number(first)).toBeGreaterThan(50)
  })

  test('tells every receiver that it was lost by its sender, and ends with an error if it was closed with one', async () => {
    const hub = createChannelHub()
    const sender = isolateOf(hub, 'acme/news', WAIT)
    const receivers = [0, 1].map(() => isolateOf(hub, 'acme/news', WAIT).broadcast.receiver())
    await settled()
    await sender.broadcast.send(1)
    for (const receiver of receivers) expect(await receiver.receive()).toBe(1)
    const waiting = receivers.map((receiver) => receiver.receive())
    await settled()
    sender.go(true)
    const lost = { error: 'VELA_CHANNEL_LOST' }
    expect(await Promise.all(waiting.map(outcomeOf))).toEqual([lost, lost])
    await isolateOf(hub, 'acme/news', WAIT).broadcast.close(new Error('over'))
    for (const receiver of receivers)
      expect(await outcomeOf(receiver[Symbol.asyncIterator]().next())).toEqual({
        error: 'VELA_CHANNEL_CLOSED',
      })
  })
})
