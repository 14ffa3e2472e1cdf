/** What durable subscriptions take of memory and disk, over every log: what is read ahead, kept, removed and refused. */
import { expect, test } from 'vitest'
import type { DurableLog } from '../../host/events/durable/log.ts'
import { until } from '../until.ts'
import { dataOf, describeLogs, each, engineOn, eventOf, QUICK } from './logs.ts'

describeLogs('the room of durable subscriptions', (open) => {
  test('one that is stuck holds nobody else, nor reads ahead without bound', async () => {
    const log = await open()
    const engine = engineOn(log)
    let reads = 0
    const stuck = engine.subscribe(
      'acme',
      'a',
      each(() => new Promise(() => (reads += 1))),
      {
        ...QUICK,
        name: 'stuck',
        concurrency: 3,
        capacity: 10,
      },
    )
    let handled = 0
    await engine.subscribe(
      'acme',
      'a',
      each(() => (handled += 1)),
      { ...QUICK, name: 'quick' },
    ).ready
    await Promise.all(Array.from({ length: 500 }, (_, data) => engine.publish(eventOf('a', data))))
    await until('the other has all', () => handled === 500)
    await until('it has begun', () => stuck.stats().running === 3)
    expect(reads).toBe(3)
    expect(stuck.stats().waiting).toBeLessThanOrEqual(7)
    expect(await engine.consumers('acme')).toMatchObject([
      { consumer: 'quick' },
      { consumer: 'stuck', inFlight: 3, lag: 500 },
    ])
    await engine.close()
  })

  test('many that are stuck share what their tenant may have in memory', async () => {
    const log = await open()
    const engine = engineOn(log)
    const stuck = Array.from({ length: 64 }, (_, index) =>
      engine.subscribe(
        'acme',
        'a',
        each(() => new Promise(() => undefined)),
        { ...QUICK, name: `stuck${index}`, capacity: 100 },
      ),
    )
    await Promise.all(stuck.map(({ ready }) => ready))
    const text = 'x'.repeat(200_000)
    for (let count = 0; count < 15; count++) await engine.publish(eventOf('a', text))
    await until('each has begun', () => stuck.every((each) => each.stats().running === 1))
    // Who is not kept from it has read all of them by then.
    const alone = engine.subscribe(
      'globex',
      'a',
      each(() => new Promise(() => undefined)),
      { ...QUICK, name: 'alone', capacity: 100 },
    )
    for (let count = 0; count < 15; count++) await engine.publish(eventOf('a', text, { tenant: 'globex' }))
    await until('one alone reads far', () => alone.stats().waiting >= 9)
    const held = stuck.reduce((sum, each) => sum + each.stats().waiting + each.stats().running, 0)
    expect(held * text.length).toBeLessThan(32 * 1024 * 1024 + 64 * 200_010)
    await engine.close()
  })

  test('what every consumer has handled is removed from the log, and nothing that one still needs', async () => {
    const log = await open()
    const engine = engineOn(log)
    let isHeld = true
    let handled = 0
    const slow = each((delivery) => {
      if (isHeld && dataOf(delivery) === 150) throw new Error('not yet')
    })
    engine.subscribe('acme', 'a', slow, {
      ...QUICK,
      name: 'slow',
      retries: 1_000,
      backoffMs: 5,
      capacity: 400,
    })
    engine.subscribe(
      'acme',
      '>',
      each(() => (handled += 1)),
      { ...QUICK, name: 'quick' },
    )
    // It wants nothing of all this, and must not hold it.
    engine.subscribe(
      'acme',
      'never',
      each(() => undefined),
      { ...QUICK, name: 'idle' },
    )
    await Promise.all(Array.from({ length: 300 }, (_, data) => engine.publish(eventOf('a', data))))
    await until('what is handled is gone', async () => (await log.usage('acme')).first === 151)
    expect(handled).toBe(300)
    isHeld = false
    await until('all is gone', async () => (await log.usage('acme')).events === 0)
    await engine.close()
  })

  test('removing what is handled takes its time however busy the consumers are', async () => {
    const log = await open()
    let [looks, saves] = [0, 0]
    const watched: DurableLog = {
      ...log,
      usage: (tenant) => ((looks += 1), log.usage(tenant)),
      async openCursor(...given) {
        const cursor = await log.openCursor(...given)
        return { ...cursor, state: cursor.state, save: (state) => ((saves += 1), cursor.save(state)) }
      },
    }
    const engine = engineOn(watched, { trimEveryMs: 200 })
    const handler = each(() => new Promise((resolve) => setTimeout(resolve, 1)))
    const subscription = engine.subscribe('acme', 'a', handler, { ...QUICK, name: 'c', concurrency: 4 })
    await subscription.ready
    const start = performance.now()
    while (performance.now() - start < 600 || looks === 0)
      await Promise.all(Array.from({ length: 8 }, () => engine.publish(eventOf('a'))))
    const ms = performance.now() - start
    expect(looks).toBeLessThanOrEqual(Math.ceil(ms / 200) + 1)
    expect(saves).toBeLessThanOrEqual(Math.ceil(ms / 50) + looks + 1)
    await engine.close()
  })

  test('a full log says so, takes more when its consumers have caught up, and forgets what nobody waits for', async () => {
    const log = await open({ quotaBytes: 128 * 1024 })
    const engine = engineOn(log)
    const big = (data = 'x'.repeat(8_000)): Promise<unknown> => engine.publish(eventOf('a', data))
    const publishUntilFull = async (): Promise<unknown> => {
      for (let count = 0; count < 100; count++)
        try {
          await big()
        } catch (thrown) {
          return thrown
        }
      return undefined
    }
    const gate = Promise.withResolvers<void>()
    await engine.subscribe(
      'acme',
      'a',
      each(() => gate.promise),
      { ...QUICK, name: 'c' },
    ).ready
    expect(await publishUntilFull()).toMatchObject({ code: 'VELA_EVENTS_FULL' })
    gate.resolve()
    await until('there is room again', () =>
      big().then(
        () => true,
        () => false,
      ),
    )
    await engine.forget('acme', 'c')
    // Nobody is subscribed: the older half makes room.
    for (let count = 0; count < 50; count++)
      await until('there is room', () =>
        big().then(
          () => true,
          () => false,
        ),
      )
    await engine.close()
  })
})
