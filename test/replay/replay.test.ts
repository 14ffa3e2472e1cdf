/** A recording replays to the same frames, killed turns too; and says so when it does not. */
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { replay } from '../../host/core/replay.ts'
import { startRuntime } from '../e2e/support.ts'
import { busySession, tempFolder, type Folder } from './session.ts'

let folder: Folder
let acme: string
let rogue: string

beforeAll(async () => {
  folder = tempFolder()
  const host = await startRuntime({ cells: { recordDir: folder.path, spares: 1, isolateIdleMs: 100 } })
  try {
    await busySession(host)
    // With a history the engine's timer is off, and the host's watchdog is what ends a loop.
    await host.deploy('rogue', ROGUE, { tenant: 'evil', manifest: { limits: { cpuMs: 50 } } })
    for (let call = 0; call < 60; call++) await (await host.get('/evil/rogue/')).text()
    expect((await host.get('/evil/rogue/spin')).status).toBe(503)
  } finally {
    await host[Symbol.asyncDispose]()
  }
  const labels = await Promise.all(folder.recordings().map(async (file) => ({ file, text: readFileSync(file, 'latin1') })))
  acme = labels.find(({ text }) => text.includes('bombing'))?.file ?? ''
  rogue = labels.find(({ text }) => text.includes('rogue guest'))?.file ?? ''
})

afterAll(() => folder?.[Symbol.dispose]())

const ROGUE = `/* rogue guest */ export default { fetch(request) { if (request.url.endsWith('/spin')) for (;;); return new Response('ok') } }`

describe('a recorded session', () => {
  test('replays twice to the same frames', async () => {
    for (let round = 0; round < 2; round++) {
      const report = await replay(acme)
      expect(report.divergence).toBe(null)
      expect(report).toMatchObject({ matched: true, warnings: [], end: { recorded: 'stopped', replayed: 'answered' } })
      expect(report.turns).toMatchObject({ killed: expect.any(Number), responded: expect.any(Number), threw: expect.any(Number) })
      expect(report.killed.map(({ reason }) => reason)).toEqual(expect.arrayContaining(['exceeded-cpu', 'exceeded-memory']))
    }
  })
})
