/** Requests between nodes over real NATS. */
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { GuestFacingError } from '../../host/capabilities/capability.ts'
import { VelaError } from '../../host/core/errors.ts'
import { createPeers, type Peers } from '../../host/cluster/peers/peers.ts'
import { createAssembler, decodeMessage, encodeMessage } from '../../host/cluster/peers/wire.ts'
import { codeOf, eventually } from '../actors/host-support.ts'
import { become, createTestLog } from '../nats/open.ts'
import { startNats, type NatsServer } from '../nats/server.ts'
import { meet, newPrefix, type Node, startNode, startNodes } from './actor-support.ts'
import { createCable } from './cable.ts'

const soon = (ms = 20_000): { deadlineMs: number } => ({ deadlineMs: performance.now() + ms })

describe.each(['off', 'auto'] as const)('links %s', (links) => {
  let server: NatsServer
  let one: Node
  let two: Node
  beforeAll(async () => {
    server = await startNats()
    ;[one, two] = (await startNodes(2, server.url, { keep: true, links })) as [Node, Node]
  }, 60_000)
  afterAll(async () => {
    await one?.end()
    await two?.end()
    await server.stop()
  })

  const serve = async (op: string, handler: Parameters<Node['peers']['serve']>[1]): Promise<() => void> => {
    const stop = two.peers.serve(op, handler)
    await two.nats.connection.flush()
    return stop
  }

  test('a request is answered, with header and body, whatever their size', async () => {
    const stop = await serve('echo', ({ header, body }, { from }) => ({
      header: [header as string, from],
      body,
    }))
    const small = await one.peers.request(two.member.self, 'echo', { header: 'é', body: 'ü' }, soon())
    expect([small.header, small.body.toString()]).toEqual([['é', one.member.self], 'ü'])
    const large = Buffer.alloc(5_000_000, 7)
    const back = await one.peers.request(two.member.self, 'echo', { header: null, body: large }, soon())
    expect(back.body.equals(large)).toBe(true)
    const tooLarge = one.peers.request(
      two.member.self,
      'echo',
      { header: null, body: Buffer.alloc(65 * 1024 * 1024) },
      soon(),
    )
    expect(await codeOf(tooLarge)).toBe('VELA_CAPABILITY_BAD_CALL')
    // Links are asked for, too.
    await eventually(() => one.peers.waiting).toBe(0)
    stop()
  })

  test('errors cross with what they say, and nothing of the host', async () => {
    const errors: Error[] = [
      new VelaError('VELA_ACTOR_MAILBOX_FULL', 'full', { details: { a: 1 } }),
      new GuestFacingError('RangeError', 'of a guest', 'MY_CODE'),
      new TypeError('/a/path of the host'),
    ]
    const stop = await serve('fail', () => Promise.reject(errors.shift() ?? new Error()))
    const fail = (): Promise<unknown> => one.peers.request(two.member.self, 'fail', { header: null }, soon())
    await expect(fail()).rejects.toMatchObject({
      code: 'VELA_ACTOR_MAILBOX_FULL',
      message: 'full',
      details: { a: 1 },
    })
    await expect(fail()).rejects.toMatchObject({ name: 'RangeError', message: 'of a guest', code: 'MY_CODE' })
    const last = await fail().catch((thrown: unknown) => thrown)
    expect(last).toMatchObject({ code: 'VELA_NODE_LOST' })
    expect((last as Error).message).not.toContain('path')
    stop()
  })

  test('what is not answered ends at its deadline, or with its caller, and the other side hears of it', async () => {
    const gone: string[] = []
    const stop = await serve('wait', ({ header }, { signal }) => {
      signal.addEventListener('abort', () => gone.push(String(header)))
      return new Promise(() => undefined)
    })
    const late = one.peers.request(two.member.self, 'wait', { header: 'late' }, soon(50))
    expect(await codeOf(late)).toBe('VELA_TASK_TIMEOUT')
    const controller = new AbortController()
    const left = one.peers.request(
      two.member.self,
      'wait',
      { header: 'left' },
      { ...soon(), signal: controller.signal },
    )
    setTimeout(() => controller.abort(), 50)
    expect(await codeOf(left)).toBe('VELA_TURN_CANCELED')
    await eventually(() => gone).toEqual(['late', 'left'])
    stop()
  })

  test('a node that is not there, and an operation that it does not serve, are told at once', async () => {
    const startMs = performance.now()
    expect(await codeOf(one.peers.request('nobody-00000000', 'echo', { header: null }, soon()))).toBe(
      'VELA_NODE_LOST',
    )
    expect(await codeOf(one.peers.request(two.member.self, 'unknown', { header: null }, soon()))).toBe(
      'VELA_NODE_LOST',
    )
    expect(performance.now() - startMs).toBeLessThan(5000)
  })

  test('requests under way end with the connection, and new ones are refused until it is back', async () => {
    const stop = await serve('wait', () => new Promise(() => undefined))
    const waiting = codeOf(one.peers.request(two.member.self, 'wait', { header: null }, soon()))
    await server.kill()
    expect(await waiting).toBe('VELA_NODE_LOST')
    await become(one.nats, 'lost')
    expect(await codeOf(one.peers.request(two.member.self, 'wait', { header: null }, soon()))).toBe(
      'VELA_CLUSTER_UNAVAILABLE',
    )
    await server.restart()
    await one.nats.whenConnected(20_000)
    await two.nats.whenConnected(20_000)
    stop()
  })
})

