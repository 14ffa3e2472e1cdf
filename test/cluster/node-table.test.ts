/** Who counts as gone: only by what a host saw while it could see. */
import { describe, expect, test } from 'vitest'
import { decodeNode, encodeNode, type NodeRecord } from '../../host/cluster/node-record.ts'
import { createNodeTable } from '../../host/cluster/node-table.ts'
import { rendezvous } from '../../host/cluster/rendezvous.ts'

const TIMES = { heartbeatMs: 100, leaseMs: 500, lostAfterMs: 1000 }

const record = (id: string, beat: number, more: Partial<NodeRecord> = {}): NodeRecord => ({
  id,
  name: 'a',
  gateway: '',
  admin: '',
  startedMs: 0,
  state: 'ready',
  load: { cpu: 0, turns: 0, queue: 0 },
  vela: '1',
  runtime: 'v24',
  beat,
  leaseMs: 500,
  ...more,
})

describe('a node', () => {
  test('is lost when it has not been seen for as long as that takes, and not a moment earlier', () => {
    const table = createNodeTable(TIMES)
    table.seen(record('a-1', 1), 0)
    expect(table.sweep(999)).toBe(false)
    expect(table.isAlive('a-1')).toBe(true)
    expect(table.sweep(1000)).toBe(true)
    expect(table.isAlive('a-1')).toBe(false)
    expect(table.nodes()).toMatchObject([{ id: 'a-1', state: 'lost' }])
    expect(table.ready()).toEqual([])
  })

  test('has its whole time again after this host could not see', () => {
    const table = createNodeTable(TIMES)
    table.seen(record('a-1', 1), 0)
    table.gap(5000)
    expect(table.sweep(5000)).toBe(false)
    expect(table.sweep(5999)).toBe(false)
    expect(table.sweep(6000)).toBe(true)
  })

  test('is not alive again because its last heartbeat is read a second time', () => {
    const table = createNodeTable(TIMES)
    table.seen(record('a-1', 7), 0)
    table.sweep(1000)
    expect(table.seen(record('a-1', 7), 1100)).toBe(false)
    expect(table.isAlive('a-1')).toBe(false)
    expect(table.seen(record('a-1', 8), 1200)).toBe(true)
    expect(table.isAlive('a-1')).toBe(true)
  })

  test('with a longer lease than this host waits for is waited for', () => {
    const table = createNodeTable(TIMES)
    table.seen(record('a-1', 1, { leaseMs: 3000 }), 0)
    expect(table.sweep(3100)).toBe(false)
    expect(table.sweep(3200)).toBe(true)
  })

  test('that says goodbye is gone at once, and one that drains or starts is given nothing', () => {
    const table = createNodeTable(TIMES)
    table.seen(record('a-1', 1), 0)
    table.seen(record('b-1', 1, { state: 'draining' }), 0)
    table.seen(record('c-1', 1, { state: 'starting' }), 0)
    expect(table.ready()).toEqual(['a-1'])
    expect(['a-1', 'b-1', 'c-1'].map((id) => table.isAlive(id))).toEqual([true, true, true])
    expect(table.left('a-1')).toBe(true)
    expect(table.isAlive('a-1')).toBe(false)
  })

  test('that is lost is forgotten after some minutes', () => {
    const table = createNodeTable(TIMES)
    table.seen(record('a-1', 1), 0)
    table.sweep(1000)
    table.sweep(500_000)
    expect(table.nodes()).toHaveLength(1)
    table.sweep(700_000)
    expect(table.nodes()).toEqual([])
  })
})

describe('an entry of the bucket', () => {
  test('is read back as it was written', () => {
    const written = record('host-0a1b2c3d', 3, { gateway: 'http://10.0.0.1:80', state: 'draining' })
    expect(decodeNode(written.id, Buffer.from(encodeNode(written)))).toEqual(written)
  })

  test.each([
    ['no JSON', 'x'],
    ['no object', '7'],
    ['null', 'null'],
    ['of another node', encodeNode(record('b-1', 1))],
    ['of a state that this Vela does not know', encodeNode(record('a-1', 1, { state: 'asleep' as never }))],
    ['too large', JSON.stringify({ ...record('a-1', 1), more: 'x'.repeat(5000) })],
  ])('is none when it is %s', (_what, text) => {
    expect(decodeNode('a-1', Buffer.from(text))).toBeUndefined()
  })

  test('with fields of other types says nothing wrong', () => {
    const odd = { ...record('a-1', 1), load: 'high', gateway: 7, startedMs: 'now', beat: -1 }
    expect(decodeNode('a-1', Buffer.from(JSON.stringify(odd)))).toMatchObject({
      load: { cpu: 0, turns: 0, queue: 0 },
      gateway: '',
      startedMs: 0,
      beat: 0,
    })
  })
})

describe('a key', () => {
  const nodes = ['a-1', 'b-2', 'c-3', 'd-4']
  const keys = Array.from({ length: 4000 }, (_, index) => `cron/acme/service-${index}`)

  test('falls to the same node whatever the order they are known in', () => {
    const other = nodes.toReversed()
    expect(keys.every((key) => rendezvous(key, nodes) === rendezvous(key, other))).toBe(true)
    expect(rendezvous('key', [])).toBeUndefined()
  })

  test('falls to each of them about as often', () => {
    const counts = new Map(nodes.map((node) => [node, 0]))
    for (const key of keys)
      counts.set(rendezvous(key, nodes) ?? '', (counts.get(rendezvous(key, nodes) ?? '') ?? 0) + 1)
    for (const count of counts.values()) expect(Math.abs(count - 1000)).toBeLessThan(150)
  })

  test('stays where it is when another node goes', () => {
    const left = nodes.slice(1)
    for (const key of keys) {
      const before = rendezvous(key, nodes)
      if (before !== 'a-1') expect(rendezvous(key, left)).toBe(before)
    }
  })
})
