/** A cell that is given to a tenant stands empty until its code is there; that it may be ended for that delays a start, no more. */
import { expect, test } from 'vitest'
import { DEFAULT_LIMITS } from '../../sandbox/protocol/limits.ts'
import { startCells } from './support.ts'

test('a replica whose cell was ended as idle while its code was fetched starts in another', async () => {
  await using cells = await startCells()
  const { supervisor } = cells.pool
  const { timers, responseBodyBytes, socketMessageBytes, memoryMb, startupMs } = DEFAULT_LIMITS
  const guest = {
    nowMs: 0,
    seed: '0'.repeat(32),
    timers,
    responseBodyBytes,
    socketMessageBytes,
    env: {},
    capabilities: [],
  }
  const config = JSON.stringify({ guest, engine: 'v8', memoryMb, startupMs })
  const given: number[] = []
  const { live, call } = cells.deploy('', {
    async prepare() {
      const cell = await supervisor.acquire('t', 0)
      given.push(cell.pid)
      // As the supervisor's clock does, a minute later.
      supervisor.tick(performance.now() + 3_600_000)
      expect(cell.alive).toBe(false)
      return { config, source: Buffer.from('export const alive = () => true'), codeCache: undefined }
    },
  })
  await live.start()
  expect(await call('alive')).toBe(true)
  expect(given).toHaveLength(1)
})
