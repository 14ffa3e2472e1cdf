/** Channels and broadcasts within one place: the library that guests and the host share. */
import { describe, expect, test } from 'vitest'
import { broadcast, channel, select } from '../../host/index.ts'
import { outcomeOf } from './support.ts'

const CLOSED = { error: 'VELA_CHANNEL_CLOSED' }

describe('a channel', () => {
  test('keeps the order of each sender, and makes them wait when it is full', async () => {
    const jobs = channel<string>({ capacity: 3 })
    const senders = ['a', 'b', 'c'].map(async (name) => {
      for (let index = 0; index < 200; index++) {
        await jobs.send(`${name}${index}`)
        expect(jobs.size).toBeLessThanOrEqual(3)
      }
    })
    const got: string[] = []
    const receiving = (async () => {
      for await (const value of jobs) got.push(value)
    })()
    await Promise.all(senders)
    jobs.close()
    await receiving
    for (const name of ['a', 'b', 'c'])
      expect(got.filter((value) => value.startsWith(name))).toEqual(
        Array.from({ length: 200 }, (_, index) => `${name}${index}`),
      )
  })

  test('passes values on as they are', async () => {
    const jobs = channel<object>()
    const value = { work: () => 1 }
    await jobs.send(value)
    expect(await jobs.receive()).toBe(value)
  })

  test('that is full says no to a try, and lets who waits in as soon as a value is taken', async () => {
    const jobs = channel<number>({ capacity: 1 })
    expect([jobs.trySend(1), jobs.trySend(2)]).toEqual([true, false])
    const waiting = jobs.send(3)
    expect(await outcomeOf(waiting)).toBe('waits')
    expect([await jobs.receive(), jobs.size]).toEqual([1, 1])
    expect(await outcomeOf(waiting)).toEqual({ value: undefined })
  })

  test('that is closed still gives what stands in it, then its reason', async () => {
    const jobs = channel<number>({ capacity: 2 })
    await jobs.send(1)
    await jobs.send(2)
    const waiting = jobs.send(3)
    const reason = new Error('no more')
    jobs.close(reason)
    jobs.close('again')
    expect(await outcomeOf(waiting)).toEqual(CLOSED)
    expect(jobs.trySend(4)).toBe(false)
    expect(await outcomeOf(jobs.send(4))).toEqual(CLOSED)
    expect([await jobs.receive(), jobs.poll()?.value]).toEqual([1, 2])
    const error: unknown = await jobs.receive().catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'VELA_CHANNEL_CLOSED', cause: reason })
    expect(() => jobs.poll()).toThrow('The channel is closed: no more')
    expect(await outcomeOf(Array.fromAsync(jobs))).toEqual(CLOSED)
  })

  test('whose loop waits when it is closed ends it, or fails it', async () => {
    for (const reason of [undefined, 'done', new Error('broken')]) {
      const jobs = channel()
      const loops = [Array.fromAsync(jobs), Array.fromAsync(jobs)]
      jobs.close(reason)
      const expected = reason instanceof Error ? CLOSED : { value: [] }
      expect(await Promise.all(loops.map(outcomeOf))).toEqual([expected, expected])
    }
  })

  test('forgets who gave up waiting, on either side', async () => {
    const jobs = channel<number>({ capacity: 1 })
    const stop = new AbortController()
    const receiving = jobs.receive({ signal: stop.signal })
    stop.abort(new Error('enough'))
    expect(await outcomeOf(receiving)).toEqual({ error: 'enough' })
    await jobs.send(1)
    const again = new AbortController()
    const sending = jobs.send(2, { signal: again.signal })
    again.abort(new Error('enough'))
    expect(await outcomeOf(sending)).toEqual({ error: 'enough' })
    expect([await jobs.receive(), jobs.size]).toEqual([1, 0])
    expect(await outcomeOf(jobs.send(3, { signal: stop.signal }))).toEqual({ error: 'enough' })
    expect(jobs.size).toBe(0)
  })

  test.each([0, -1, 1.5, Number.NaN, Infinity, '3', 1_000_001])('has no capacity of %j', (capacity) => {
    expect(() => channel({ capacity: capacity as number })).toThrow(RangeError)
    expect(() => broadcast({ capacity: capacity as number })).toThrow(RangeError)
  })

  test('can be waited for beside others: select takes from the one that is ready, and nothing from the rest', async () => {
    const [one, two] = [channel<number>(), channel<string>()]
    const first = select({ one, two })
    await two.send('b')
    expect(await first).toEqual({ key: 'two', value: 'b' })
    await Promise.all([one.send(1), two.send('c')])
    expect(await select({ one, two })).toEqual({ key: 'one', value: 1 })
    expect([one.size, two.size]).toEqual([0, 1])
    one.close()
    expect(await outcomeOf(select({ one, never: new Promise(() => undefined) }))).toEqual(CLOSED)
  })
})

describe('a broadcast', () => {
  test('gives each receiver every value from when it came, until it leaves', async () => {
    const news = broadcast<number>({ capacity: 4 })
    await news.send(0)
    const [one, two] = [news.receiver(), news.receiver()]
    await news.send(1)
    const late = news.receiver()
    await news.send(2)
    expect([await one.receive(), await one.receive()]).toEqual([1, 2])
    two.close()
    news.close()
    expect(await Array.fromAsync(late)).toEqual([2])
    expect(await outcomeOf(two.receive())).toEqual(CLOSED)
    expect(news.receivers).toBe(0)
  })

  test('waits for its slowest receiver, also if that is one of many, until it takes or leaves', async () => {
    const news = broadcast<number>({ capacity: 1 })
    const [quick, slow] = [news.receiver(), news.receiver()]
    await news.send(1)
    expect(await quick.receive()).toBe(1)
    const second = news.send(2)
    expect(news.trySend(3)).toBe(false)
    expect(await outcomeOf(second)).toBe('waits')
    expect(await slow.receive()).toBe(1)
    expect(await outcomeOf(second)).toEqual({ value: undefined })
    const third = news.send(3)
    expect(await quick.receive()).toBe(2)
    expect(await outcomeOf(third)).toBe('waits')
    slow.close()
    expect(await outcomeOf(third)).toEqual({ value: undefined })
    expect(await quick.receive()).toBe(3)
  })

  test('that drops tells a slow receiver how much it missed', async () => {
    const news = broadcast<number>({ capacity: 2, slow: 'drop' })
    const slow = news.receiver()
    for (const value of [1, 2, 3, 4, 5]) await news.send(value)
    expect([slow.dropped, slow.size, await slow.receive(), await slow.receive()]).toEqual([3, 2, 4, 5])
  })

  test('lets go of a loop that is left', async () => {
    const news = broadcast<number>({ capacity: 1 })
    const loop = (async () => {
      for await (const value of news) if (value === 2) break
    })()
    await news.send(1)
    await news.send(2)
    await loop
    expect(news.receivers).toBe(0)
    for (const value of [3, 4, 5]) await news.send(value)
  })

  test('ends who waits to send when it is closed', async () => {
    const news = broadcast<number>({ capacity: 1 })
    const slow = news.receiver()
    await news.send(1)
    const waiting = news.send(2)
    news.close(new Error('over'))
    expect(await outcomeOf(waiting)).toEqual(CLOSED)
    expect(await slow.receive()).toBe(1)
    expect(await outcomeOf(slow.receive())).toEqual(CLOSED)
  })
})
