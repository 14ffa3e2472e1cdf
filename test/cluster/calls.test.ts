/** Calls that one node carries for another, over real NATS; the services and the actors on the other side are the test's. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { BODY } from '../../guest-sdk/kernel/messages.ts'
import type { CapabilityCall, CapabilityResult } from '../../host/capabilities/capability.ts'
import type { Call } from '../../host/cells/call.ts'
import { moved } from '../../host/cluster/actors/kept.ts'
import { createFetchAt } from '../../host/cluster/calls/fetch-at.ts'
import { BusEvent } from '../../host/events/bus-event.ts'
import { EventCall } from '../../host/services/event-call.ts'
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

test('a method is called on another node, with its answer, its error and its refusal', async () => {
  const [here, there] = [await sideOf(one), await sideOf(two)]
  const options = { requestId: 'r-9', mapStack: (stack: string) => stack, depth: 3, affinity: 'k' }
  const begin = async (): Promise<[Promise<unknown>, Call]> => {
    const { call, result } = createMethodCall('quote', ['é', 1], options)
    result.catch(() => undefined)
    here.calls.carry(two.member.self, SERVICE, call)
    return [result, await takenAt(there)]
  }
  const [answered, first] = await begin()
  expect([first.requestId, first.depth, first.affinity, first.body]).toEqual(['r-9', 3, 'k', '["\\u00e9",1]'])
  expect(JSON.parse(first.encode(77))).toMatchObject({ 0: 0, 1: 77, 2: 1, 3: 'quote', 8: 'r-9' })
  expect(first.startedMs).toBeLessThanOrEqual(performance.now())
  first.attach(linkOf([]))
  first.value('{"price":"ü"}')
  expect(await answered).toEqual({ price: 'ü' })
  const [thrown, second] = await begin()
  second.threw({ name: 'RangeError', message: 'too much', stack: 'at x', code: 'MY_CODE' })
  await expect(thrown).rejects.toMatchObject({
    code: 'VELA_GUEST_THREW',
    details: { thrown: { name: 'RangeError', message: 'too much', code: 'MY_CODE' }, stack: 'at x' },
  })
  const [refused, third] = await begin()
  third.failed('VELA_CELL_OVERLOADED', 'full')
  expect(await codeOf(refused)).toBe('VELA_CELL_OVERLOADED')
  expect([here.calls.open, there.calls.open]).toEqual([0, 0])
})

test('a batch of events is as much work on another node as here, and its outcomes come back', async () => {
  const [here, there] = [await sideOf(one), await sideOf(two)]
  const event = (id: string): BusEvent =>
    BusEvent.of(
      { tenant: 'acme', id, subject: 'a', source: 'host', timeMs: 1, key: null, headers: {}, depth: 2 },
      'ü',
    )
  const call = new EventCall(
    ['e-1', 'e-2', 'e-3'].map((id) => ({ event: event(id), attempt: 1 })),
    { requestId: 'event-1', handler: 'onA', queue: 'IN', window: 3 },
  )
  here.calls.carry(two.member.self, SERVICE, call)
  const carried = await takenAt(there)
  expect([carried.weight, carried.depth, carried.body]).toEqual([3, 2, call.body])
  carried.attach(linkOf([]))
  carried.value('[0,[[1,[250,0]]]]')
  expect(await call.outcomes).toEqual([undefined, { delayMs: 250, error: undefined }, undefined])
})

test('a service that the other node does not have, and a node that is not there', async () => {
  const [here] = [await sideOf(one), await sideOf(two)]
  const options = { requestId: 'r', mapStack: (stack: string) => stack }
  const unknown = createMethodCall('m', [], options)
  here.calls.carry(two.member.self, ['service', 'acme', 'other'], unknown.call)
  expect(await codeOf(unknown.result)).toBe('VELA_SERVICE_NOT_FOUND')
  const lost = createMethodCall('m', [], options)
  here.calls.carry('nobody-12345678', SERVICE, lost.call)
  expect(await codeOf(lost.result)).toBe('VELA_NODE_LOST')
})

test('a call that came damaged reaches no cell, and whoever sent it is told', async () => {
  const there = await sideOf(two)
  const heard: unknown[] = []
  const stop = one.peers.listen('x', ({ header }) => void heard.push(header))
  for (const [index, invoke] of ['[0,0,1,"m",', '[1,0,1]', '{}', '[0,0,1]]'].entries()) {
    const header = [0, `damaged${index}`, 0, 'open', [...SERVICE], invoke, 'r', 0, null, 0]
    one.peers.send(two.member.self, 'x', { header })
  }
  await eventually(() => heard.length).toBe(4)
  for (const header of heard) expect(header).toMatchObject({ 3: 'failed', 4: 'VELA_NODE_LOST' })
  expect(there.taken).toEqual([])
  expect(there.calls.open).toBe(0)
  stop()
})

test('bodies stream both ways at the pace of who takes them', async () => {
  const [here, there] = [await sideOf(one), await sideOf(two)]
  async function* parts(): AsyncGenerator<Buffer> {
    for (const part of ['one', 'two', 'three']) yield await Promise.resolve(Buffer.from(part))
  }
  const from = callOf(makeHome(), 'fetch', [request], { body: parts() })
  const { call, result } = createServiceFetch(from, 'r-1', () => undefined)
  here.calls.carry(two.member.self, SERVICE, call)
  const carried = await takenAt(there)
  expect(JSON.parse(carried.encode(5))).toEqual([
    0,
    5,
    0,
    'POST',
    request.url,
    ['x-a', '1'],
    BODY.stream,
    0,
    'r-1',
  ])
  const log: unknown[][] = []
  carried.attach(linkOf(log))
  expect(log).toEqual([])
  carried.wants(4)
  await eventually(() => log.length).toBe(2)
  // It asked for four bytes, and the part that goes over that is the last for now.
  expect(log).toEqual([
    ['body', 'one', 0],
    ['body', 'two', 0],
  ])
  carried.wants(1000)
  await eventually(() => log.length).toBe(4)
  expect(log.slice(2)).toEqual([
    ['body', 'three', 0],
    ['body', '', 1],
  ])
  carried.head(200, ['content-type', 'text/plain'], BODY.stream, '', false)
  const { value, body } = await result
  expect(value).toEqual({ status: 200, headers: ['content-type', 'text/plain'] })
  carried.data('höh', BODY.text)
  carried.data(Buffer.from([0, 255]), BODY.bytes)
  carried.data('x'.repeat(200_000), BODY.bytes)
  carried.end(false)
  const got: Buffer[] = []
  for await (const part of body as AsyncIterable<Buffer>) got.push(part)
  const bytes = Buffer.concat(got)
  expect(bytes.subarray(0, 6).toString('latin1')).toBe(Buffer.from('höh').toString('latin1') + '\u0000\u00ff')
  expect(bytes.length).toBe(200_006)
})

test('a caller that leaves cancels the turn on the other node', async () => {
  const [here, there] = [await sideOf(one), await sideOf(two)]
  const controller = new AbortController()
  const { call, result } = createMethodCall('m', [], {
    requestId: 'r',
    mapStack: (stack) => stack,
    signal: controller.signal,
  })
  here.calls.carry(two.member.self, SERVICE, call)
  const carried = await takenAt(there)
  const log: unknown[][] = []
  carried.attach(linkOf(log))
  controller.abort()
  expect(await codeOf(result)).toBe('VELA_TURN_CANCELED')
  await eventually(() => log).toEqual([['cancel', 'VELA_TURN_CANCELED']])
  expect(carried.canceled).toBe(true)
})

test('a request to an actor elsewhere has its body, its answer and its failures', async () => {
  const [here, there] = [await sideOf(one), await sideOf(two)]
  const fetchAt = createFetchAt({
    calls: here.calls,
    createFetch: (from, given) => createServiceFetch(from, 'r-1', () => undefined, { request: given }),
  })
  const ask = (body?: CapabilityCall['body']): Promise<CapabilityResult> =>
    fetchAt(
      two.member.self,
      ACTOR,
      callOf(makeHome(), 'fetch', ['ann', request], { body, depth: 2 }),
      request,
    )
  there.fetch = async (from, given) => {
    expect([given, from.depth, from.requestId]).toEqual([request, 2, 'r-1'])
    expect((from.body as Buffer).toString()).toBe('small')
    return await Promise.resolve({ value: { status: 201, headers: ['a', 'b'] }, body: Buffer.from('ok') })
  }
  const small = await ask(Buffer.from('small'))
  expect(small.value).toEqual({ status: 201, headers: ['a', 'b'] })
  expect(Buffer.from(small.body as Uint8Array).toString()).toBe('ok')

  there.fetch = async (from) => {
    let size = 0
    for await (const part of from.body as AsyncIterable<Buffer>) size += part.length
    async function* answer(): AsyncGenerator<Buffer> {
      for (let n = 0; n < 30; n++) yield await Promise.resolve(Buffer.alloc(100_000, n))
    }
    return { value: { status: 200, headers: [String(size)] }, body: answer() }
  }
  const large = await ask(Buffer.alloc(3_000_000))
  expect(large.value).toEqual({ status: 200, headers: ['3000000'] })
  let size = 0
  for await (const part of large.body as AsyncIterable<Buffer>) size += part.length
  expect(size).toBe(3_000_000)

  there.fetch = () => Promise.reject(moved())
  await expect(ask(Buffer.alloc(3_000_000))).rejects.toMatchObject({ details: { moved: true } })
  there.fetch = () => Promise.reject(new TypeError('of the host'))
  await expect(ask()).rejects.toMatchObject({
    code: 'VELA_CAPABILITY_FAILED',
    message: expect.not.stringContaining('host/') as string,
  })
})
