/** Ends that are used wrongly or by somebody hostile: no value goes astray by it, and nothing of it stays in the host. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, test } from 'vitest'
import { createChannelCalls } from '../../host/capabilities/channel-calls.ts'
import type { Capability, CapabilityCall } from '../../host/capabilities/capability.ts'
import { createHome, type HomeKeeper } from '../../host/cells/home.ts'
import { hostChannels } from '../../host/concurrency/channels/host-channel.ts'
import { createChannelHub, type ChannelHub } from '../../host/concurrency/channels/hub.ts'
import { broadcast, channel, select } from '../../host/index.ts'
import { isolateOf, outcomeOf, settled } from './support.ts'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

type Options = Parameters<typeof createChannelCalls>[1]
const OPTIONS: Options = { channel: 'jobs', capacity: 10, access: 'both', mode: 'queue', slow: null }

interface Guest {
  readonly capability: Capability
  readonly keeper: HomeKeeper
  call(method: string, args: CapabilityCall['args'], more?: Partial<CapabilityCall>): CapabilityCall
  run(call: CapabilityCall): Promise<unknown>
}

/** An isolate that says what a test wants, to the host's half of the capability. */
function guestOf(hub: ChannelHub, options: Partial<Options> = {}): Guest {
  const keeper = createHome({
    queueLength: 1,
    wake: () => undefined,
    turns: () => 0,
    hears: () => true,
  })
  const place = { tenant: 'acme', service: 'shop', version: '1' }
  const capability = createChannelCalls(hub, { ...OPTIONS, ...options }, place)
  return {
    capability,
    keeper,
    call: (method, args, more = {}) => ({
      origin: keeper.home,
      method,
      args,
      body: undefined,
      requestId: '',
      deadlineMs: Infinity,
      depth: 0,
      signal: new AbortController().signal,
      ...more,
    }),
    run: async (call) => await capability.call(call),
  }
}

/** A body of which the last part comes when the test says so. */
function heldBody(): { readonly body: AsyncIterable<Buffer>; finish(): void } {
  const { promise, resolve } = Promise.withResolvers<void>()
  async function* parts(): AsyncGenerator<Buffer> {
    yield Buffer.from('1')
    await promise
    yield Buffer.from('2')
  }
  return { body: parts(), finish: resolve }
}

const notASignal = { signal: new AbortController() } as never

describe('what is no signal', () => {
  test('is refused by receive and send without leaving somebody behind who takes or sends', async () => {
    const jobs = channel<number>({ capacity: 1 })
    await expect(jobs.receive(notASignal)).rejects.toThrow(TypeError)
    await jobs.send(1)
    await expect(jobs.send(2, notASignal)).rejects.toThrow(TypeError)
    expect(await jobs.receive()).toBe(1)
    expect(jobs.size).toBe(0)
  })

  test('is refused between isolates in the same way', async () => {
    const { channel: jobs } = isolateOf(createChannelHub(), 'acme/jobs')
    await expect(jobs.receive(notASignal)).rejects.toThrow(TypeError)
    await jobs.send(1)
    expect(await outcomeOf(jobs.receive())).toEqual({ value: 1 })
  })
})

test('a signal that throws when nobody listens any more takes no value and no waiting with it', async () => {
  const signal = {
    aborted: false,
    reason: undefined,
    addEventListener: () => undefined,
    removeEventListener: () => {
      throw new Error('no')
    },
  } as unknown as AbortSignal
  const { channel: jobs, turn } = isolateOf(createChannelHub(), 'acme/jobs')
  const waiting = jobs.receive({ signal })
  await jobs.send(1)
  expect(await outcomeOf(waiting)).toEqual({ value: 1 })
  const { channel: face, end } = turn()
  const [first, second] = [face.receive({ signal }), face.receive()]
  end()
  const outcomes = await Promise.allSettled([first, second])
  expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
})

describe('a broadcast', () => {
  test('whose receiver is selected from goes on when that receiver has been full', async () => {
    const news = broadcast<number>({ capacity: 1 })
    const receiver = news.receiver()
    const got: number[] = []
    for (let value = 1; value <= 3; value++) {
      const next = select({ receiver })
      expect(await outcomeOf(news.send(value))).toEqual({ value: undefined })
      got.push((await next).value)
    }
    expect(got).toEqual([1, 2, 3])
  })
})

describe('a reason that is no encoded value', () => {
  test('reaches the host’s receivers and senders as a close without a reason', async () => {
    for (const method of ['receive', 'send'] as const) {
      const hub = createChannelHub()
      const jobs = hostChannels(hub)<number>('acme', 'jobs', { capacity: 1 })
      const guest = guestOf(hub, { capacity: 1 })
      if (method === 'send') await jobs.send(1)
      const waiting = method === 'send' ? jobs.send(2) : jobs.receive()
      await settled()
      await guest.run(guest.call('close', ['{nonsense']))
      await expect(waiting).rejects.toMatchObject({ code: 'VELA_CHANNEL_CLOSED' })
    }
  })
})

describe('a call of a guest', () => {
  test('that is refused is forgotten', async () => {
    const hub = createChannelHub()
    await isolateOf(hub, 'acme/jobs', { capacity: 5 }).channel.send(1)
    const guest = guestOf(hub)
    const refused = async (): Promise<WeakRef<object>> => {
      const call = guest.call('put', [1, 0, 0])
      const error = await guest.run(call).catch((thrown: unknown) => (thrown as { code?: unknown }).code)
      expect(error).toBe('VELA_CAPABILITY_BAD_CALL')
      return new WeakRef(call)
    }
    const call = await refused()
    await settled()
    collectGarbage()
    expect(call.deref()).toBe(undefined)
    guest.capability.close()
  })

  test('whose body ends after its grant or its isolate joins nothing any more', async () => {
    for (const end of ['close', 'go'] as const) {
      const hub = createChannelHub()
      const guest = guestOf(hub)
      const { body, finish } = heldBody()
      const putting = guest.run(guest.call('put', [0, 0, 0], { body }))
      await settled()
      if (end === 'close') guest.capability.close()
      else guest.keeper.close(false)
      finish()
      await expect(putting).rejects.toMatchObject({
        code: end === 'close' ? 'VELA_CAPABILITY_REVOKED' : 'VELA_CELL_LOST',
      })
      expect(hub.stats).toMatchObject({ channels: 0, bytes: 0 })
    }
  })

  test('that gives up on a channel whose name has another one by now ends quietly', async () => {
    const hub = createChannelHub()
    const news: Partial<Options> = { mode: 'broadcast' }
    const sender = guestOf(hub, news)
    await sender.run(sender.call('put', [1, 0, 0]))
    const receiver = guestOf(hub, news)
    const stop = new AbortController()
    void receiver.run(receiver.call('take', [1, 0, 1, 0], { signal: stop.signal }))
    await settled()
    const other = guestOf(hub, news)
    await other.run(other.call('close', ['']))
    await settled()
    const successor = guestOf(hub, { ...news, capacity: 7 })
    await successor.run(successor.call('put', [0, 0, 0]))
    const thrown: unknown[] = []
    const onThrown = (error: unknown): void => void thrown.push(error)
    const others = process.listeners('uncaughtException')
    process.removeAllListeners('uncaughtException')
    process.on('uncaughtException', onThrown)
    try {
      stop.abort()
      await settled()
    } finally {
      process.off('uncaughtException', onThrown)
      for (const listener of others) process.on('uncaughtException', listener)
    }
    expect(thrown).toEqual([])
  })
})
