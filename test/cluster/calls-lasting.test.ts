/** Calls between nodes that last, or are lost, and which calls go to another node at all. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { BODY, SOCKET_WINDOW } from '../../guest-sdk/kernel/messages.ts'
import type { Call, SocketLink } from '../../host/cells/call.ts'
import { SocketRelay } from '../../host/cells/relay.ts'
import { createElsewhere } from '../../host/cluster/calls/elsewhere.ts'
import { createFetchAt } from '../../host/cluster/calls/fetch-at.ts'
import { createMethodCall } from '../../host/services/method-call.ts'
import { createServiceFetch } from '../../host/services/service-fetch.ts'
import { callOf, codeOf, eventually, makeHome } from '../actors/host-support.ts'
import { startNats, type NatsServer } from '../nats/server.ts'
import { startNodes, type Node } from './actor-support.ts'
import { ACTOR, linkOf, request, SERVICE, sideOf, takenAt } from './call-support.ts'

let server: NatsServer
let one: Node
let two: Node
beforeAll(async () => {
  server = await startNats()
  ;[one, two] = (await startNodes(2, server.url, { keep: true })) as [Node, Node]
}, 60_000)
afterAll(async () => {
  await one?.end()
  await two?.end()
  await server.stop()
})

test('a WebSocket of an actor elsewhere talks both ways, and stops a client that is too fast', async () => {
  const [here, there] = [await sideOf(one), await sideOf(two)]
  const fetchAt = createFetchAt({
    calls: here.calls,
    createFetch: (from, given) => createServiceFetch(from, 'r-1', () => undefined, { request: given }),
  })
  const log: unknown[][] = []
  const socket: SocketLink = {
    receive: (isText, bytes) => log.push(['receive', isText, bytes.length]) > 0,
    taken: (amount) => void log.push(['taken', amount]),
    closed: (code, how, reason) => void log.push(['closed', code, how, reason]),
  }
  const relayThere = new SocketRelay(
    ['sec-websocket-protocol', 'p'],
    linkOf(log, { openSocket: () => socket }),
  )
  there.fetch = () =>
    Promise.resolve({ value: { status: 101, headers: [...relayThere.headers] }, relay: relayThere })
  const { relay } = await fetchAt(
    two.member.self,
    ACTOR,
    callOf(makeHome(), 'fetch', ['ann', request]),
    request,
  )
  if (!(relay instanceof SocketRelay)) throw new Error('no relay')
  expect(relay.headers).toEqual(['sec-websocket-protocol', 'p'])
  // Said before anybody has joined.
  relayThere.message(BODY.text, 'early', 5)

  const said: unknown[][] = []
  let room = 0
  const link = relay.link.openSocket(() => void room++)
  const client: Partial<Call> = {
    socket: {
      message: (kind, body) => void said.push(['message', kind, body]),
      close: (code, reason) => void said.push(['close', code, reason]),
    },
    data: (part) => void said.push(['data', part.length]),
    end: (broken) => void said.push(['end', broken]),
    failed: (code) => void said.push(['failed', code]),
    wants: (bytes) => link?.taken(bytes),
  }
  relay.join(client as Call)
  await eventually(() => said).toEqual([['message', BODY.text, 'early']])
  expect(link?.receive(true, 'hello')).toBe(true)
  let isFree = true
  while (isFree) isFree = link?.receive(false, 'x'.repeat(60_000)) === true
  await eventually(() => log.filter(([verb]) => verb === 'receive').length).toBe(6)
  expect(room).toBe(0)
  relayThere.wants(SOCKET_WINDOW)
  await eventually(() => room).toBe(1)
  relayThere.message(BODY.bytes, '\u00ff', 1)
  relayThere.message(BODY.stream, '', 3)
  relayThere.data(Buffer.from('abc'), BODY.bytes)
  relayThere.close(4000, 'büe')
  await eventually(() => said.length).toBe(5)
  expect(said.slice(1)).toEqual([
    ['message', BODY.bytes, '\u00ff'],
    ['message', BODY.stream, ''],
    ['data', 3],
    ['close', 4000, 'büe'],
  ])
  link?.closed(4000, 0, 'bye')
  await eventually(() => log.at(-1)).toEqual(['closed', 4000, 0, 'bye'])
  relayThere.end(false)
  await eventually(() => said.at(-1)).toEqual(['end', false])
})

test('calls under way end with the connection to NATS, on both sides', async () => {
  const [here, there] = [await sideOf(one), await sideOf(two)]
  const { call, result } = createMethodCall('m', [], { requestId: 'r', mapStack: (stack) => stack })
  result.catch(() => undefined)
  here.calls.carry(two.member.self, SERVICE, call)
  const carried = await takenAt(there)
  const log: unknown[][] = []
  carried.attach(linkOf(log))
  await server.restart()
  expect(await codeOf(result)).toBe('VELA_NODE_LOST')
  await eventually(() => log).toEqual([['cancel', 'VELA_TURN_CANCELED']])
  await one.nats.whenConnected(20_000)
  await two.nats.whenConnected(20_000)
  await eventually(() => two.member.holdsLease && one.member.holdsLease).toBe(true)
})

test('local first: another node serves only what is too much here, or when this one drains, and never one that is not ready', () => {
  const carried: string[] = []
  let nodes = [
    { id: 'me', state: 'ready', load: { cpu: 0, turns: 0, queue: 0 } },
    { id: 'busy', state: 'ready', load: { cpu: 0, turns: 2, queue: 9 } },
    { id: 'calm', state: 'ready', load: { cpu: 0, turns: 5, queue: 0 } },
    { id: 'leaving', state: 'draining', load: { cpu: 0, turns: 0, queue: 0 } },
  ]
  let changed = (): void => undefined
  const elsewhere = createElsewhere({
    calls: { carry: (node) => void carried.push(node) },
    membership: {
      self: 'me',
      nodes: () => nodes as never,
      onChange: (listener) => {
        changed = listener
        return () => undefined
      },
    },
  })
  const call = {} as Call
  expect(elsewhere('acme', 'shop', call, false)).toBe(false)
  expect(elsewhere('acme', 'shop', call, true)).toBe(true)
  expect(carried).toEqual(['calm'])
  // Its load is not told with each call, so those that it was given count.
  for (let n = 0; n < 40; n++) elsewhere('acme', 'shop', call, true)
  expect(new Set(carried.splice(0))).toEqual(new Set(['calm', 'busy']))
  nodes = nodes.map((node) => (node.id === 'me' ? { ...node, state: 'draining' } : node))
  changed()
  expect(elsewhere('acme', 'shop', call, false)).toBe(true)
  nodes = nodes.filter(({ id }) => id === 'me' || id === 'leaving')
  expect(elsewhere('acme', 'shop', call, true)).toBe(false)
  expect(carried).toHaveLength(1)
})
