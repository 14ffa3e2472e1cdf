/** What a cell publishes may be anything: tenant, source, time and depth are the host's, and what is malformed publishes nothing. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, test } from 'vitest'
import { createEventsKind, type EventsOptions } from '../../host/capabilities/events.ts'
import { createEventRates } from '../../host/capabilities/events-rate.ts'
import type { CapabilityCall, CapabilityResult } from '../../host/capabilities/capability.ts'
import type { BusEvent } from '../../host/events/bus-event.ts'
import type { JsonValue } from '../../host/registry/types.ts'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

const PLACE = { tenant: 'acme', service: 'shop', version: '1' }
const OPTIONS: EventsOptions = { kind: 'ephemeral', publish: ['ok.*', 'deep.>'], subscribe: [], rate: null }

interface Publisher {
  readonly published: BusEvent[]
  readonly failures: unknown[]
  publish(args: readonly JsonValue[], body: string | AsyncIterable<Buffer>, depth?: number): Promise<unknown>
}

function publisher(options: Partial<EventsOptions> = {}, reach = 0): Publisher {
  const published: BusEvent[] = []
  const failures: unknown[] = []
  const kind = createEventsKind({
    bus: {
      publishAll(events) {
        published.push(...events)
        return events.map(({ id }) => ({ id }))
      },
      reach: () => reach,
    },
    onFailure: (_place, error) => failures.push(error),
  })
  const capability = kind.open({ ...OPTIONS, ...options }, PLACE)
  return {
    published,
    failures,
    async publish(args, body, depth = 0) {
      const call: CapabilityCall = {
        origin: { gone: false, onGone: () => () => undefined },
        method: 'publish',
        args,
        body: typeof body === 'string' ? Buffer.from(body) : body,
        requestId: '',
        deadlineMs: Infinity,
        depth,
        signal: new AbortController().signal,
      }
      try {
        const result: CapabilityResult = await capability.call(call)
        return result.value
      } catch (thrown) {
        return (thrown as { code?: string }).code ?? thrown
      }
    },
  }
}

describe('what a cell publishes', () => {
  test('gets tenant, source, time and depth from the host alone', async () => {
    const { published, publish } = publisher()
    const beforeMs = Date.now()
    const value = (await publish(
      [
        ['ok.a', 'deep.b.c'],
        [0, [1, 'key', 'own', { zone: 'eu' }]],
      ],
      '{"a":1}\n$["undefined"]',
      3,
    )) as unknown[]
    expect(value.slice(2)).toEqual([null, []])
    expect(
      published.map(({ tenant, source, depth, fresh, key }) => [tenant, source, depth, fresh, key]),
    ).toEqual([
      ['acme', 'acme/shop', 4, true, null],
      ['acme', 'acme/shop', 4, false, 'key'],
    ])
    expect(published[0]?.id).toBe(`${value[0] as string}${(value[1] as number).toString(36)}`)
    expect(published[0]?.timeMs).toBeGreaterThanOrEqual(beforeMs)
    expect(published.map(({ text }) => text)).toEqual(['{"a":1}', '$["undefined"]'])
  })

  test('is nothing when the call is malformed', async () => {
    const { published, publish } = publisher()
    const one = ['ok.a']
    const forged: [readonly JsonValue[], string][] = [
      [[], '1'],
      [[null, null], '1'],
      [['ok.a', [0]], '1'],
      [[one, []], ''],
      [[one, [0]], '1\n2'],
      [[one, [0, 0]], '1'],
      [[one, [0]], ''],
      [[one, [0, 0]], '1\n'],
      [[one, [1]], '1'],
      [[one, [-1]], '1'],
      [[one, [0.5]], '1'],
      [[one, [['0', null, null, null]]], '1'],
      [[one, [[0, null, null]]], '1'],
      [[one, [{ length: 4, 0: 0 }]], '1'],
      [[['ok.a', 'ok.b'], [0]], '1'],
      [[one, Array<number>(1_001).fill(0)], Array<number>(1_001).fill(1).join('\n')],
    ]
    for (const [args, body] of forged)
      expect([args, await publish(args, body)]).toEqual([args, 'VELA_CAPABILITY_BAD_CALL'])
    expect(published).toEqual([])
  })

  test('is refused event by event: subjects beyond the grant, wildcards, other tenants’ names, ids, keys, headers', async () => {
    const { published, publish } = publisher()
    const subjects = [
      'ok.a',
      'ok.*',
      '>',
      'other.a',
      'ok.a.b',
      '$JS.API',
      'vela.e.globex.ok',
      'ok.\u0000',
      '__proto__',
      7,
      null,
    ]
    const value = (await publish(
      [subjects, subjects.map((_, index) => index)],
      subjects.map(() => '1').join('\n'),
    )) as [string, number, null, [number, string][]]
    expect(value[3].map(([index, code]) => [index, code])).toEqual([
      [1, 'VELA_EVENT_BAD_SUBJECT'],
      [2, 'VELA_EVENT_BAD_SUBJECT'],
      [3, 'VELA_CAPABILITY_DENIED'],
      [4, 'VELA_CAPABILITY_DENIED'],
      [5, 'VELA_EVENT_BAD_SUBJECT'],
      [6, 'VELA_CAPABILITY_DENIED'],
      [7, 'VELA_EVENT_BAD_SUBJECT'],
      [8, 'VELA_CAPABILITY_DENIED'],
      [9, 'VELA_EVENT_BAD_SUBJECT'],
      [10, 'VELA_EVENT_BAD_SUBJECT'],
    ])
    expect(published.map(({ subject }) => subject)).toEqual(['ok.a'])

    const heads: JsonValue[] = [
      [0, '', null, null],
      [0, 'x'.repeat(257), null, null],
      [0, 7, null, null],
      [0, null, 'a b', null],
      [0, null, 'x'.repeat(129), null],
      [0, null, ['id'], null],
      [0, null, null, { veladepth: '0' }],
      [0, null, null, { 'x-y': '1' }],
      [0, null, null, { a: 1 }],
      [0, null, null, []],
      [0, null, null, Object.fromEntries(Array.from({ length: 17 }, (_, index) => [`h${index}`, '']))],
      [0, null, null, JSON.parse('{"__proto__":"x"}') as JsonValue],
    ]
    const refused = (await publish([['ok.a'], heads], heads.map(() => '1').join('\n'))) as typeof value
    expect(refused[3].map(([index, code]) => [index, code])).toEqual(
      heads.map((_, index) => [index, 'VELA_EVENT_INVALID']),
    )
    expect(published).toHaveLength(1)
  })

  test('is bounded in bytes, whole and in parts', async () => {
    const { published, publish } = publisher()
    const args = [['ok.a'], [0]]
    expect(await publish(args, `"${'x'.repeat(262_143)}"`)).toBe('VELA_EVENT_TOO_LARGE')
    expect(await publish(args, `"${'ü'.repeat(131_072)}"`)).toBe('VELA_EVENT_TOO_LARGE')
    // What a broken-out cell may put into one call, each event within its bound.
    const many = Array.from({ length: 1_000 }, () => `"${'x'.repeat(60_000)}"`).join('\n')
    expect(await publish([['ok.a'], Array<number>(1_000).fill(0)], many)).toBe('VELA_EVENT_TOO_LARGE')
    let sent = 0
    async function* endless(): AsyncGenerator<Buffer> {
      for (;;) {
        sent += 65_536
        yield Buffer.alloc(65_536, 'x')
      }
    }
    expect(await publish(args, endless())).toBe('VELA_EVENT_TOO_LARGE')
    expect(sent).toBeLessThan(600_000)
    expect(published).toEqual([])
  })

  test('an event that waits somewhere does not keep the text of its whole call alive', async () => {
    const { published, publish } = publisher()
    const lines = Array.from({ length: 600 }, (_, index) => `"${String(index).padEnd(90, '-')}"`)
    await publish([['ok.a'], lines.map(() => 0)], lines.join('\n'))
    // Held: one event of each of 400 calls, which had 55 KB.
    const held: BusEvent[] = []
    for (let round = 0; round < 400; round++) {
      published.length = 0
      await publish([['ok.a'], lines.map(() => 0)], lines.join('\n'))
      held.push(published[300] as BusEvent)
    }
    published.length = 0
    collectGarbage()
    const withHeld = process.memoryUsage().heapUsed
    expect(held.every(({ text }) => text.length === 92)).toBe(true)
    held.length = 0
    collectGarbage()
    expect(withHeld - process.memoryUsage().heapUsed).toBeLessThan(8 * 1024 * 1024)
  })

  test('circles end: no event is published by what is 8 events deep', async () => {
    const { published, publish } = publisher()
    expect(await publish([['ok.a'], [0]], '1', 8)).toBe('VELA_CAPABILITY_TOO_DEEP')
    await publish([['ok.a'], [0]], '1', 7)
    expect(published.map(({ depth }) => depth)).toEqual([8])
  })

  test('has a rate for each tenant, by number and by size, which one cannot use up for another', () => {
    let nowMs = 0
    const rates = createEventRates(() => nowMs)
    const takes = (tenant: string, cost: number): boolean => {
      try {
        rates.take(tenant, 1_000, cost)
        return true
      } catch {
        return false
      }
    }
    expect([takes('acme', 1_500), takes('acme', 501), takes('acme', 500), takes('acme', 1)]).toEqual([
      true,
      false,
      true,
      false,
    ])
    expect(takes('globex', 2_000)).toBe(true)
    nowMs = 100
    expect([takes('acme', 101), takes('acme', 100)]).toEqual([false, true])
    // Dearer than all there can be: it may go when nothing else has gone.
    nowMs = 10_000
    expect([takes('acme', 5_000), takes('acme', 1)]).toEqual([true, false])
  })

  test('counts once for each that gets it, so that one event cannot make the host work for a thousand', async () => {
    const args = [['ok.a'], Array<number>(100).fill(0)]
    const body = Array<string>(100).fill('1').join('\n')
    const many = publisher({ rate: 10_000 }, 100)
    expect(await many.publish(args, body)).toBeInstanceOf(Array)
    expect(await many.publish(args, body)).toBeInstanceOf(Array)
    expect(await many.publish(args, body)).toBe('VELA_EVENTS_OVERLOADED')
    expect(many.published).toHaveLength(200)
    // Durable ones are read by those who get them, in their own time.
    const durable = publisher({ rate: 10_000, kind: 'durable' }, 100)
    for (let count = 0; count < 4; count++) expect(await durable.publish(args, body)).toBeInstanceOf(Array)
  })

  test('an operator’s policy narrows what may be published, heard and stored, and how fast', () => {
    const kind = createEventsKind({
      bus: { publishAll: () => [], reach: () => 0 },
      onFailure: () => undefined,
    })
    const [binding] = kind.parse({
      E: { kind: 'durable', publish: ['a.*'], subscribe: [{ subject: 'b.c' }] },
    })
    const options = binding?.options as EventsOptions
    const narrow = (policy: JsonValue): unknown => kind.narrow(options, policy, PLACE)
    expect(narrow(true)).toEqual(options)
    expect(narrow({ rate: 5 })).toEqual({ ...options, rate: 5 })
    expect(narrow({ publish: ['a.>'], subscribe: ['*.*'] })).toEqual(options)
    expect(narrow({ publish: ['a.b'] })).toEqual({ refused: expect.stringContaining('publishing a.*') })
    expect(narrow({ publish: [] })).toHaveProperty('refused')
    expect(narrow({ subscribe: ['a.>'] })).toEqual({ refused: expect.stringContaining('subscribing to b.c') })
    expect(narrow({ durable: false })).toHaveProperty('refused')
    expect(kind.checkPolicy({ publish: ['a..b'] })).toBeTypeOf('string')
    expect(kind.checkPolicy({ rate: 0 })).toBeTypeOf('string')
    expect(kind.checkPolicy({ publish: ['a.b'], durable: true, rate: 10 })).toBeUndefined()
  })
})
