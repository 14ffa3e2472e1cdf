/** What channels promise when a cell is killed, a receiver is slow, or a guest says nonsense. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createChannelsKind } from '../../host/capabilities/channels.ts'
import { createHome } from '../../host/cells/home.ts'
import { createChannelHub, type ChannelHub } from '../../host/concurrency/channels/hub.ts'
import type { Capability, CapabilityResult } from '../../host/capabilities/capability.ts'
import type { JsonValue } from '../../host/registry/types.ts'
import { startHost, type Host } from '../capabilities/support.ts'
import { cellPidsOf } from '../e2e/support.ts'
import { describeEngines } from '../engines.ts'
import { callOf } from '../kv/support.ts'
import { isolateOf, outcomeOf, settled } from './support.ts'

const GUEST = `
export default { async fetch(request, env) {
  const url = new URL(request.url)
  const count = Number(url.searchParams.get('count') ?? 1)
  const text = 'x'.repeat(Number(url.searchParams.get('size') ?? 10))
  if (url.pathname === '/send') { for (let i = 0; i < count; i++) await env.JOBS.send(text + i); return new Response('sent') }
  const got = []
  for (let i = 0; i < count; i++) {
    got.push(await env.JOBS.receive())
    if (url.pathname === '/slowly') await new Promise((resolve) => setTimeout(resolve, 1))
  }
  return Response.json(got)
} }`

let host: Host
beforeAll(async () => {
  host = await startHost({ cells: { spares: 0 } })
})
afterAll(() => host.runtime.stop())

const killCells = (): void => {
  for (const pid of cellPidsOf(process.pid)) process.kill(pid, 'SIGKILL')
}
const turn = async (): Promise<void> => {
  await new Promise<void>((resolve) => {
    setImmediate(resolve)
  })
}

describeEngines('a cell that is killed', (engine) => {
  const service = `k-${engine}/worker`
  beforeAll(async () => {
    await host.deploy(service, GUEST, {
      engine,
      limits: { wallMs: 20_000 },
      capabilities: { channels: { JOBS: { channel: 'jobs', capacity: 4 } } },
    })
  })

  test('while it received: the sender is told, and nothing it was not at work on is lost or comes twice', async () => {
    const jobs = host.runtime.channel(`k-${engine}`, 'jobs', { capacity: 4 })
    const receiving = fetch(`${host.gateway}/${service}/slowly?count=100000`)
    let sent = 0
    let isKilled = false
    const sending = (async () => {
      for (;;) {
        await jobs.send(sent)
        sent++
        if (sent === 50) {
          killCells()
          isKilled = true
        }
      }
    })()
    await expect(sending).rejects.toMatchObject({ code: 'VELA_CHANNEL_LOST' })
    expect(isKilled).toBe(true)
    expect((await receiving).status).toBe(502)
    const rest = (await (await fetch(`${host.gateway}/${service}/receive?count=4`)).json()) as number[]
    // The channel was full: these stood in it, and the value that was refused is not among them.
    expect(rest).toEqual([sent - 4, sent - 3, sent - 2, sent - 1])
    expect(await jobs.trySend('next')).toBe(true)
    expect(await jobs.receive()).toBe('next')
  })

  test('while it sent: the receiver is told, once, and hears whoever sends next', async () => {
    const jobs = host.runtime.channel<string>(`k-${engine}`, 'jobs', { capacity: 4 })
    const sending = fetch(`${host.gateway}/${service}/send?count=100000000`)
    for (let count = 0; count < 20; count++) expect(await jobs.receive()).toBe(`${'x'.repeat(10)}${count}`)
    killCells()
    const error = await (async () => {
      for (let count = 20; ; count++) expect(await jobs.receive()).toBe(`${'x'.repeat(10)}${count}`)
    })().catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'VELA_CHANNEL_LOST' })
    expect((await sending).status).toBe(502)
    const next = jobs.receive()
    expect((await fetch(`${host.gateway}/${service}/send`)).status).toBe(200)
    expect(await next).toBe('xxxxxxxxxx0')
  })
})

describe('a slow receiver', () => {
  test('slows its sender, and neither host nor guest hold more for it than the channel has room for', async () => {
    await host.deploy('slow/sender', GUEST, {
      limits: { memoryMb: 32, wallMs: 60_000 },
      capabilities: { channels: { JOBS: { channel: 'jobs', capacity: 100 } } },
    })
    const jobs = host.runtime.channel<string>('slow', 'jobs', { capacity: 100 })
    const sending = fetch(`${host.gateway}/slow/sender/send?count=12000&size=10000`)
    const held: number[] = []
    for (let count = 0; count < 12_000; count++) {
      const value = await jobs.receive()
      if (count % 100 !== 0) continue
      expect(value).toHaveLength(10_000 + String(count).length)
      await turn()
      if (count % 1_000 === 0) held.push(process.memoryUsage().arrayBuffers)
    }
    expect(await (await sending).text()).toBe('sent')
    // 120 MB went through; what stands in the channel is 1 MB, and the collector is late with the rest.
    expect(Math.max(...held) - Math.min(...held)).toBeLessThan(60_000_000)
  })
})

describe('a guest that is not honest', () => {
  const place = { tenant: 'acme', service: 'shop', version: '0' }
  const open = (hub: ChannelHub, asked: JsonValue = { JOBS: { channel: 'jobs', capacity: 4 } }): Guest => {
    const kind = createChannelsKind(hub)
    const [binding] = kind.parse(asked)
    if (binding === undefined) throw new Error('no binding')
    const capability = kind.open(binding.options, place)
    const keeper = createHome({
      queueLength: 1,
      wake: () => undefined,
      turns: () => 1,
      hears: () => true,
    })
    const go = (): void => keeper.close(true)
    return {
      capability,
      go,
      call: async (method, args, body) =>
        await capability.call({
          ...callOf(method, args, body === undefined ? undefined : Buffer.from(body)),
          origin: keeper.home,
        }),
    }
  }
  interface Guest {
    readonly capability: Capability
    call(method: string, args: JsonValue[], body?: string): Promise<CapabilityResult>
    go(): void
  }

  test.each([
    ['put', ['many', 0, 0]],
    ['put', [-1, 0, 0]],
    ['put', [1.5, 0, 0]],
    ['put', [0, 0, null]],
    ['take', [0, {}, 1, 0]],
    ['take', [0, 0, -5, 0]],
    ['take', []],
    ['leave', ['x']],
    ['close', [7]],
    ['close', ['x'.repeat(5_000)]],
    ['toString', []],
  ] as [string, JsonValue[]][])('that says %s %j is refused', async (method, args) => {
    await expect(open(createChannelHub()).call(method, args)).rejects.toMatchObject({
      code: expect.stringMatching(/^VELA_(CAPABILITY_BAD_CALL|METHOD_NOT_FOUND)$/),
    })
  })

  test('gets no more in than there is room for, whatever it says it may', async () => {
    const hub = createChannelHub()
    const guest = open(hub)
    const body = Array.from({ length: 50 }, (_, index) => `${index}`).join('\n')
    expect((await guest.call('put', [4_096, 0, 0], body)).value).toEqual([4, 0, 0, 0, ''])
    const again = guest.call('put', [4_096, 1, 0], body)
    expect(await outcomeOf(again)).toBe('waits')
    const { channel } = isolateOf(hub, 'acme/jobs', { capacity: 4 })
    for (let index = 0; index < 4; index++) expect(await channel.receive()).toBe(index)
    await again
  })

  test('cannot say that it took more than it was handed, nor take for another', async () => {
    const hub = createChannelHub()
    const { channel } = isolateOf(hub, 'acme/jobs', { capacity: 4 })
    for (let index = 0; index < 4; index++) await channel.send(index)
    const [one, two] = [open(hub), open(hub)]
    expect((await one.call('take', [0, 4_000, 1, 0])).body).toEqual(Buffer.from('0'))
    await two.call('take', [0, 4_000, 0, 0])
    await one.call('take', [0, 4_000, 0, 0])
    for (let index = 1; index < 4; index++) expect(await channel.receive()).toBe(index)
  })

  test.each([
    ['send', 'take', [0, 0, 1, 0]],
    ['receive', 'put', [0, 0, 0]],
  ] as const)(
    'with an end that may only %s cannot %s, whatever its own half says',
    async (access, method, args) => {
      const guest = open(createChannelHub(), { JOBS: { channel: 'jobs', access } })
      await expect(guest.call(method, [...args], '1')).rejects.toMatchObject({
        code: 'VELA_CAPABILITY_DENIED',
      })
    },
  )

  test('that asks twice at once gets one answer to each', async () => {
    const guest = open(createChannelHub())
    const [first, second] = [guest.call('take', [0, 0, 1, 0]), guest.call('take', [0, 0, 1, 0])]
    expect(await outcomeOf(first)).toEqual({ value: { value: [0, ''], body: undefined } })
    expect(await outcomeOf(second)).toBe('waits')
    guest.capability.close()
    expect(await outcomeOf(second)).toEqual({ error: 'VELA_CAPABILITY_REVOKED' })
  })

  test('that sends what is no encoded value harms one receive, and nothing behind it', async () => {
    const hub = createChannelHub()
    const guest = open(hub)
    await guest.call('put', [0, 0, 0], '$["nonsense"\n{"__proto__":1}\n"fine"')
    const { channel } = isolateOf(hub, 'acme/jobs', { capacity: 4 })
    await expect(channel.receive()).rejects.toMatchObject({ code: 'VELA_VALUE_NOT_CLONEABLE' })
    expect(JSON.stringify(await channel.receive())).toBe('{"__proto__":1}')
    expect(await channel.receive()).toBe('fine')
  })

  test('that opens more receivers than it may is refused, and they all go with its isolate', async () => {
    const hub = createChannelHub()
    const guest = open(hub, { NEWS: { channel: 'news', mode: 'broadcast' } })
    for (let id = 1; id <= 1_000; id++) await guest.call('take', [id, 0, 0, 1])
    await expect(guest.call('take', [1_001, 0, 0, 1])).rejects.toMatchObject({
      code: 'VELA_TENANT_QUOTA_EXCEEDED',
    })
    guest.go()
    await settled()
    expect(hub.stats).toEqual({ channels: 0, bytes: 0, dropped: 0 })
  })
})
