/** A host that is killed takes its cells with it, also one whose guest would compute for long. */
import { expect, test } from 'vitest'
import { startHost } from './host-process.ts'
import { cellPidsOf, isRunning, tempDir, until } from './support.ts'
import { readProcessStats } from '../../host/cells/process-stats.ts'

test('a cell in the middle of a loop ends with a host that is killed', async () => {
  using folder = tempDir()
  folder.write(
    'spin/vela.jsonc',
    '{ "name": "spin", "main": "index.js", "limits": { "cpuMs": 30000, "wallMs": 60000 } }',
  )
  folder.write('spin/index.js', 'export default { fetch() { for (;;); } }')
  await using host = await startHost(folder.path)
  expect((await host.vela(['deploy', 'spin'])).exitCode).toBe(0)
  const request = fetch(`${host.gateway}/demo/spin/`).catch(() => undefined)
  const busy = (): number | undefined =>
    cellPidsOf(host.pid).find((pid) => (readProcessStats(pid)?.cpuMs ?? 0) > 500)
  await until('the guest loops', () => busy() !== undefined)
  const looping = busy() as number
  process.kill(host.pid, 'SIGKILL')
  await until('the looping cell has ended', () => !isRunning(looping))
  await request
})
