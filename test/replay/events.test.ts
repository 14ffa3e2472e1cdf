/** Turns that deliver and publish events are functions of their frames like all others: a recording of them replays to the same frames. */
import { expect, test, vi } from 'vitest'
import { replay } from '../../host/core/replay.ts'
import { startHost } from '../capabilities/support.ts'
import { GUEST, gotBy } from '../events/guest.ts'
import { tempFolder } from './session.ts'

vi.setConfig({ testTimeout: 60_000 })

test.each(['v8', 'quickjs'] as const)('events replay, on %s', async (engine) => {
  using folder = tempFolder()
  const host = await startHost({ cells: { recordDir: folder.path, spares: 0 } })
  const subscribe = [
    { subject: 'each', handler: 'onEvent' },
    { subject: 'batch.*', retries: 1, backoffMs: 1 },
    { subject: 'circle', handler: 'onCircle' },
  ]
  for (const kind of ['ephemeral', 'durable'])
    await host.deploy(`acme/${kind}`, GUEST, {
      engine,
      limits: { cpuMs: 5_000 },
      capabilities: { events: { E: { kind, publish: ['>'], subscribe } } },
    })
  for (const at of ['acme/ephemeral', 'acme/durable']) {
    await host.invoke(at, 'many', { subject: 'each', count: 300 })
    await host.invoke(at, 'publish', { subject: 'each', data: 'bad' })
    await gotBy(host, at, 301)
    await host.invoke(at, 'forget')
    await host.invoke(at, 'publish', {
      subject: 'batch.x',
      data: { do: 'throw', ü: 'ü' },
      options: { key: 'k' },
    })
    await gotBy(host, at, 2)
    await host.invoke(at, 'forget')
    await host.invoke(at, 'publish', { subject: 'circle', data: 1 })
    await gotBy(host, at, 9)
    await host.invoke(at, 'carelessly', { subject: 'none', data: 1 })
  }
  await host.runtime.stop()
  const reports = await Promise.all(folder.recordings().map((file) => replay(file)))
  for (const report of reports) expect(report).toMatchObject({ matched: true, divergence: null })
  expect(reports.reduce((sum, { batches }) => sum + batches, 0)).toBeGreaterThan(20)
})
