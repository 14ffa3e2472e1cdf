/** Channels between hosts when a host, NATS or what lies between them goes. */
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { isolateOf } from '../channels/support.ts'
import { startNats, type NatsServer } from '../nats/server.ts'
import { createCable } from './cable.ts'
import { AT, endOf, freshPrefix, startNode, startNodes } from './channel-nodes.ts'

let server: NatsServer
beforeAll(async () => {
  server = await startNats()
})
afterAll(() => server.stop())

describe('when a host goes', () => {
  test('that holds the channel, who waits is told, and the channel begins anew elsewhere', async () => {
    const [holder, other, third] = await startNodes(3, server.url)
    if (holder === undefined || other === undefined || third === undefined) throw new Error('no nodes')
    await isolateOf(holder.channels, AT).channel.send('stays there')
    const receiver = isolateOf(other.channels, AT).channel
    expect(await receiver.receive()).toBe('stays there')
    const waiting = endOf(receiver.receive())
    await holder.die()
    expect(await waiting).toMatchObject({ error: 'VELA_CHANNEL_LOST' })
    await expect
      .poll(() => endOf(isolateOf(third.channels, AT).channel.send('new')), { timeout: 10_000 })
      .toMatchObject({ value: undefined })
    expect(await receiver.receive()).toBe('new')
  })

  test('that had values handed to it, those are gone and the room is free', async () => {
    const [holder, other] = await startNodes(2, server.url)
    if (holder === undefined || other === undefined) throw new Error('no nodes')
    const sender = isolateOf(holder.channels, AT, { capacity: 2 }).channel
    await sender.send(1)
    const far = isolateOf(other.channels, AT, { capacity: 2 }).channel
    expect(await far.receive()).toBe(1)
    await other.die()
    await expect.poll(() => holder.hub.stats.bytes, { timeout: 10_000 }).toBe(0)
    for (const value of [2, 3]) await sender.send(value)
    const again = isolateOf(holder.channels, AT, { capacity: 2 }).channel
    expect([await again.receive(), await again.receive()]).toEqual([2, 3])
  })

  test('a restart of NATS tells who waits across hosts, and channels go on within and between hosts', async () => {
    const own = await startNats()
    onTestFinished(() => own.stop())
    const [one, two] = await startNodes(2, own.url)
    if (one === undefined || two === undefined) throw new Error('no nodes')
    const here = isolateOf(one.channels, AT).channel
    await here.send('before')
    const far = isolateOf(two.channels, AT).channel
    expect(await far.receive()).toBe('before')
    const waiting = endOf(far.receive())
    await own.kill()
    expect(await waiting).toMatchObject({ error: 'VELA_CHANNEL_LOST' })
    await here.send('meanwhile')
    expect(await here.receive()).toBe('meanwhile')
    await own.restart()
    await expect
      .poll(
        async () => {
          await here.send('after').catch(() => undefined)
          return await endOf(far.receive({ signal: AbortSignal.timeout(500) }))
        },
        { timeout: 20_000 },
      )
      .toMatchObject({ value: 'after' })
  })

  test('a host that was cut off finds that another holds its channel, and meets the others there', async () => {
    const cable = await createCable(server.port)
    onTestFinished(() => cable.close())
    const prefix = freshPrefix()
    const one = await startNode(prefix, cable.url)
    const two = await startNode(prefix, server.url)
    await expect.poll(() => one.sees(2) && two.sees(2), { timeout: 10_000 }).toBe(true)
    const cutOff = isolateOf(one.channels, AT).channel
    await cutOff.send('of before')
    cable.cut()
    await expect.poll(() => two.sees(1), { timeout: 10_000 }).toBe(true)
    const other = isolateOf(two.channels, AT).channel
    await other.send('of the others')
    // Within the host that is cut off it goes on.
    await cutOff.send('alone')
    expect(await cutOff.receive()).toBe('of before')
    cable.mend()
    await expect.poll(() => one.sees(2) && two.sees(2), { timeout: 20_000 }).toBe(true)
    await expect.poll(() => one.hub.stats.channels, { timeout: 10_000 }).toBe(0)
    expect(await cutOff.receive()).toBe('of the others')
  })
})
