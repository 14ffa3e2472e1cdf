/** The hub by itself, with ends that behave like isolates: the bound, order, shares, and what becomes of ends that go. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createChannelHub, type ChannelHub } from '../../host/concurrency/channels/hub.ts'
import { isolateOf, outcomeOf, settled } from './support.ts'

const range = (count: number): number[] => Array.from({ length: count }, (_, index) => index)

/** A hub that checks the bound of a channel after everything it does. */
function watched(at: string, capacity: number): { hub: ChannelHub; most: () => number } {
  let most = 0
  const [tenant = '', name = ''] = at.split('/')
  const hub: ChannelHub = createChannelHub({
    defer: (work) =>
      queueMicrotask(() => {
        check()
        work()
        check()
      }),
  })
  const channel = hub.channel(tenant, name, { mode: 'queue', capacity })
  const check = (): void => {
    if (channel.load > most) most = channel.load
  }
  return { hub, most: () => most }
}

describe('the bound', () => {
  test('holds at every moment, each sender’s order is kept, and nothing is lost or doubled, however ends come, give up and go', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 12 }),
        fc.array(fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 40 }), { minLength: 1, maxLength: 4 }),
        fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength: 60 }),
        async (capacity, producers, consumers) => {
          const { hub, most } = watched('acme/jobs', capacity)
          const settings = { capacity }
          const sent: string[] = []
          const got: string[] = []
          const { promise: lastIsThere, resolve: lastReceives } = Promise.withResolvers<void>()
          const sending = producers.map(async (pauses, producer) => {
            const { channel } = isolateOf(hub, 'acme/jobs', settings)
            for (const [index, pause] of pauses.entries()) {
              for (let turn = 0; turn < pause; turn++) await new Promise((resolve) => setImmediate(resolve))
              // Refused because a receiver was lost: then it is not in the channel.
              const isLost = (error: { code?: unknown }): boolean => error.code === 'VELA_CHANNEL_LOST'
              while (await channel.send(`${producer}:${index}`).catch(isLost)) continue
              sent.push(`${producer}:${index}`)
            }
          })
          // Receivers one after the other take some, give up in the middle, and rest or are lost.
          const receiving = (async () => {
            for (const style of consumers) {
              const isolate = isolateOf(hub, 'acme/jobs', settings)
              const turn = isolate.turn()
              for (let count = 0; count < style; count++) {
                const next = turn.channel.receive()
                const value = await Promise.race([next, settled().then(() => undefined)])
                if (value === undefined) {
                  next.catch(() => undefined)
                  turn.end()
                  break
                }
                got.push(value as string)
              }
              await settled()
              isolate.go(style % 2 === 0)
            }
            const last = isolateOf(hub, 'acme/jobs', settings)
            const rest = Array.fromAsync(last.channel)
            lastReceives()
            got.push(...((await rest) as string[]))
          })()
          await Promise.all([...sending, lastIsThere])
          await isolateOf(hub, 'acme/jobs', settings).channel.close()
          await receiving
          expect(most()).toBeLessThanOrEqual(capacity)
          expect(new Set(got).size).toBe(got.length)
          expect([...got].sort()).toEqual([...sent].sort())
          for (const producer of producers.keys()) {
            const own = got.filter((value) => value.startsWith(`${producer}:`))
            expect(own).toEqual(producers[producer]?.map((_, index) => `${producer}:${index}`))
          }
          expect(hub.stats).toMatchObject({ channels: 0, bytes: 0 })
        },
      ),
      { numRuns: 100 },
    )
  })

  test('makes a sender wait, a try say no, and the next take let the sender go on', async () => {
    const hub = createChannelHub()
    const { channel } = isolateOf(hub, 'acme/jobs', { capacity: 2 })
    await channel.send(1)
    expect(await channel.trySend(2)).toBe(true)
    const third = channel.send(3)
    expect(await channel.trySend(4)).toBe(false)
    expect(await outcomeOf(third)).toBe('waits')
    const receiver = isolateOf(hub, 'acme/jobs', { capacity: 2 })
    expect(await receiver.channel.receive()).toBe(1)
    expect(await outcomeOf(third)).toEqual({ value: undefined })
    expect([await receiver.channel.receive(), await receiver.channel.receive()]).toEqual([2, 3])
  })

  test('is shared evenly by senders that are at it at the same time', async () => {
    const hub = createChannelHub()
    const settings = { capacity: 20 }
    const counts = [0, 0, 0, 0]
    const isolates = counts.map(() => isolateOf(hub, 'acme/jobs', settings))
    for (const [index, { channel }] of isolates.entries()) {
      void (async () => {
        for (;;) {
          await channel.send(index)
          counts[index] = (counts[index] as number) + 1
        }
      })()
    }
    const receiver = isolateOf(hub, 'acme/jobs', settings)
    for (let taken = 0; taken < 4_000; taken++) await receiver.channel.receive()
    for (const isolate of [...isolates, receiver]) isolate.go(false)
    expect(Math.min(...counts)).toBeGreaterThan(700)
  })

  test('of bytes is the tenant’s over all its channels, and who waits for it goes on as soon as there is room', async () => {
    const hub = createChannelHub({ bytesOfTenant: 2_000_000 })
    const one = isolateOf(hub, 'acme/one')
    const two = isolateOf(hub, 'acme/two')
    const value = 'x'.repeat(30_000)
    let sent = 0
    const sending = (async () => {
      for (; sent < 100; sent++) await one.channel.send(value)
    })()
    await settled()
    const before = sent
    expect(before).toBeGreaterThan(30)
    expect(before).toBeLessThan(70)
    expect(hub.stats.bytes).toBeLessThanOrEqual(2_000_000)
    const other = two.channel.send(value.repeat(12))
    expect(await outcomeOf(other)).toBe('waits')
    const receiver = isolateOf(hub, 'acme/one')
    for (let taken = 0; taken < 100; taken++) expect(await receiver.channel.receive()).toBe(value)
    await Promise.all([sending, other])
    await isolateOf(hub, 'globex/one').channel.send(value)
    expect(await isolateOf(hub, 'acme/two').channel.receive()).toHaveLength(value.length * 12)
  })

  test('of a value is 1 MiB of its bytes', async () => {
    const hub = createChannelHub()
    const { channel } = isolateOf(hub, 'acme/jobs')
    const largest = 'ü'.repeat(524_287)
    await channel.send(largest)
    await expect(channel.send(largest + 'x')).rejects.toThrow('at most 1048576 bytes')
    expect(await isolateOf(hub, 'acme/jobs').channel.receive()).toBe(largest)
  })

  test('of channels is the tenant’s', async () => {
    const hub = createChannelHub({ channelsOfTenant: 3 })
    for (const index of range(3)) await isolateOf(hub, `acme/c${index}`).channel.send(1)
    const fourth = isolateOf(hub, 'acme/c3')
    await expect(fourth.channel.send(1)).rejects.toMatchObject({ code: 'VELA_TENANT_QUOTA_EXCEEDED' })
    await isolateOf(hub, 'globex/c3').channel.send(1)
    const receiver = isolateOf(hub, 'acme/c1')
    await receiver.channel.receive()
  })
})

