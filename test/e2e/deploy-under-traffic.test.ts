/** Deploys and rollbacks while requests come: none fails, and none sees an older version after a newer one. */
import { Agent, request as httpRequest } from 'node:http'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { handler, startRuntime, until, type TestRuntime } from './support.ts'

let host: TestRuntime
beforeAll(async () => {
  host = await startRuntime({ drainMs: 5000 })
})
afterAll(async () => host[Symbol.asyncDispose]())

/** Answers with its number; says in the log when it starts and stops. */
const numbered = (number: number): string => `export default {
  start() { console.log('start ${number}') },
  stop(reason) { console.log('stop ${number} ' + reason) },
  async fetch(request) {
    const hold = Number(new URL(request.url).searchParams.get('hold') ?? 0)
    if (hold > 0) await new Promise((resolve) => setTimeout(resolve, hold))
    return new Response('${number}')
  },
}`

interface Traffic {
  /** What each connection has seen, in order; anything but a 200 is in `failures`. */
  readonly seen: readonly number[][]
  readonly failures: readonly string[]
  stop(): Promise<void>
}

function startTraffic(url: string, connections: number): Traffic {
  const seen: number[][] = []
  const failures: string[] = []
  let stopped = false
  const connection = async (agent: Agent, mine: number[]): Promise<void> => {
    while (!stopped) {
      try {
        const { status, body } = await get(url, agent)
        if (status === 200) mine.push(Number(body))
        else failures.push(`${status} ${body}`)
      } catch (thrown) {
        failures.push(String(thrown))
      }
    }
    agent.destroy()
  }
  const running = Array.from({ length: connections }, async () => {
    const mine: number[] = []
    seen.push(mine)
    await connection(new Agent({ keepAlive: true, maxSockets: 1 }), mine)
  })
  return {
    seen,
    failures,
    async stop() {
      stopped = true
      await Promise.all(running)
    },
  }
}

function get(
  url: string,
  agent: Agent | false = false,
): Promise<{ status: number | undefined; body: string }> {
  return new Promise((resolve, reject) => {
    httpRequest(url, { agent }, (response) => {
      text(response).then((body) => resolve({ status: response.statusCode, body }), reject)
    })
      .on('error', reject)
      .end()
  })
}

const answered = (traffic: Traffic): number => traffic.seen.reduce((sum, mine) => sum + mine.length, 0)
const more = async (traffic: Traffic, count: number): Promise<void> => {
  const before = answered(traffic)
  await until(
    `${count} more answers`,
    () => answered(traffic) > before + count || traffic.failures.length > 0,
  )
}
/** Without repetitions. */
const steps = (mine: readonly number[]): number[] =>
  mine.filter((value, index) => index === 0 || value !== mine[index - 1])