test('requests keep their order while a link takes over, and go on by it when NATS is silent', async () => {
  const server = await startNats()
  onTestFinished(() => server.stop())
  const cable = await createCable(server.port)
  onTestFinished(() => cable.close())
  const prefix = newPrefix()
  const one = await startNode({ url: server.url, via: cable.url, prefix })
  const two = await startNode({ url: server.url, prefix })
  await meet(one, two)
  const seen: number[] = []
  two.peers.serve('note', ({ header }) => {
    seen.push(header as number)
    return { header: null }
  })
  await two.nats.connection.flush()
  const note = (index: number): Promise<unknown> =>
    one.peers.request(two.member.self, 'note', { header: index }, soon())
  const all: Promise<unknown>[] = []
  let index = 0
  for (let after = 0; after < 50; after += Number(one.peers.links > 0)) {
    for (let burst = 0; burst < 20; burst++) all.push(note(index++))
    await new Promise((resolve) => setImmediate(resolve))
  }
  await Promise.all(all)
  expect(seen).toEqual(all.map((_, at) => at))
  cable.cut()
  await note(index)
  expect([seen.at(-1), one.nats.state]).toEqual([index, 'connected'])
  // Who has no NATS has no links.
  await become(one.nats, 'lost')
  expect(one.peers.links).toBe(0)
  await eventually(() => two.peers.links).toBe(0)
  expect(await codeOf(note(0))).toBe('VELA_CLUSTER_UNAVAILABLE')
  cable.mend()
  await one.nats.whenConnected(20_000)
  await meet(one, two)
  await note(index + 1)
})

test('a host that gives no links is asked through NATS, and the links of a node that leaves end', async () => {
  const server = await startNats()
  onTestFinished(() => server.stop())
  const prefix = newPrefix()
  const one = await startNode({ url: server.url, prefix })
  const two = await startNode({ url: server.url, prefix, links: 'off' })
  const three = await startNode({ url: server.url, prefix })
  await meet(one, two, three)
  for (const { peers, nats } of [one, two, three]) {
    peers.serve('echo', ({ header }) => ({ header: header as string }))
    await nats.connection.flush()
  }
  const ask = async (from: Node, to: Node): Promise<unknown> =>
    (await from.peers.request(to.member.self, 'echo', { header: 'here' }, soon())).header
  for (const [from, to] of [
    [one, two],
    [two, one],
    [one, three],
  ] as const)
    expect(await ask(from, to)).toBe('here')
  await eventually(() => [one.peers.links, three.peers.links]).toEqual([1, 1])
  expect([await ask(one, two), await ask(two, one), two.peers.links]).toEqual(['here', 'here', 0])
  await three.end()
  await eventually(() => one.peers.links).toBe(0)
})

test('who asks through NATS has no link any more, whatever its connection says', async () => {
  const server = await startNats()
  onTestFinished(() => server.stop())
  const prefix = newPrefix()
  const one = await startNode({ url: server.url, prefix })
  const two = await startNode({ url: server.url, prefix })
  await meet(one, two)
  two.peers.serve('echo', () => ({ header: 'here' }))
  await two.nats.connection.flush()
  const ask = (peers: Peers): Promise<unknown> =>
    peers.request(two.member.self, 'echo', { header: null }, soon())
  await ask(one.peers)
  await eventually(() => [one.peers.links, two.peers.links]).toEqual([1, 1])
  await ask(one.peers)
  expect(two.peers.links).toBe(1)
  // The same node, as far as the other can tell.
  const twin = createPeers({ nats: one.nats, membership: one.member, log: createTestLog(), links: 'off' })
  onTestFinished(() => twin.close())
  await ask(twin)
  expect(two.peers.links).toBe(0)
  await eventually(() => one.peers.links).toBe(0)
})

test('damaged payloads are dropped, and parts without their rest are forgotten', () => {
  for (const bytes of ['', '\n', 'R', 'R{', 'R{\n', 'R"x', 'Pnull\n', 'P[0,2]'])
    expect(decodeMessage(Buffer.from(bytes))?.kind ?? 'none').not.toBe('R')
  let nowMs = 0
  const assembler = createAssembler(() => nowMs)
  const parts = encodeMessage('R', { header: 'h', body: 'x'.repeat(5000) }, 2048)
  expect(parts.length).toBeGreaterThan(2)
  const [first, second, ...rest] = parts as [Buffer, Buffer, ...Buffer[]]
  // One is missing.
  expect(assembler.take('a', first)).toBeUndefined()
  for (const part of rest) expect(assembler.take('a', part)).toBeUndefined()
  // Whole, and interleaved with another.
  const whole = parts.map((part) => [assembler.take('a', part), assembler.take('b', part)])
  expect(whole.at(-1)?.map((done) => done?.body.length)).toEqual([5000, 5000])
  // Too old.
  assembler.take('c', first)
  nowMs = 60_000
  assembler.take('d', first)
  expect(assembler.take('c', second)).toBeUndefined()
})
