/** Channels between services of a tenant and the host, through real cells: what is promised holds on both engines. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startHost, type Host } from '../capabilities/support.ts'
import { describeEngines } from '../engines.ts'
import { GUEST } from './guest.ts'

let host: Host
beforeAll(async () => {
  host = await startHost({ cells: { spares: 0 } })
})
afterAll(() => host.runtime.stop())

const at = (service: string, method: string, ...args: unknown[]): string =>
  `${host.gateway}/${service}/${method}?args=${encodeURIComponent(JSON.stringify(args))}`
const call = async (service: string, method: string, ...args: unknown[]): Promise<unknown> => {
  const response = await fetch(at(service, method, ...args))
  if (response.status !== 200) throw new Error(`${method}: ${await response.text()}`)
  return await response.json()
}

describeEngines('channels between services', (engine) => {
  const tenant = `t-${engine}`
  const one = `${tenant}/one`
  const two = `${tenant}/two`
  let names = 0

  /** Two services with the ends of a channel that no other test uses. */
  const pair = async (jobs: object = {}, second: object = jobs, news: object = {}): Promise<string> => {
    const name = `jobs-${++names}`
    for (const [service, options] of [
      [one, jobs],
      [two, second],
    ] as const) {
      await host.deploy(service, GUEST, {
        engine,
        limits: { cpuMs: 5_000 },
        capabilities: {
          channels: {
            JOBS: { channel: name, ...options },
            NEWS: { channel: `news-${names}`, mode: 'broadcast', ...news },
          },
        },
      })
    }
    return name
  }

  test('values arrive in order, however the receiver takes them', async () => {
    await pair({ capacity: 8 })
    const values = Array.from({ length: 300 }, (_, index) => index)
    const sending = call(one, 'count', 0, 300)
    const taken = [
      await call(two, 'receive', 100),
      await call(two, 'slowly', 100),
      await call(two, 'receive', 100),
    ]
    expect(taken.flat()).toEqual(values)
    expect(await sending).toBe(300)
  })

  test('what is sent is more than JSON, and what cannot be cloned is refused with its place', async () => {
    await pair()
    const refused = await call(one, 'awkward')
    expect(refused).toMatchObject([
      {
        name: 'DataCloneError',
        code: 'VELA_VALUE_NOT_CLONEABLE',
        message: expect.stringContaining('a function'),
      },
      { name: 'DataCloneError' },
      { message: expect.stringContaining('value.deep[1].work') },
      { name: 'DataCloneError' },
    ])
    expect(await call(two, 'describe')).toEqual([
      '1970-01-01T00:00:00.000Z',
      ['1', 'undefined'],
      [1, 2, 3],
      '\n ü \u2028 "',
    ])
  })

  test('a full channel makes send wait and a try say no; a take lets it go on', async () => {
    const name = await pair({ capacity: 2 })
    expect(await call(one, 'trySend', 'a', 'b', 'c')).toEqual([true, true, false])
    const sending = call(one, 'send', 'd')
    const end = host.runtime.channel(tenant, name)
    expect(await end.trySend('e')).toBe(false)
    expect(await call(two, 'receive', 3)).toEqual(['a', 'b', 'd'])
    await sending
  })

  test('a close ends loops, with an error it fails them; the name can be used again', async () => {
    await pair()
    await call(one, 'send', 1, 2)
    await call(one, 'close', 'done')
    expect(await call(two, 'outcome', 'send', 3)).toMatchObject({
      code: 'VELA_CHANNEL_CLOSED',
      cause: 'done',
    })
    expect(await call(two, 'loop')).toEqual([1, 2])
    await call(one, 'send', 3)
    await call(one, 'fail', 'no more')
    expect(await call(two, 'outcome', 'receive')).toEqual({ value: 3 })
    expect(await call(two, 'outcome', 'receive')).toEqual({
      name: 'Error',
      code: 'VELA_CHANNEL_CLOSED',
      message: 'The channel is closed: no more',
      cause: 'no more',
    })
  })

  test('the host is one more end, of queues and of broadcasts', async () => {
    const name = await pair({ capacity: 4 })
    const end = host.runtime.channel<{ readonly when: Date }>(tenant, name, { capacity: 4 })
    const receiving = call(two, 'receive', 50)
    for (let index = 0; index < 50; index++) await end.send({ when: new Date(index) })
    expect(await receiving).toHaveLength(50)
    await call(one, 'send', { back: true })
    expect(await end.receive()).toEqual({ back: true })

    const news = host.runtime.channel(tenant, `news-${names}`, { mode: 'broadcast' })
    const place = news.receiver()
    const listening = [call(one, 'listen', 3), call(two, 'listen', 3)]
    const heard = Promise.all(listening)
    let isHeard = false
    void heard.then(() => (isHeard = true))
    // They listen from an unknown moment on.
    for (let index = 0; !isHeard; index++) {
      await news.send(index)
      await place.receive()
      await new Promise((resolve) => setImmediate(resolve))
    }
    for (const all of (await heard) as number[][])
      expect([all[1], all[2]]).toEqual([(all[0] as number) + 1, (all[0] as number) + 2])
    await call(two, 'publish', 'hello')
    expect(await place.receive()).toBe('hello')
  })

  test('a value too large for one call is sent in parts, and others keep their place behind it', async () => {
    await pair({ capacity: 4 })
    const [sent, sizes] = await Promise.all([call(one, 'big', 200_000), call(two, 'sizes')])
    expect([sent, sizes]).toEqual(['sent', [200_000, 'end']])
    expect(await call(one, 'tooBig')).toMatchObject({ name: 'RangeError', code: 'VELA_CAPABILITY_BAD_CALL' })
  })

  test('a send ends with its turn; what is to outlast it is given to waitUntil', async () => {
    await pair({ capacity: 4 })
    expect(await call(one, 'carelessly', 1, 2, 3)).toBe('answered')
    expect(await call(one, 'kept')).toBe('AbortError')
    expect(await call(one, 'later', 4, 5)).toBe('answered')
    expect(await call(two, 'receive', 2)).toEqual([4, 5])
  })

  test('a receive ends with its turn, and its value goes to whoever asks next', async () => {
    await pair()
    expect(await call(two, 'abandon')).toBe('answered')
    await call(one, 'send', 'for somebody')
    expect(await call(two, 'kept')).toBe('AbortError')
    expect(await call(two, 'receive', 1)).toEqual(['for somebody'])
    expect(await call(two, 'signal')).toMatchObject({ message: 'enough' })
    await call(one, 'send', 'again')
    expect(await call(two, 'receive', 1)).toEqual(['again'])
  })

  test('a loop that its signal ends, and a receive that timed out, take nothing that comes later', async () => {
    await pair()
    expect(await call(two, 'stopped')).toEqual([[1, 2], 'enough', 'VELA_TASK_TIMEOUT', 3])
  })

  test('a client that goes away ends the receive of its request', async () => {
    await pair()
    const stop = new AbortController()
    const waiting = fetch(at(two, 'receive', 1), { signal: stop.signal }).catch((error: Error) => error.name)
    await call(two, 'count', 0, 0)
    stop.abort()
    expect(await waiting).toBe('AbortError')
    await call(one, 'send', 'kept')
    expect(await call(two, 'receive', 1)).toEqual(['kept'])
  })

  test('select waits for a channel beside other things, and takes nothing from what it does not choose', async () => {
    await pair()
    expect(await call(one, 'choose')).toEqual([
      { key: 'jobs', value: 'from afar' },
      { key: 'tick', value: 'tick' },
    ])
    await call(one, 'send', 'still there')
    expect(await call(two, 'receive', 1)).toEqual(['still there'])
  })

  test('several receivers share the values, each of which arrives once', async () => {
    await pair({ capacity: 16 })
    const [, mine, yours] = (await Promise.all([
      call(one, 'count', 0, 60),
      call(one, 'slowly', 30),
      call(two, 'slowly', 30),
    ])) as [unknown, number[], number[]]
    expect([...mine, ...yours].sort((a, b) => a - b)).toEqual(Array.from({ length: 60 }, (_, index) => index))
  })

  test('an end that may only send or receive can do no more, and shows nothing of where it leads', async () => {
    const name = await pair({ access: 'send' }, { access: 'receive' })
    for (const [service, method] of [
      [one, 'receive'],
      [two, 'send'],
      [two, 'trySend'],
    ] as const)
      await expect(call(service, 'outcome', method, 1)).rejects.toThrow('VELA_GUEST_THREW')
    await call(one, 'send', 1)
    expect(await call(two, 'receive', 1)).toEqual([1])
    expect(await call(two, 'hiddenName')).not.toContain(name)
  })

  test('a grant that is revoked sends and receives nothing more', async () => {
    await pair()
    await call(one, 'send', 1)
    await host.decide(two, 'JOBS', 'revoked')
    expect(await call(two, 'outcome', 'receive')).toMatchObject({ code: 'VELA_CAPABILITY_REVOKED' })
    expect(await call(two, 'outcome', 'send', 2)).toMatchObject({ code: 'VELA_CAPABILITY_REVOKED' })
    await host.decide(two, 'JOBS', 'policy')
    expect(await call(two, 'receive', 1)).toEqual([1])
  })

  test('another tenant’s channel of the same name is another channel', async () => {
    const name = await pair()
    const other = `o-${engine}/one`
    await host.deploy(other, GUEST, { engine, capabilities: { channels: { JOBS: { channel: name } } } })
    await call(one, 'send', 'mine')
    await call(other, 'send', 'theirs')
    expect(await call(other, 'receive', 1)).toEqual(['theirs'])
    expect(await call(two, 'receive', 1)).toEqual(['mine'])
  })

  test('channels and broadcasts within the isolate have the same shape', async () => {
    await pair()
    expect(await call(one, 'local')).toEqual([20, [20, 20], ['Error', 'VELA_CHANNEL_CLOSED', null]])
  })
})

describe('two services that disagree about a channel', () => {
  test('are told so', async () => {
    for (const [service, capacity] of [
      ['d/one', 10],
      ['d/two', 20],
    ] as const)
      await host.deploy(service, GUEST, {
        capabilities: { channels: { JOBS: { channel: 'jobs', capacity } } },
      })
    await call('d/one', 'send', 1)
    expect(await call('d/two', 'outcome', 'receive')).toMatchObject({
      code: 'VELA_CAPABILITY_BAD_CALL',
      message: expect.stringContaining('"capacity": 10'),
    })
  })
})