describe('an end that goes', () => {
  test('gives what it was handed and did not take to the next receiver, in its place', async () => {
    const hub = createChannelHub()
    const sender = isolateOf(hub, 'acme/jobs')
    for (const value of range(6)) await sender.channel.send(value)
    const first = isolateOf(hub, 'acme/jobs')
    const got = [await first.channel.receive(), await first.channel.receive(), await first.channel.receive()]
    const greedy = isolateOf(hub, 'acme/jobs')
    // Handed, and lost with the isolate before the entry that got it could end.
    hub.channel('acme', 'jobs', { mode: 'queue' })
    greedy.channel.receive().catch(() => undefined)
    greedy.go(true)
    const second = isolateOf(hub, 'acme/jobs')
    for (let count = 0; count < 3; count++) got.push(await second.channel.receive())
    expect(got).toEqual(range(6))
  })

  test('is told to who then waits for nobody, once, if it was lost, and not if it was given up', async () => {
    for (const lost of [true, false]) {
      const hub = createChannelHub()
      const sender = isolateOf(hub, 'acme/jobs', { capacity: 1 })
      const receiver = isolateOf(hub, 'acme/jobs', { capacity: 1 })
      await sender.channel.send(1)
      await receiver.channel.receive()
      const waiting = receiver.channel.receive()
      await settled()
      sender.go(lost)
      expect(await outcomeOf(waiting)).toEqual(lost ? { error: 'VELA_CHANNEL_LOST' } : 'waits')
      if (!lost) continue
      const again = receiver.channel.receive()
      expect(await outcomeOf(again)).toBe('waits')
      await isolateOf(hub, 'acme/jobs', { capacity: 1 }).channel.send(2)
      expect(await again).toBe(2)
    }
  })

  test('that received is told to a sender that waits for room, while values that have their place stay', async () => {
    const hub = createChannelHub()
    const sender = isolateOf(hub, 'acme/jobs', { capacity: 2 })
    const receiver = isolateOf(hub, 'acme/jobs', { capacity: 2 })
    await sender.channel.send(0)
    await receiver.channel.receive()
    await sender.channel.send(1)
    await sender.channel.send(2)
    const waiting = sender.channel.send(3)
    await settled()
    receiver.go(true)
    expect(await outcomeOf(waiting)).toEqual({ error: 'VELA_CHANNEL_LOST' })
    const next = isolateOf(hub, 'acme/jobs', { capacity: 2 })
    expect([await next.channel.receive(), await next.channel.receive()]).toEqual([1, 2])
  })

  test('is not missed while there is another beside it', async () => {
    const hub = createChannelHub()
    const [one, two, receiver] = [0, 1, 2].map(() => isolateOf(hub, 'acme/jobs'))
    await one?.channel.send(1)
    await two?.channel.send(2)
    for (let count = 0; count < 2; count++) await receiver?.channel.receive()
    const waiting = receiver?.channel.receive() as Promise<unknown>
    await settled()
    one?.go(true)
    expect(await outcomeOf(waiting)).toBe('waits')
  })

  test('gives back the leave it had', async () => {
    const hub = createChannelHub()
    const channel = hub.channel('acme', 'jobs', { mode: 'queue', capacity: 8 })
    const end = channel.joinSender({ hears: true, lost: true })
    const answer = await new Promise<{ credit: number }>((resolve) =>
      channel.put(end, undefined, { want: 8, waits: true, need: 1 }, resolve),
    )
    expect([answer.credit, channel.load]).toEqual([4, 4])
    channel.leaveSender(end)
    expect([channel.load, hub.stats.bytes]).toEqual([0, 0])
  })

  test('that rests is entrusted with nothing: values wait for it, or go to another', async () => {
    const hub = createChannelHub()
    const resting = isolateOf(hub, 'acme/jobs')
    resting.hears = false
    const channel = hub.channel('acme', 'jobs', { mode: 'queue' })
    const taker = channel.joinTaker({ hears: false, lost: false })
    const answer = new Promise((resolve) => channel.take(taker, 0, 1, false, resolve))
    await isolateOf(hub, 'acme/jobs').channel.send(1)
    expect(await answer).toMatchObject({ chunk: undefined, state: 0 })
    expect(await isolateOf(hub, 'acme/jobs').channel.receive()).toBe(1)
  })
})

describe('names', () => {
  test('that are equal in two tenants never meet', async () => {
    const hub = createChannelHub()
    const places = ['acme/jobs', 'globex/jobs', 'acme/acme', 'jobs/acme']
    for (const at of places) await isolateOf(hub, at).channel.send(at)
    for (const at of places) {
      const { channel } = isolateOf(hub, at)
      expect(await channel.receive()).toBe(at)
      expect(await outcomeOf(channel.receive())).toBe('waits')
    }
  })

  test.each(['', '..', 'a/b', 'A', '__proto__', 'a'.repeat(64), 'a.b', '*'])('like %j are none', (name) => {
    const hub = createChannelHub()
    expect(() => hub.channel('acme', name, { mode: 'queue' })).toThrow(/is not a channel name/)
  })

  test('that are there with other settings are refused, with what differs', () => {
    const hub = createChannelHub()
    const opened = hub.channel('acme', 'jobs', { mode: 'queue', capacity: 5 })
    expect(hub.channel('acme', 'jobs', { mode: 'queue' })).toBe(opened)
    for (const settings of [{ mode: 'queue', capacity: 6 }, { mode: 'broadcast' }] as const)
      expect(() => hub.channel('acme', 'jobs', settings)).toThrow(/is there with "/)
  })
})