describe('deploys under traffic', () => {
  test('five deploys and a rollback fail no request, and each connection sees them in order', async () => {
    const log: string[] = []
    await host.deploy('live', numbered(1))
    const untail = host.runtime.tail('t', 'live', (entry) => log.push(entry.message))
    const url = `${host.urls.gateway}/t/live/`
    const traffic = startTraffic(url, 6)
    await more(traffic, 50)
    const held = get(`${url}?hold=600`)
    await until('the long request runs', async () => (await host.runtime.services('t'))[0]?.inFlight !== 0)
    for (const number of [2, 3, 4, 5, 6]) {
      await host.deploy('live', numbered(number))
      await more(traffic, 50)
    }
    expect((await held).body).toBe('1')
    await host.runtime.rollback('t', 'live')
    await more(traffic, 50)
    await traffic.stop()

    expect(traffic.failures).toEqual([])
    for (const mine of traffic.seen) {
      const order = [1, 2, 3, 4, 5, 6, 5]
      expect(order.join()).toContain(steps(mine).join().slice(0, 1))
      expect(isSubsequence(steps(mine), order), `saw ${steps(mine).join()}`).toBe(true)
      expect(mine.at(-1)).toBe(5)
    }
    await until(
      'the old versions have stopped',
      () => log.filter((line) => line.startsWith('stop')).length === 6,
    )
    expect(log.filter((line) => line.startsWith('stop')).sort()).toEqual(
      [1, 2, 3, 4, 5, 6].map((number) => `stop ${number} replaced`),
    )
    untail()
  })

  test('deploys of one service at the same time end with one active version, which serves', async () => {
    await host.deploy('race', numbered(0))
    const traffic = startTraffic(`${host.urls.gateway}/t/race/`, 3)
    const results = await Promise.all(
      [1, 2, 3, 4, 5, 6].map((number) => host.deploy('race', numbered(number))),
    )
    await more(traffic, 20)
    await traffic.stop()
    expect(traffic.failures).toEqual([])
    const active = (await host.runtime.services('t')).find((one) => one.service === 'race')?.activeVersion
    const winner = results.findIndex(({ version }) => version === active) + 1
    expect(winner).toBeGreaterThan(0)
    expect(await (await host.get('/t/race/')).text()).toBe(String(winner))
    const [stored] = await host.runtime.registry
      .listServices('t')
      .then((all) => all.filter((one) => one.service === 'race'))
    expect(stored?.activeVersion).toBe(active)
  })

  test('of two services that deploy the same new route at the same time one is refused', async () => {
    const manifest = { routes: ['/contested/*'] }
    const results = await Promise.allSettled([
      host.deploy('first', handler('return new Response("first")'), { tenant: 'a', manifest }),
      host.deploy('second', handler('return new Response("second")'), { tenant: 'b', manifest }),
    ])
    const refused = results.filter((result) => result.status === 'rejected')
    expect(refused).toHaveLength(1)
    expect(refused[0]?.reason).toMatchObject({ code: 'VELA_DEPLOY_ROUTE_CONFLICT' })
    expect((await host.get('/contested/x')).status).toBe(200)
  })

  test('a rollback to a route that has become another’s is refused and changes nothing', async () => {
    const body = handler('return new Response("old")')
    const { version } = await host.deploy('mover', body, { manifest: { routes: ['/moved/*'] } })
    await host.deploy('mover', handler('return new Response("new")'))
    await host.deploy('taker', handler('return new Response("taken")'), {
      tenant: 'a',
      manifest: { routes: ['/moved/*'] },
    })
    await expect(host.runtime.rollback('t', 'mover', version)).rejects.toMatchObject({
      code: 'VELA_DEPLOY_ROUTE_CONFLICT',
    })
    expect(await (await host.get('/moved/x')).text()).toBe('taken')
    expect(await (await host.get('/t/mover/')).text()).toBe('new')
    const stored = (await host.runtime.registry.listServices('t')).find((one) => one.service === 'mover')
    expect(stored?.activeVersion).not.toBe(version)
  })

  test('a rollback to a version that no longer starts is refused, and the present one keeps serving', async () => {
    const { version } = await host.deploy(
      'picky',
      `
      import { env } from '@vela/guest-sdk'
      if (env.KEY !== undefined) throw new Error('KEY is set')
      export default { fetch: () => new Response('one') }`,
    )
    await host.deploy('picky', handler('return new Response("two")'))
    await host.runtime.putSecret('t', 'picky', 'KEY', 'x')
    await expect(host.runtime.rollback('t', 'picky', version)).rejects.toMatchObject({
      code: 'VELA_DEPLOY_START_THREW',
    })
    expect(await (await host.get('/t/picky/')).text()).toBe('two')
    const stored = (await host.runtime.registry.listServices('t')).find((one) => one.service === 'picky')
    expect(stored?.activeVersion).not.toBe(version)
  })

  test('a service deleted and deployed at the same time is there or not, the same for store and gateway', async () => {
    for (let round = 0; round < 5; round++) {
      await host.deploy('flicker', numbered(round))
      await Promise.allSettled([
        host.runtime.deleteService('t', 'flicker'),
        host.deploy('flicker', numbered(round + 10)),
      ])
      const stored = (await host.runtime.registry.listServices('t')).some((one) => one.service === 'flicker')
      expect((await host.get('/t/flicker/')).status).toBe(stored ? 200 : 404)
    }
  })
})

function isSubsequence(part: readonly number[], whole: readonly number[]): boolean {
  let at = 0
  for (const value of whole) if (value === part[at]) at++
  return at === part.length
}
