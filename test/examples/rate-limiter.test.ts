/** The rate limiter: exactly as many as may, at whatever time and in whatever process they come. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { tempDir, until, type TempDir } from '../e2e/support.ts'
import { describeEngines } from '../engines.ts'
import { atOnce, startExample, type ExampleHost } from './support.ts'

/** So slow that no token comes while a test runs, on whatever machine. */
const NEVER = 0.0001

describeEngines('the rate limiter', (engine) => {
  let host: ExampleHost
  beforeAll(async () => {
    host = await startExample('rate-limiter', { engine, vars: { PER_SECOND: NEVER } })
  })
  afterAll(() => host[Symbol.asyncDispose]())

  test('lets a burst through, counts down, and then says when to come again', async () => {
    for (const remaining of ['4', '3', '2', '1', '0']) {
      const { status, headers } = await host.get('/?key=ada')
      expect([status, headers.get('ratelimit-remaining')]).toEqual([200, remaining])
    }
    const { status, headers, body } = await host.get('/?key=ada')
    expect(status).toBe(429)
    expect(body).toMatchObject({ allowed: false, remaining: 0 })
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(9_000)
  })

  test('gives each client a bucket of its own', async () => {
    await atOnce(6, () => host.get('/?key=eve'))
    expect((await host.get('/?key=bob')).status).toBe(200)
  })

  test('allows no more of those that come at the same time than of others', async () => {
    const answers = await atOnce(30, () => host.get('/?key=grace'))
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(5)
  })

  test('answers other services by its method, out of the same bucket', async () => {
    await atOnce(4, () => host.get('/?key=joan'))
    expect(await host.runtime.invoke('demo/rate-limiter', 'check', ['joan'])).toMatchObject({
      allowed: true,
      remaining: 0,
    })
    expect((await host.get('/?key=joan')).status).toBe(429)
  })

  test('asks for the name of a client', async () => {
    for (const query of ['', '?key=', '?key=a%20b', `?key=${'a'.repeat(65)}`])
      expect((await host.get(`/${query}`)).status).toBe(400)
  })

  test('forgets a client whose bucket is full again', async () => {
    await host.redeploy({ PER_SECOND: 20 })
    await atOnce(6, () => host.get('/?key=kay'))
    await until('one may pass again', async () => (await host.get('/?key=kay')).status === 200)
    await until('the alarm has rung', () => host.log.some(({ message }) => message === 'forgot kay'))
    expect((await host.get('/?key=kay')).headers.get('ratelimit-remaining')).toBe('4')
  })
})

describe('the rate limiter', () => {
  let folder: TempDir
  beforeAll(() => {
    folder = tempDir()
  })
  afterAll(() => folder[Symbol.dispose]())

  test('forgives nobody because the host was restarted', async () => {
    const options = { engine: 'v8', vars: { PER_SECOND: NEVER }, config: { data: folder.path } } as const
    const before = await startExample('rate-limiter', options)
    await atOnce(5, () => before.get('/?key=ada'))
    await before[Symbol.asyncDispose]()
    await using after = await startExample('rate-limiter', options)
    expect((await after.get('/?key=ada')).status).toBe(429)
  })
})
