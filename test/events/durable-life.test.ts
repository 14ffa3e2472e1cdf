/** The life of durable subscriptions, over every log: where they go on, who runs them, and what of the log goes with them. */
import { expect, test } from 'vitest'
import { VelaError } from '../../host/core/errors.ts'
import type { Assignment } from '../../host/events/durable/consumer.ts'
import { until } from '../until.ts'
import { dataOf, describeLogs, each, engineOn, eventOf, QUICK } from './logs.ts'

describeLogs('a durable subscription', (open) => {
  test('goes on where it was when it ended, with the attempts it had made', async () => {
    const log = await open()
    const first = engineOn(log)
    const seen: string[] = []
    await Promise.all([1, 2, 3].map((data) => first.publish(eventOf('a', data, { key: `k${data}` }))))
    const before = first.subscribe(
      'acme',
      'a',
      each((delivery) => {
        seen.push(`${dataOf(delivery)}.${delivery.attempt}`)
        if (dataOf(delivery) === 2) throw new Error('not here')
      }),
      { ...QUICK, name: 'c', concurrency: 3, retries: 10, backoffMs: 10 },
    )
    await until(
      'two are handled, and one was tried',
      () => before.stats().delivered === 2 && seen.includes('2.2'),
    )
    await first.drain(1_000)
    const tried = Math.max(...seen.filter((one) => one.startsWith('2.')).map((one) => Number(one.slice(2))))
    await first.close()

    const second = engineOn(log)
    const after: string[] = []
    second.subscribe(
      'acme',
      'a',
      each((delivery) => after.push(`${dataOf(delivery)}.${delivery.attempt}`)),
      {
        ...QUICK,
        name: 'c',
      },
    )
    await second.publish(eventOf('a', 4))
    await until('the rest is handled', () => after.length === 2)
    expect(new Set(after)).toEqual(new Set([`2.${tried + 1}`, '4.1']))
    await second.close()
  })

  test('a successor of its name waits for what is under way, and handles nothing twice', async () => {
    const engine = engineOn(await open())
    const gate = Promise.withResolvers<void>()
    const got: string[] = []
    const subscribe = (who: string, wait?: Promise<void>): ReturnType<typeof engine.subscribe> =>
      engine.subscribe(
        'acme',
        'a',
        each(async (delivery) => {
          got.push(`${who} ${dataOf(delivery)}`)
          await wait
        }),
        { ...QUICK, name: 'c' },
      )
    const old = subscribe('old', gate.promise)
    expect(() => subscribe('twin')).toThrow(VelaError)
    await engine.publish(eventOf('a', 1))
    await engine.publish(eventOf('a', 2))
    await until('one is under way', () => got.length === 1)
    void old.unsubscribe()
    const next = subscribe('new')
    expect(next.state).toBe('starting')
    gate.resolve()
    await until('the next goes on', () => next.stats().delivered === 1)
    expect(got).toEqual(['old 1', 'new 2'])
    await engine.close()
  })

  test('can be forgotten, and begins anew', async () => {
    const engine = engineOn(await open())
    const got: number[] = []
    const subscribe = (): ReturnType<typeof engine.subscribe> =>
      engine.subscribe(
        'acme',
        'a',
        each((delivery) => got.push(dataOf(delivery))),
        { ...QUICK, name: 'c', from: 'new' },
      )
    await subscribe().ready
    await engine.publish(eventOf('a', 1))
    await engine.publish(eventOf('a', 2))
    await until('they are handled', () => got.length === 2)
    await engine.forget('acme', 'c')
    expect(await engine.consumers('acme')).toEqual([])
    await engine.publish(eventOf('a', 3))
    await subscribe().ready
    await engine.publish(eventOf('a', 4))
    await until('it begins anew', () => got.length === 3)
    expect(got).toEqual([1, 2, 4])
    await expect(engine.remove('acme', 'nobody')).rejects.toMatchObject({
      code: 'VELA_EVENTS_CONSUMER_NOT_FOUND',
    })
    await engine.close()
  })

  test('runs on the host that it is assigned to, and moves without losing or overlapping', async () => {
    const log = await open()
    let owner = 'left'
    const callbacks = new Set<() => void>()
    const assignment = (host: string): Assignment => ({
      isMine: () => owner === host,
      onChange(callback) {
        callbacks.add(callback)
        return () => callbacks.delete(callback)
      },
    })
    const got: [string, number][] = []
    const hosts = ['left', 'right'].map((host) => {
      const engine = engineOn(log, { assignment: assignment(host) })
      const handler = each((delivery) => got.push([host, dataOf(delivery)]))
      return { engine, subscription: engine.subscribe('acme', 'a', handler, { ...QUICK, name: 'c' }) }
    })
    for (let data = 0; data < 60; data++) {
      if (data % 20 === 19) {
        owner = owner === 'left' ? 'right' : 'left'
        for (const callback of callbacks) callback()
      }
      await hosts[0]!.engine.publish(eventOf('a', data, { key: 'k' }))
    }
    await until('all are handled', () => new Set(got.map(([, data]) => data)).size === 60)
    expect(new Set(got.map(([host]) => host))).toEqual(new Set(['left', 'right']))
    expect(hosts.map(({ subscription }) => subscription.state).sort()).toEqual(['elsewhere', 'running'])
    for (const { engine } of hosts) await engine.close()
  })

  test('who is fenced stops, and comes back if it is still its own to run', async () => {
    const log = await open()
    const engine = engineOn(log)
    const got: number[] = []
    const subscription = engine.subscribe(
      'acme',
      'a',
      each((delivery) => got.push(dataOf(delivery))),
      {
        ...QUICK,
        name: 'c',
      },
    )
    await subscription.ready
    await log.openCursor('acme', 'c', 'all')
    await engine.publish(eventOf('a', 1))
    await until('it is back, and handles it', async () => {
      const [cursor] = await log.cursors('acme')
      return got.length > 0 && cursor?.state.position === 1
    })
    expect(new Set(got)).toEqual(new Set([1]))
    await engine.close()
  })

  test('deleting a tenant ends its consumers and all it has', async () => {
    const log = await open()
    const engine = engineOn(log)
    const got: number[] = []
    const handler = each((delivery) => got.push(dataOf(delivery)))
    const subscription = engine.subscribe('acme', 'a', handler, { ...QUICK, name: 'c' })
    await engine.publish(eventOf('a', 1))
    await until('it is handled', () => got.length === 1)
    await engine.leaveTenant('acme')
    expect([subscription.state, (await log.cursors('acme')).length]).toEqual(['ended', 1])
    await engine.deleteTenant('acme')
    expect([subscription.state, await log.tenants()]).toEqual(['ended', []])
    expect(await engine.consumers('acme')).toEqual([])
    await engine.close()
    await expect(engine.publish(eventOf('a'))).rejects.toMatchObject({ code: 'VELA_GATEWAY_DRAINING' })
  })
})
