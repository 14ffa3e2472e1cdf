import { describe, expect, test } from 'vitest'
import { createMetrics } from '../../host/core/metrics.ts'

const valueOf = (text: string, series: string): number | undefined => {
  const line = text.split('\n').find((candidate) => candidate.startsWith(`${series} `))
  return line === undefined ? undefined : Number(line.slice(series.length + 1))
}

describe('the metrics', () => {
  test('count requests by outcome and their durations in cumulative buckets', async () => {
    const metrics = createMetrics()
    const shop = metrics.service('acme', 'shop')
    expect(metrics.service('acme', 'shop')).toBe(shop)
    shop.settled('ok', 0.5)
    shop.settled('ok', 1)
    shop.settled('threw', 40)
    shop.settled('ok', 1e6)
    const text = await metrics.render()
    expect(valueOf(text, 'vela_requests_total{tenant="acme",service="shop",outcome="ok"}')).toBe(3)
    expect(valueOf(text, 'vela_requests_total{tenant="acme",service="shop",outcome="threw"}')).toBe(1)
    const bucket = (le: string): number | undefined =>
      valueOf(text, `vela_request_duration_seconds_bucket{tenant="acme",service="shop",le="${le}"}`)
    expect([bucket('0.001'), bucket('0.025'), bucket('0.05'), bucket('30'), bucket('+Inf')]).toEqual([
      2, 2, 3, 3, 4,
    ])
    expect(valueOf(text, 'vela_request_duration_seconds_count{tenant="acme",service="shop"}')).toBe(4)
    expect(valueOf(text, 'vela_request_duration_seconds_sum{tenant="acme",service="shop"}')).toBeCloseTo(
      1000.0415,
    )
  })

  test('pull gauges from their owners at each scrape', async () => {
    const metrics = createMetrics()
    let waiting = 1
    metrics.observe({ queueLength: () => waiting, cells: () => ({ spare: 2, serving: 3 }) })
    metrics.observe({ turnsInFlight: () => 7 })
    waiting = 5
    metrics.cellRestarted('exceeded-memory')
    metrics.deployed('ok')
    metrics.refused('not-found')
    metrics.tenant('acme').addCpu(1500)
    metrics.service('acme', 'shop').logDropped(4)
    const text = await metrics.render()
    const expected = {
      vela_queue_length: 5,
      vela_turns_in_flight: 7,
      'vela_cells{state="serving"}': 3,
      'vela_cell_restarts_total{reason="exceeded-memory"}': 1,
      'vela_deploys_total{result="ok"}': 1,
      'vela_gateway_refused_total{reason="not-found"}': 1,
      'vela_tenant_cpu_seconds_total{tenant="acme"}': 1.5,
      'vela_guest_log_lines_dropped_total{tenant="acme",service="shop"}': 4,
    }
    for (const [series, value] of Object.entries(expected))
      expect([series, valueOf(text, series)]).toEqual([series, value])
    expect(valueOf(text, 'vela_host_resident_bytes')).toBeGreaterThan(1e6)
    expect(valueOf(text, 'vela_isolates_loaded')).toBeUndefined()
  })

  test('keep to the names of the design: vela_<area>_<what>_<unit>', async () => {
    const names = (await createMetrics().render()).match(/^# TYPE \S+ \S+/gm) ?? []
    expect(names.length).toBeGreaterThan(12)
    for (const line of names)
      expect(line).toMatch(/^# TYPE vela_[a-z_]+(?:_total counter|[a-z] (?:gauge|histogram))$/)
  })

  test('have bounded labels however many services and words there are', async () => {
    const metrics = createMetrics({ maxServices: 3 })
    for (let index = 0; index < 1000; index++) {
      metrics.service('t', `s${index}`).settled(`outcome-${index}`, 1)
      metrics.tenant(`t${index}`).addCpu(1)
      metrics.cellRestarted(`reason-${index}`)
    }
    const text = await metrics.render()
    expect(text.match(/^vela_request_duration_seconds_count/gm)).toHaveLength(4)
    expect(valueOf(text, 'vela_request_duration_seconds_count{tenant="other",service="other"}')).toBe(997)
    expect(text.match(/^vela_tenant_cpu_seconds_total/gm)).toHaveLength(4)
    expect(text.match(/^vela_cell_restarts_total/gm)?.length).toBeLessThanOrEqual(33)
    expect(text.match(/^vela_requests_total/gm)?.length).toBeLessThanOrEqual(40)
    metrics.forgetService('t', 's0')
    metrics.service('t', 'new').settled('ok', 1)
    expect(await metrics.render()).toContain('vela_requests_total{tenant="t",service="new",outcome="ok"} 1')
  })

  test('escape what a label may not hold', async () => {
    const metrics = createMetrics()
    metrics.cellRestarted('a"b\\c\nd')
    expect(await metrics.render()).toContain('vela_cell_restarts_total{reason="a\\"b\\\\c\\nd"} 1')
  })

  test('of two hosts in one process are apart', async () => {
    const [one, two] = [createMetrics(), createMetrics()]
    one.deployed('ok')
    expect(await two.render()).not.toContain('vela_deploys_total{')
  })

  test('cost far less than a microsecond a request', () => {
    const shop = createMetrics().service('acme', 'shop')
    let best = Number.POSITIVE_INFINITY
    for (let round = 0; round < 10; round++) {
      const startedAt = performance.now()
      for (let index = 0; index < 50_000; index++)
        shop.settled(index % 10 === 0 ? 'threw' : 'ok', index % 300)
      best = Math.min(best, ((performance.now() - startedAt) * 1e6) / 50_000)
    }
    // 25–35 ns measured.
    expect(best).toBeLessThan(200)
  })
})
