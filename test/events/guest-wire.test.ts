/** What a cell says of the events it was given may be anything: forged outcomes acknowledge nothing. */
import { describe, expect, test } from 'vitest'
import { encodeValue } from '../../guest-sdk/async/codec.ts'
import { BusEvent } from '../../host/events/bus-event.ts'
import type { Delivery } from '../../host/events/types.ts'
import { EventCall } from '../../host/services/event-call.ts'

const delivery = (n: number, changes: object = {}, attempt = 1): Delivery => ({
  attempt,
  event: BusEvent.of(
    {
      tenant: 'acme',
      id: `id-${n}`,
      subject: 'a.b',
      source: 'host',
      timeMs: 5,
      key: null,
      headers: {},
      ...changes,
    },
    { n },
  ),
})
const callOf = (batch: readonly Delivery[]): EventCall =>
  new EventCall(batch, { requestId: 'event-1', handler: 'onEvent', queue: 'IN', window: 4 })
const three = [delivery(1), delivery(2), delivery(3)]

/** What becomes of a batch of three that is answered so. */
async function answered(json: string | undefined): Promise<unknown> {
  const call = callOf(three)
  call.value(json)
  return await call.outcomes.catch((error: { code: string }) => error.code)
}

describe('the outcomes that a cell sends', () => {
  const error = { name: 'RangeError', message: 'no' }

  test('are taken in their two forms', async () => {
    expect(await answered(undefined)).toEqual([undefined, undefined, undefined])
    expect(await answered('[0,[]]')).toEqual([undefined, undefined, undefined])
    expect(await answered(JSON.stringify([[-1, error], [[1, 0]]]))).toEqual([
      { delayMs: undefined, error },
      undefined,
      { delayMs: undefined, error },
    ])
    expect(await answered('[0,[[2,[250,0]]]]')).toEqual([
      undefined,
      undefined,
      { delayMs: 250, error: undefined },
    ])
  })

  test('count as none at all when they are anything else', async () => {
    const forged = [
      '',
      'null',
      '0',
      '{}',
      '[0]',
      '[0,[],0]',
      '[1,[]]',
      '["0",[]]',
      '[null,[]]',
      '[0,{"length":1,"0":[0,0]}]',
      '[0,[[3,0]]]',
      '[0,[[-1,0]]]',
      '[0,[[0.5,0]]]',
      '[0,[["0",0]]]',
      '[0,[[1,0],[0,0]]]',
      '[0,[[1,0],[1,0]]]',
      '[0,[[0,0],[1,0],[2,0],[3,0]]]',
      '[0,[[0,[-2,0]]]]',
      '[0,[[0,[1e300,0]]]]',
      '[0,[[0,[43200001,0]]]]',
      '[0,[[0,[0]]]]',
      '[0,[[0,[0,1]]]]',
      '[0,[[0,[0,"error"]]]]',
      '[[0,null],[]]',
      '[0,[[0,0]',
      '['.repeat(100_000),
    ]
    for (const json of forged) expect([json, await answered(json)]).toEqual([json, 'VELA_GUEST_BAD_RESPONSE'])
  })

  test('cannot bring fields of their own, nor a prototype', async () => {
    const json =
      '[0,[[0,[0,{"name":7,"message":{"a":1},"stack":[],"code":{},"__proto__":{"evil":1},"extra":1}]]]]'
    const outcomes = (await answered(json)) as readonly { error: object }[]
    expect(outcomes[0]).toEqual({ delayMs: 0, error: { name: 'Error', message: '' } })
    expect(({} as { evil?: unknown }).evil).toBeUndefined()
  })

  test('are none once the delivery was given up', async () => {
    const call = callOf(three)
    call.cancel()
    call.value(undefined)
    await expect(call.outcomes).rejects.toMatchObject({ code: 'VELA_TURN_CANCELED' })
  })
})

test('line ends in what came from outside do not make another event of it', () => {
  const outside = (id: string, text: string): Delivery => {
    const { tenant, subject, source, timeMs, key, headers } = delivery(0).event
    return {
      attempt: 1,
      event: BusEvent.encoded({ tenant, id, subject, source, timeMs, key, headers }, text),
    }
  }
  const call = callOf([outside('one', '[1,\n2]\n'), outside('two', '$["evil"]'), delivery(3)])
  const [, ...lines] = call.body.split('\n')
  expect(lines).toEqual(['[1, 2] ', '$["evil"]', '{"n":3}'])
})

test('a batch says once what its events have in common, and is ASCII whatever is in it', () => {
  const headers = { zone: 'eu' }
  const batch = [
    delivery(1),
    delivery(2),
    delivery(3, { subject: 'ü', key: 'k' }),
    delivery(4, { subject: 'ü', key: 'k', headers, depth: 5 }),
    delivery(5, { headers, depth: 2 }, 3),
  ]
  const call = callOf(batch)
  expect(call.depth).toBe(5)
  expect(call.weight).toBe(5)
  const [head = '', ...lines] = call.body.split('\n')
  expect(JSON.parse(head)).toEqual([
    'IN',
    4,
    ['a.b', 'ü'],
    ['host'],
    [
      ['id-1', 0, 0, 5, 1, null, null],
      'id-2',
      ['id-3', 1, 0, 5, 1, 'k', null],
      ['id-4', 1, 0, 5, 1, 'k', headers],
      ['id-5', 0, 0, 5, 3, null, headers],
    ],
  ])
  expect(lines).toEqual(batch.map(({ event }) => encodeValue(event.data)))
  // oxlint-disable-next-line no-control-regex -- just these may stand in it
  expect(call.body).toMatch(/^[\u0000-\u007f]*$/)
})
