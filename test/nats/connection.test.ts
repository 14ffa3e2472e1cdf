/** A connection to a real server: there, lost, frozen, back; and a host on it. */
import { describe, expect, test } from 'vitest'
import { Runtime } from '../../host/core/runtime.ts'
import { become, createTestLog, open } from './open.ts'
import { startNats } from './server.ts'

describe('a connection', () => {
  test('down at start: it goes on without, says so, and is there as soon as the server is', async () => {
    const server = await startNats()
    await server.kill()
    const log = createTestLog()
    const nats = await open({ servers: [server.url], connectTimeoutMs: 200 }, log)
    expect(nats.state).toBe('lost')
    expect(nats.health()).toMatchObject({
      status: 'degraded',
      nats: 'lost',
      problem: expect.stringContaining('cannot be reached'),
    })
    expect(() => nats.connection).toThrow(expect.objectContaining({ code: 'VELA_CLUSTER_UNAVAILABLE' }))
    await expect(nats.whenConnected(20)).rejects.toMatchObject({ code: 'VELA_CLUSTER_UNAVAILABLE' })
    await expect(nats.kv('vela-x')).rejects.toMatchObject({ code: 'VELA_CLUSTER_UNAVAILABLE' })
    // It does not fill the log with what has not changed.
    expect(log.lines.filter(({ event }) => event === 'nats unavailable').length).toBeLessThan(4)

    const heard = Promise.withResolvers<string>()
    nats.subscribe('vela.test.*', (message) => heard.resolve(message.string()))
    await server.restart()
    await nats.whenConnected(10_000)
    expect(nats.health()).toEqual({ status: 'ok', nats: 'connected' })
    nats.connection.publish('vela.test.x', 'made before there was a connection')
    expect(await heard.promise).toBe('made before there was a connection')
    await nats.close()
    await server.stop()
  })

  test('lost in mid-run: told once each way, and subscriptions, buckets and the connection are the same ones', async () => {
    const server = await startNats()
    const nats = await open({ servers: [server.url] })
    const states: string[] = []
    nats.onState((state) => states.push(state))
    const received: string[] = []
    const arrived = Promise.withResolvers<void>()
    const end = nats.subscribe('vela.test', (message) => {
      received.push(message.string())
      if (received.length === 2) arrived.resolve()
    })
    const { connection } = nats
    const bucket = await nats.kv('vela-x')
    await bucket.put('key', 'stored')
    connection.publish('vela.test', 'before')
    await connection.flush()

    await server.kill()
    await become(nats, 'lost')
    expect(nats.health()).toMatchObject({ status: 'degraded', problem: expect.stringContaining('is lost') })
    await server.restart()
    await nats.whenConnected(10_000)
    expect(nats.connection).toBe(connection)
    connection.publish('vela.test', 'after')
    await arrived.promise
    expect(received).toEqual(['before', 'after'])
    expect((await bucket.get('key'))?.string()).toBe('stored')
    expect(states).toEqual(['lost', 'connected'])

    end()
    connection.publish('vela.test', 'to nobody')
    await connection.flush()
    expect(received).toHaveLength(2)
    await nats.close()
    await server.stop()
  })

  test('a server that is frozen is a lost one, and ends no stop of the host', async () => {
    const server = await startNats()
    const nats = await open({ servers: [server.url] })
    server.pause()
    await become(nats, 'lost')
    server.resume()
    await nats.whenConnected(10_000)
    server.pause()
    const started = performance.now()
    await nats.close()
    expect(performance.now() - started).toBeLessThan(3000)
    await server.stop()
  })

  test('a listener or a message that throws harms nobody else', async () => {
    const server = await startNats()
    const log = createTestLog()
    const nats = await open({ servers: [server.url] }, log)
    nats.onState(() => {
      throw new Error('listener')
    })
    const heard: string[] = []
    nats.subscribe('vela.bad', () => {
      throw new Error('message')
    })
    nats.subscribe('vela.good', (message) => heard.push(message.string()))
    nats.connection.publish('vela.bad', 'x')
    nats.connection.publish('vela.good', 'y')
    await nats.connection.flush()
    expect(heard).toEqual(['y'])
    await nats.close()
    expect(log.lines.map(({ event }) => event)).toEqual(
      expect.arrayContaining(['nats message failed', 'nats listener failed']),
    )
    await server.stop()
  })
})

describe('a host', () => {
  test('says in health, status and metrics whether NATS is there, and serves without it', async () => {
    const server = await startNats()
    await server.kill()
    const runtime = await Runtime.create({
      data: null,
      gateway: { port: 0 },
      admin: { port: 0 },
      log: { level: 'silent' },
      cells: { spares: 0 },
      nats: { servers: [server.url], connectTimeoutMs: 50 },
    })
    const { admin } = await runtime.start()
    const health = async (): Promise<unknown> => {
      const response = await fetch(`${admin}/healthz`)
      return { http: response.status, ...((await response.json()) as object) }
    }
    expect(await health()).toEqual({ http: 200, status: 'degraded', nats: 'lost' })
    expect(runtime.health().nats?.problem).toContain('cannot be reached')
    expect(await runtime.metrics()).toContain('vela_nats_connected 0')
    await server.restart()
    const deadline = performance.now() + 20_000
    while (runtime.health().status !== 'ok' && performance.now() < deadline)
      await new Promise((resolve) => setTimeout(resolve, 20))
    expect(await health()).toEqual({ http: 200, status: 'ok', nats: 'connected' })
    expect(await runtime.metrics()).toContain('vela_nats_connected 1')
    await runtime.stop()
    await server.stop()
  })

  test('that NATS refuses does not start', async () => {
    const server = await startNats({ auth: { token: 's3cret' } })
    const created = Runtime.create({
      data: null,
      log: { level: 'silent' },
      nats: { servers: [server.url], token: 'wrong' },
    })
    await expect(created).rejects.toMatchObject({
      code: 'VELA_CLUSTER_UNAVAILABLE',
      message: expect.stringContaining('nats.token'),
    })
    await server.stop()
  })
})
