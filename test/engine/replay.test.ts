/** Guests of QuickJS are deterministic, too: a recorded session replays to the same frames, killed turns with it. */
import { expect, test, vi } from 'vitest'
import { replay } from '../../host/core/replay.ts'
import { startRuntime } from '../e2e/support.ts'
import { busySession, tempFolder } from '../replay/session.ts'

// Loops and memory bombs run here; on a machine that is busy besides they take their time.
vi.setConfig({ testTimeout: 180_000 })

test('a session of guests on QuickJS replays byte for byte', async () => {
  using folder = tempFolder()
  {
    await using host = await startRuntime({
      cells: { recordDir: folder.path, spares: 1, isolateIdleMs: 100 },
    })
    await busySession(host, 'quickjs')
  }
  let batches = 0
  const killed = new Set<string>()
  for (const file of folder.recordings()) {
    const report = await replay(file)
    expect(report.divergence).toBe(null)
    expect(report).toMatchObject({ matched: true, warnings: [] })
    batches += report.batches
    for (const { by, reason } of report.killed) killed.add(`${reason} by ${by}`)
  }
  expect(batches).toBeGreaterThan(20)
  expect(killed).toContain('exceeded-memory by cell')
  expect(killed).toContain('exceeded-cpu by cell')
})
