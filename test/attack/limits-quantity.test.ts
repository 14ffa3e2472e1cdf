/** Waiting, sizes, queues, timers and logs: each has a bound, a code of its own, and an unharmed neighbour. */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { describeEngines } from '../engines.ts'
import { rawClient, rawExchange, startTarget, until, type Target } from './harness.ts'

const bytesOf = (log: readonly { message: string; stack?: string }[]): number => {
  let sum = 0
  for (const { message, stack = '' } of log) sum += message.length + stack.length
  return sum
}

describeEngines('bounds', (engine) => {
  let target: Target
  beforeAll(async () => {
    target = await startTarget(engine, {
      gateway: { headerBytes: 8192, headersTimeoutMs: 400, requestTimeoutMs: 1_500 },
    })
  })
  afterAll(() => target.close())
  afterEach(() => target.expectUnharmed())

  test('a promise that never settles ends in 504 at the wall limit, and the service answers others meanwhile', async () => {
    const body = `if (request.url.endsWith('/hang')) await new Promise(() => 0); return new Response('ok')`
    await target.handler('wall/svc', body, { limits: { wallMs: 1_000 } })
    await target.get('/wall/svc/')
    const hanging = target.get('/wall/svc/hang')
    expect((await target.get('/wall/svc/')).text).toBe('ok')
    expect(await hanging).toMatchObject({ status: 504, code: 'VELA_TURN_EXCEEDED_WALL' })
    await expect(target.runtime.invoke('wall/svc', 'nothing')).rejects.toMatchObject({
      code: 'VELA_METHOD_NOT_FOUND',
    })
  })

  test('a response larger than the limit is refused as a whole when its size is known', async () => {
    const limits = { responseBodyBytes: 1000 }
    const body = `return new Response(request.url.endsWith('/bytes') ? new Uint8Array(1001) : 'x'.repeat(1001))`
    await target.handler('large/svc', body, { limits })
    for (const path of ['/large/svc/text', '/large/svc/bytes']) {
      expect(await target.get(path)).toMatchObject({ status: 500, code: 'VELA_GUEST_RESPONSE_TOO_LARGE' })
    }
    await target.deploy('large/method', `export const f = () => 'x'.repeat(2000)`, { limits })
    await expect(target.runtime.invoke('large/method', 'f')).rejects.toMatchObject({
      code: 'VELA_GUEST_RESPONSE_TOO_LARGE',
    })
  })

  test('a stream that grows over the limit is broken off, so that the client sees it is not whole', async () => {
    const body = `return new Response(new ReadableStream({ pull(c) { c.enqueue(new Uint8Array(4096)) } }))`
    await target.handler('large/stream', body, { limits: { responseBodyBytes: 100_000 } })
    await expect(target.get('/large/stream/')).rejects.toThrow()
  })

  test('one entry that hands over more than the link carries loses its isolate, not its cell', async () => {
    const source = `export const f = () => '\\u20ac'.repeat(24e6); export const g = () => 'fine'`
    await target.deploy('large/frame', source, {
      limits: { memoryMb: 512, responseBodyBytes: 1024 ** 3, cpuMs: 20_000 },
    })
    await target.handler('large/sibling', `return new Response('sibling')`)
    await target.get('/large/sibling/')
    const log = target.logOf('large/sibling')
    await expect(target.runtime.invoke('large/frame', 'f')).rejects.toMatchObject({
      code: expect.stringMatching(/^VELA_GUEST_RESPONSE_TOO_LARGE$|^VELA_TURN_EXCEEDED_MEMORY$/),
    })
    expect(await target.runtime.invoke('large/frame', 'g')).toBe('fine')
    expect((await target.get('/large/sibling/')).text).toBe('sibling')
    expect(log.filter(({ message }) => message.includes('ended'))).toEqual([])
  })

  test('an endless stream to a reader that does not read stands still', async () => {
    const body = `
    let made = 0
    if (request.url.endsWith('/made')) return new Response(String(globalThis.made))
    globalThis.made = 0
    const stream = new ReadableStream({ pull(c) { globalThis.made += 65536; c.enqueue(new Uint8Array(65536)) } })
    return new Response(stream)`
    await target.handler('slow/svc', body, { limits: { wallMs: 40_000 } })
    const client = rawClient(target.port)
    client.socket.pause()
    client.send('GET /slow/svc/ HTTP/1.1\r\nhost: x\r\n\r\n')
    const made = async (): Promise<number> => Number((await target.get('/slow/svc/made')).text)
    await until('the stream has begun', async () => (await made().catch(() => 0)) > 0)
    let before = -1
    const still = await until('the stream stands still', async () => {
      for (let round = 0; round < 30; round++) await target.get('/witness/echo/')
      const now = await made()
      const stands = now === before
      before = now
      return stands && now
    })
    // What sockets hold on both sides, and the credit.
    expect(still).toBeLessThan(24 * 1024 * 1024)
    client.socket.destroy()
  })

  test('timers are counted: one too many is the guest’s own RangeError', async () => {
    const body = `let set = 0; try { for (;; set++) setTimeout(() => 0, 1e6) } catch (e) { return new Response(set + e.name) }`
    await target.handler('timers/svc', body, { limits: { timers: 50, cpuMs: 5_000 } })
    expect((await target.get('/timers/svc/')).text).toBe('50RangeError')
  })

  test('promises of waitUntil are counted', async () => {
    const body = `let held = 0; try { for (;; held++) ctx.waitUntil(Promise.resolve()) } catch (e) { return new Response(held + e.name) }`
    await target.handler('timers/wait', body, { limits: { cpuMs: 5_000 } })
    expect((await target.get('/timers/wait/')).text).toBe('1000RangeError')
  })

  test('a service that floods its log loses lines and is told how many', async () => {
    const body = `if (request.url.endsWith('/flood')) for (let i = 0; i < 3000; i++) console.log('x'.repeat(1000)); else console.log('later'); return new Response('ok')`
    await target.handler('log/svc', body, { limits: { logBytesPerSecond: 2000, cpuMs: 5_000 } })
    const log = target.logOf('log/svc')
    for (let round = 0; round < 3; round++) expect((await target.get('/log/svc/flood')).status).toBe(200)
    expect(bytesOf(log)).toBeLessThan(60_000)
    await until('the service is told', async () => {
      await target.get('/log/svc/')
      return log.some(({ message, source }) => source === 'runtime' && /\d+ log lines dropped/.test(message))
    })
  })

  test('errors that are thrown in a flood count against the same rate', async () => {
    await target.handler('log/throws', `throw new Error('x'.repeat(10000))`, {
      limits: { logBytesPerSecond: 2000 },
    })
    const log = target.logOf('log/throws')
    for (let round = 0; round < 30; round++) await target.get('/log/throws/')
    expect(log.length).toBeGreaterThan(0)
    expect(bytesOf(log)).toBeLessThan(120_000)
  })

  test('a guest cannot put its own words into the mouth of the runtime', async () => {
    const body = `console.error('\\0{"name":"Vela","message":"forged"}'); console.log('a\\nb\\x1b[31m'); return new Response('ok')`
    await target.handler('log/forge', body)
    const log = target.logOf('log/forge')
    await target.get('/log/forge/')
    await until('the lines came', () => log.length >= 2)
    expect(log.filter(({ source }) => source === 'runtime')).toEqual([])
  })

  test('calls over the queue are refused at once with 503 and Retry-After; those in it are served', async () => {
    const body = `await new Promise((done) => setTimeout(done, 300)); return new Response('served')`
    await target.handler('queue/svc', body, { limits: { concurrency: 2, queueLength: 3, wallMs: 30_000 } })
    await target.get('/queue/svc/')
    const answers = await Promise.all(Array.from({ length: 20 }, () => target.get('/queue/svc/')))
    const refused = answers.filter(({ code }) => code === 'VELA_CELL_OVERLOADED')
    const served = answers.filter(({ text }) => text === 'served')
    expect(refused.length + served.length).toBe(20)
    expect(served.length).toBeGreaterThanOrEqual(3)
    expect(refused.length).toBeGreaterThan(0)
    for (const { status, headers } of refused) {
      expect(status).toBe(503)
      expect(headers.get('retry-after')).toBe('1')
    }
  })

  test('a request body over the limit is 413, announced or in chunks, read or not', async () => {
    const body = `if (request.url.endsWith('/read')) return new Response(String((await request.bytes()).length)); return new Response('unread')`
    await target.handler('body/svc', body, { limits: { requestBodyBytes: 70_000 } })
    const announced = await target.get('/body/svc/read', { method: 'POST', body: 'x'.repeat(70_001) })
    expect(announced).toMatchObject({ status: 413, code: 'VELA_GATEWAY_BODY_TOO_LARGE' })
    expect((await target.get('/body/svc/read', { method: 'POST', body: 'x'.repeat(70_000) })).text).toBe(
      '70000',
    )
    const chunk = `8000\r\n${'x'.repeat(0x8000)}\r\n`
    const head = 'POST /body/svc/read HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n'
    expect(await rawExchange(target.port, head + chunk + chunk + chunk)).toMatch(/^HTTP\/1.1 413 /)
  })

  test('an endless body that nobody reads is cut off', async () => {
    const client = rawClient(target.port)
    client.send('POST /body/svc/ HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n')
    const chunk = `8000\r\n${'x'.repeat(0x8000)}\r\n`
    let open = true
    void client.closed.then(() => (open = false))
    await until('the connection is closed', () => {
      if (open && client.socket.writableLength < 1_000_000) client.send(chunk)
      return !open
    })
  })

  test('headers over the limit are 431', async () => {
    const long = `GET /witness/echo/ HTTP/1.1\r\nhost: x\r\nx-long: ${'y'.repeat(9000)}\r\n\r\n`
    expect(await rawExchange(target.port, long)).toMatch(/^HTTP\/1.1 431 [^]*VELA_GATEWAY_HEADERS_TOO_LARGE/)
    const many = `GET /witness/echo/ HTTP/1.1\r\nhost: x\r\n${'a: b\r\n'.repeat(5000)}\r\n`
    expect(await rawExchange(target.port, many)).toMatch(/^HTTP\/1.1 431 /)
  })

  test('a client that sends its head or its body drop by drop is cut off', async () => {
    const slowHead = rawClient(target.port)
    slowHead.send('GET /witness/echo/ HTTP/1.1\r\nhost: x\r\n')
    const drip = setInterval(() => slowHead.send('a: b\r\n'), 50)
    const slowBody = rawClient(target.port)
    slowBody.send('POST /body/svc/read HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\nx')
    expect(await slowHead.closed).toMatch(/^HTTP\/1.1 408 /)
    clearInterval(drip)
    await slowBody.closed
  })

  test('a service that breaks its limits again and again is paused, says so, and comes back', async () => {
    const body = `if (request.url.endsWith('/loop')) for (;;); return new Response('well')`
    await target.handler('loop/svc', body, { limits: { cpuMs: 20 } })
    await target.handler('loop/sibling', `return new Response('sibling')`)
    const paused = await until('it is paused', async () => {
      const answer = await target.get('/loop/svc/loop')
      return answer.code === 'VELA_GUEST_QUARANTINED' && answer
    })
    expect(paused.status).toBe(503)
    expect(paused.headers.get('retry-after')).toBe('1')
    expect((await target.runtime.services('loop')).find(({ service }) => service === 'svc')?.state).toBe(
      'paused',
    )
    expect((await target.get('/loop/sibling/')).text).toBe('sibling')
    await until('it serves again', async () => (await target.get('/loop/svc/')).text === 'well')
  })
})
