/**
 * Shares between real cells. The cells are told that they have one core together, so that two of them compete whatever
 * machine this is; each request burns the same CPU time, so what was served says what each tenant got.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startRuntime, until, type TestRuntime } from '../e2e/support.ts'
import { describeEngines } from '../engines.ts'

/** Some milliseconds of CPU time a request. */
const ITERATIONS = { v8: 2_000_000, quickjs: 60_000 }
/** Requests served to all, over which shares are counted: a busy machine takes its time for them. */
const COUNTED = 200

interface Load {
  /** Status of each answer so far. */
  readonly statuses: number[]
  readonly codes: Set<string>
  stop(): Promise<void>
}

describeEngines('shares of CPU', (engine) => {
  let host: TestRuntime
  beforeAll(async () => {
    host = await startRuntime({
      cells: { cores: 1, spares: 0, weights: { heavy: 2, least: 0.01 } },
      limits: { maximum: { cpuMs: 5_000 } },
    })
    const source = `export default { fetch() {
      let sum = 0
      for (let i = 0; i < ${ITERATIONS[engine]}; i++) sum = (sum * 31 + i) | 0
      return new Response(String(sum))
    } }`
    const deploy = (tenant: string, limits: Record<string, number> = {}): Promise<unknown> =>
      host.deploy('burn', source, { tenant, manifest: { engine, limits: { cpuMs: 1_000, ...limits } } })
    await deploy('heavy')
    await deploy('light')
    await deploy('least', { wallMs: 300, queueLength: 4 })
  })
  afterAll(() => host[Symbol.asyncDispose]())

  /** So many requests in flight, always. */
  const load = (tenant: string, lanes: number): Load => {
    let stopped = false
    const statuses: number[] = []
    const codes = new Set<string>()
    const lane = async (): Promise<void> => {
      while (!stopped) {
        const response = await host.get(`/${tenant}/burn`)
        const text = await response.text()
        statuses.push(response.status)
        if (response.status !== 200) codes.add(String((JSON.parse(text) as { code: unknown }).code))
      }
    }
    const all = Promise.all(Array.from({ length: lanes }, lane))
    return {
      statuses,
      codes,
      async stop() {
        stopped = true
        await all
      },
    }
  }
  const served = ({ statuses }: Load): number => statuses.filter((status) => status === 200).length
  const total = (loads: readonly Load[]): number => loads.reduce((sum, one) => sum + served(one), 0)
  /** What each load was served of the next COUNTED, after all of them have begun. */
  const share = async (...loads: Load[]): Promise<number[]> => {
    for (const one of loads) await until('everybody is served', () => served(one) > 5, 30_000)
    const before = loads.map(served)
    const end = total(loads) + COUNTED
    await until('enough is served', () => total(loads) >= end, 60_000)
    return loads.map((one, index) => served(one) - (before[index] ?? 0))
  }

  test('a tenant of weight 2 gets twice what one of weight 1 gets, whatever their loads are', async () => {
    const loads = [load('heavy', 16), load('light', 40)]
    try {
      const [heavy = 0, light = 0] = await share(...loads)
      expect(heavy / light).toBeGreaterThan(1.5)
      expect(heavy / light).toBeLessThan(2.7)
    } finally {
      await Promise.all(loads.map((one) => one.stop()))
    }
    expect(loads.flatMap(({ statuses }) => statuses).every((status) => status === 200)).toBe(true)
  })

  test('what waits for its owner’s turn waits in its queue, bounded and up to its deadline; alone it is served at once', async () => {
    const loads = [load('heavy', 4), load('least', 12)]
    try {
      await until('some were refused and some waited too long', () => loads[1]?.codes.size === 2, 30_000)
      expect([...(loads[1]?.codes ?? [])].sort()).toEqual(['VELA_CELL_OVERLOADED', 'VELA_TURN_EXCEEDED_WALL'])
    } finally {
      await Promise.all(loads.map((one) => one.stop()))
    }
    expect(new Set(loads[0]?.statuses)).toEqual(new Set([200]))
    await until('it is served', async () => (await host.get('/least/burn')).status === 200, 30_000)
  })

  test('CPU time is metered by tenant', async () => {
    await expect
      .poll(async () => {
        const text = await host.runtime.metrics()
        return ['heavy', 'light', 'least'].map((tenant) =>
          Number(
            new RegExp(`^vela_tenant_cpu_seconds_total\\{tenant="${tenant}"\\} (\\S+)`, 'm').exec(text)?.[1],
          ),
        )
      })
      .toSatisfy((seconds: number[]) => seconds.every((used) => used > 0.01 && used < 60))
  })
})
