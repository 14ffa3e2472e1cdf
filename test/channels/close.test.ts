/** Closing a channel of the hub: who hears of it, and when its name is free again. */
import { describe, expect, test } from 'vitest'
import { createChannelHub } from '../../host/concurrency/channels/hub.ts'
import { isolateOf, outcomeOf, settled } from './support.ts'

describe('a close', () => {
  test('lets receivers have what stands there, then ends their loops; its name is free when one has been told', async () => {
    const hub = createChannelHub()
    const sender = isolateOf(hub, 'acme/jobs')
    for (const value of [1, 2, 3]) await sender.channel.send(value)
    await sender.channel.close('done')
    expect(await outcomeOf(isolateOf(hub, 'acme/jobs').channel.send(4))).toEqual({
      error: 'VELA_CHANNEL_CLOSED',
    })
    const receiver = isolateOf(hub, 'acme/jobs')
    expect(await Array.fromAsync(receiver.channel)).toEqual([1, 2, 3])
    await sender.channel.send(5)
    expect(await receiver.channel.receive()).toBe(5)
  })

  test('reaches a receiver that comes later, even if nothing was ever sent', async () => {
    const hub = createChannelHub()
    await isolateOf(hub, 'acme/jobs').channel.close(new RangeError('no work'))
    const late = isolateOf(hub, 'acme/jobs')
    const error = await late.channel.receive().catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'VELA_CHANNEL_CLOSED', message: 'The channel is closed: no work' })
    expect((error as Error).cause).toBeInstanceOf(RangeError)
  })

  test('with an error makes loops throw, and refuses who waits to send', async () => {
    const hub = createChannelHub()
    const sender = isolateOf(hub, 'acme/jobs', { capacity: 1 })
    await sender.channel.send(1)
    const waiting = sender.channel.send(2)
    await settled()
    await isolateOf(hub, 'acme/jobs', { capacity: 1 }).channel.close(new Error('out of order'))
    expect(await outcomeOf(waiting)).toEqual({ error: 'VELA_CHANNEL_CLOSED' })
    const receiver = isolateOf(hub, 'acme/jobs', { capacity: 1 })
    const got: unknown[] = []
    const loop = (async () => {
      for await (const value of receiver.channel) got.push(value)
    })()
    expect(await outcomeOf(loop)).toEqual({ error: 'VELA_CHANNEL_CLOSED' })
    expect(got).toEqual([1])
  })

  test('ends every loop over the channel, also one that is busy when the others hear of it', async () => {
    const hub = createChannelHub()
    const sender = isolateOf(hub, 'acme/jobs')
    const busy = Promise.withResolvers<void>()
    const [one, two] = [isolateOf(hub, 'acme/jobs'), isolateOf(hub, 'acme/jobs')]
    const first = (async () => {
      for await (const value of one.channel) if (value === 'slow') await busy.promise
    })()
    await settled()
    await sender.channel.send('slow')
    await settled()
    const second = Array.fromAsync(two.channel)
    await sender.channel.close()
    expect(await outcomeOf(second)).toEqual({ value: [] })
    busy.resolve()
    expect(await outcomeOf(first)).toEqual({ value: undefined })
  })

  test('of a tenant that is deleted ends everything it has', async () => {
    const hub = createChannelHub()
    await isolateOf(hub, 'acme/jobs').channel.send('x'.repeat(1000))
    const waiting = isolateOf(hub, 'acme/other').channel.receive()
    await settled()
    await hub.deleteTenant('acme')
    expect(await outcomeOf(waiting)).toEqual({ error: 'VELA_CHANNEL_CLOSED' })
    expect(hub.stats).toMatchObject({ channels: 0, bytes: 0 })
    expect(await outcomeOf(isolateOf(hub, 'acme/jobs').channel.receive())).toBe('waits')
  })
})
