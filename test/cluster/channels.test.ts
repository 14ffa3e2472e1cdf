/** Channels between hosts: two nodes over one real nats-server, each with the channels of its own and those that the other holds. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { isolateOf } from '../channels/support.ts'
import { startNats, type NatsServer } from '../nats/server.ts'
import { AT, endOf, startNodes } from './channel-nodes.ts'

let server: NatsServer
beforeAll(async () => {
  server = await startNats()
})
afterAll(() => server.stop())

describe('a channel between two hosts', () => {
  test('carries values in their order, whichever host holds it', async () => {
    const [one, two] = await startNodes(2, server.url)
    if (one === undefined || two === undefined) throw new Error('no nodes')
    for (const [from, to] of [
      [one, two],
      [two, one],
    ] as const) {
      const sender = isolateOf(from.channels, AT, { capacity: 10 }).channel
      const receiver = isolateOf(to.channels, AT, { capacity: 10 }).channel
      const sending = (async () => {
        for (let value = 0; value < 500; value++) await sender.send({ value })
      })()
      for (let value = 0; value < 500; value++) expect(await receiver.receive()).toEqual({ value })
      await sending
    }
    expect(one.hub.stats.channels + two.hub.stats.channels).toBe(1)
  })

  test('holds up the sender on the other host when it is full, and never has more than its capacity', async () => {
    const [one, two] = await startNodes(2, server.url)
    if (one === undefined || two === undefined) throw new Error('no nodes')
    const receiver = isolateOf(one.channels, AT, { capacity: 3 }).channel
    const sender = isolateOf(two.channels, AT, { capacity: 3 }).channel
    expect(await endOf(receiver.receive({ signal: AbortSignal.timeout(50) }))).toHaveProperty('error')
    let sent = 0
    const sending = (async () => {
      for (let value = 0; value < 10; value++) {
        await sender.send(value)
        sent += 1
      }
    })()
    await expect.poll(() => sent, { timeout: 5000 }).toBe(3)
    expect(await sender.trySend('no')).toBe(false)
    expect(sent).toBe(3)
    expect(await receiver.receive()).toBe(0)
    await expect.poll(() => sent, { timeout: 5000 }).toBe(4)
    for (let value = 1; value < 10; value++) expect(await receiver.receive()).toBe(value)
    await sending
  })

  test('gives each value of a queue to one of the receivers on both, and of a broadcast to all', async () => {
    const nodes = await startNodes(2, server.url)
    const senders = nodes.map(({ channels }) => isolateOf(channels, AT, { capacity: 100 }).channel)
    const got: number[] = []
    const stop = new AbortController()
    const loops = nodes.map(async ({ channels }) => {
      const { channel } = isolateOf(channels, AT, { capacity: 100 })
      for await (const value of channel.values(stop)) got.push(value as number)
    })
    for (let value = 0; value < 50; value++) await senders[value % 2]?.send(value)
    await expect.poll(() => got.length, { timeout: 5000 }).toBe(50)
    expect([...got].sort((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, index) => index))
    stop.abort()
    await Promise.allSettled(loops)

    const news = nodes.map(
      ({ channels }) => isolateOf(channels, 'acme/news', { mode: 'broadcast' }).broadcast,
    )
    const heard = nodes.map(() => [] as unknown[])
    const listening = news.map(async (end, index) => {
      for await (const value of end) heard[index]?.push(value)
    })
    // A receiver is there from its first wait on: until both are, what is sent is a trial.
    await expect
      .poll(
        async () => {
          await news[0]?.send('are you there?')
          return heard.every((values) => values.length > 0)
        },
        { timeout: 5000 },
      )
      .toBe(true)
    await news[1]?.send('last')
    await news[1]?.close()
    await Promise.all(listening)
    for (const values of heard) expect(values.at(-1)).toBe('last')
  })

  test('closes for both, with its reason, after what stood in it', async () => {
    const [one, two] = await startNodes(2, server.url)
    if (one === undefined || two === undefined) throw new Error('no nodes')
    const here = isolateOf(one.channels, AT, { capacity: 5 }).channel
    const there = isolateOf(two.channels, AT, { capacity: 5 }).channel
    await here.send('a')
    await there.send('b')
    await there.close('enough')
    expect(await here.receive()).toBe('a')
    expect(await here.receive()).toBe('b')
    expect(await endOf(here.receive())).toMatchObject({
      error: 'VELA_CHANNEL_CLOSED',
      cause: 'enough',
    })
  })

  test('of two tenants are two channels, and other settings are refused across hosts', async () => {
    const [one, two] = await startNodes(2, server.url)
    if (one === undefined || two === undefined) throw new Error('no nodes')
    await isolateOf(one.channels, 'acme/jobs').channel.send('for acme')
    await isolateOf(two.channels, 'globex/jobs').channel.send('for globex')
    expect(await isolateOf(two.channels, 'acme/jobs').channel.receive()).toBe('for acme')
    expect(await isolateOf(one.channels, 'globex/jobs').channel.receive()).toBe('for globex')
    await isolateOf(one.channels, 'acme/five', { capacity: 5 }).channel.send(1)
    expect(await endOf(isolateOf(two.channels, 'acme/five', { capacity: 6 }).channel.send(2))).toMatchObject({
      error: 'VELA_CAPABILITY_BAD_CALL',
    })
  })
})

test('an end knows what the hub keeps for it, on the host that holds the channel and on another', async () => {
  for (const node of await startNodes(2, server.url)) {
    const ends = node.channels.ends({ hears: true, lost: false }, 'acme', 'large', { mode: 'queue' })
    // Leave for a value of half a megabyte.
    await new Promise((resolve) => ends.put(undefined, { want: 1, waits: true, need: 500_000 }, resolve))
    expect(ends.reservedBytes).toBeGreaterThan(500_000)
    ends.leaveAll()
  }
})

describe('when an end goes', () => {
  test('against its will on the other host, its side is told and what it had not taken goes on', async () => {
    const [one, two] = await startNodes(2, server.url)
    if (one === undefined || two === undefined) throw new Error('no nodes')
    const sender = isolateOf(one.channels, AT, { capacity: 1 })
    const lost = isolateOf(two.channels, AT, { capacity: 1 })
    await sender.channel.send('first')
    expect(await lost.channel.receive()).toBe('first')
    const waiting = endOf(lost.channel.receive())
    await sender.channel.send('second')
    expect(await waiting).toEqual({ value: 'second' })
    await sender.channel.send('third')
    const full = endOf(sender.channel.send('fourth'))
    lost.go(true)
    expect(await full).toMatchObject({ error: 'VELA_CHANNEL_LOST' })
    expect(await isolateOf(two.channels, AT, { capacity: 1 }).channel.receive()).toBe('third')
  })

  test('leave to send is not entrusted to an isolate at rest', async () => {
    const [one, two] = await startNodes(2, server.url)
    if (one === undefined || two === undefined) throw new Error('no nodes')
    const holder = isolateOf(one.channels, AT, { capacity: 1 }).channel
    await holder.send(1)
    const sender = isolateOf(two.channels, AT, { capacity: 1 })
    void endOf(sender.channel.send('never'))
    // Behind the send on its way to the host that holds the channel.
    expect(await isolateOf(two.channels, AT, { capacity: 1 }).channel.trySend('no')).toBe(false)
    sender.hears = false
    expect(await holder.receive()).toBe(1)
    await holder.send(2)
    expect(await holder.receive()).toBe(2)
  })

  test('values are not entrusted to an isolate at rest', async () => {
    const [one, two] = await startNodes(2, server.url)
    if (one === undefined || two === undefined) throw new Error('no nodes')
    const receiver = isolateOf(two.channels, 'acme/other', { capacity: 1 })
    const other = isolateOf(one.channels, 'acme/other', { capacity: 1 }).channel
    await other.send(0)
    expect(await other.receive()).toBe(0)
    void endOf(receiver.channel.receive())
    expect(await isolateOf(two.channels, 'acme/other', { capacity: 1 }).channel.trySend('first')).toBe(true)
    await expect.poll(() => one.hub.stats.bytes + two.hub.stats.bytes, { timeout: 5000 }).toBe(0)
    void endOf(receiver.channel.receive())
    await isolateOf(two.channels, 'acme/behind').channel.trySend('it')
    receiver.hears = false
    await other.send('for who hears')
    expect(await other.receive()).toBe('for who hears')
  })
})
