/** What guests do with capabilities in the benchmark, on every contender that has them: that it is done, not how fast. */
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { afterEach, describe, expect, it } from 'vitest'
import { undici } from '../../bench/contenders/node.ts'
import { createVela } from '../../bench/contenders/vela.ts'
import { workerd } from '../../bench/contenders/workerd.ts'
import { BenchError, type Contender, type Guest, type Running } from '../../bench/contract.ts'
import { guest } from '../../bench/guests.ts'
import { COUNT, type Operations, runOnce, runOperations } from '../../bench/load/operations.ts'
import { type Origin, startOrigin } from '../../bench/load/origin.ts'
import { fetchScenario } from '../../bench/scenarios/fetch.ts'
import { honoApp } from '../../bench/scenarios/hono-app.ts'
import { kv } from '../../bench/scenarios/kv.ts'
import { verifyJson } from '../../bench/scenarios/verify.ts'
import { webApi } from '../../bench/scenarios/web-api.ts'

const onLinux =
  process.platform === 'linux' && spawnSync('taskset', ['--version'], { stdio: 'ignore' }).error === undefined
const options = { seconds: 1, quick: true }
const engineProbe: Guest = {
  tenant: 'bench',
  service: 'engine',
  source: 'export default { fetch: () => Response.json({ intl: typeof Intl }) }',
}

const closing: (() => Promise<void>)[] = []
const start = async (contender: Contender, guests: readonly Guest[]): Promise<Running> => {
  const running = await contender.start(guests, fetchScenario.start)
  closing.push(() => running.stop())
  return running
}
const origin = async (): Promise<Origin> => {
  const started = await startOrigin()
  closing.push(() => started.close())
  return started
}
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})

const gets = (running: Running, generation: number): Operations => ({
  url: `${running.url('bench', 'kv')}/get`,
  parameters: () => ({ generation }),
  lanes: 64,
})
const fetches = (running: Running, { url, body }: Origin): Operations => ({
  url: `${running.url('bench', 'fetch')}/x`,
  parameters: () => ({ target: url, expected: body }),
  lanes: 64,
})
const kvPut = kv.find(({ name }) => name === 'kv-put')

describe.runIf(onLinux)('operations of guests', () => {
  it.each(['v8', 'quickjs'] as const)(
    'Vela on %s puts, gets and fetches what it was granted',
    async (engine) => {
      const guests = [...((await kvPut?.guests(options)) ?? []), ...(await fetchScenario.guests(options))]
      const running = await start(createVela(engine), [...guests, engineProbe])
      expect(running.name).toBe(engine === 'v8' ? 'vela' : 'vela-quickjs')
      // QuickJS has no Intl: so a figure of one engine cannot be the other's.
      const intl = engine === 'v8' ? 'object' : 'undefined'
      await verifyJson(running, running.url('bench', 'engine'), 200, { intl })
      await kvPut?.prepare(running)
      await runOnce(gets(running, 0))
      await expect(runOnce(gets(running, 1))).rejects.toThrow(/512 operations .* \{"right":0\}/)
      const target = await origin()
      await runOnce(fetches(running, target))
      expect(target.served()).toBe(COUNT)
    },
  )

  it('workerd keeps what is put in a Durable Object on its disk', async () => {
    const running = await start(workerd, (await kvPut?.guests(options)) ?? [])
    await kvPut?.prepare(running)
    await runOnce(gets(running, 0))
    await expect(runOnce(gets(running, 1))).rejects.toThrow(/512 operations .* \{"right":0\}/)
  })

  it('workerd and undici fetch from the origin as often as they say', async () => {
    for (const contender of [workerd, undici]) {
      const running = await start(contender, await fetchScenario.guests(options))
      const target = await origin()
      await runOnce(fetches(running, target))
      expect(target.served()).toBe(COUNT)
      await expect(runOnce(fetches(running, { ...target, body: 'another' }))).rejects.toThrow(/"right":0/)
    }
  })

  it('workerd runs the bundled example and the web API guest, and wrong answers are told', async () => {
    const app = await start(workerd, await honoApp.guests(options))
    await honoApp.prepare(app)
    await expect(honoApp.prepare(app)).rejects.toThrow(/answered 201: \{"id":4/)
    const api = await start(workerd, await webApi.guests(options))
    await webApi.prepare(api)
  })

  it('workerd has capabilities for a single guest, and says so', async () => {
    const [store] = (await kvPut?.guests(options)) ?? []
    await expect(workerd.start([guest('hello'), ...(store ? [store] : [])], {})).rejects.toThrow(BenchError)
  })
})

describe('the load of operations', () => {
  it('counts operations after a first request, each with parameters of its own', async () => {
    const generations: number[] = []
    const server = createServer((request, response) => {
      const { searchParams } = new URL(request.url ?? '/', 'http://bench.local')
      generations.push(Number(searchParams.get('generation')))
      response.end(JSON.stringify({ right: Number(searchParams.get('count')) }))
    }).listen(0, '127.0.0.1')
    closing.push(() => new Promise((resolve) => server.close(() => resolve())))
    await once(server, 'listening')
    const address = server.address()
    const url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}/x`
    let next = 0
    const metrics = await runOperations({ url, parameters: () => ({ generation: next++ }), lanes: 8 }, 0.02)
    expect(generations.length).toBeGreaterThan(1)
    expect(generations).toEqual(generations.map((_, index) => index))
    expect(metrics['operations']).toBe((generations.length - 1) * COUNT)
  })
})
