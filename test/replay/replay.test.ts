/** A recording replays to the same frames, killed turns too; and the replay says where when it does not. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { RECORD } from '../../host/cells/recorder.ts'
import { replay, type ReplayReport } from '../../host/core/replay.ts'
import { createFrameWriter } from '../../sandbox/protocol/frame-writer.ts'
import { FROM_CELL } from '../../sandbox/protocol/frame.ts'
import { runVela } from '../cli/run.ts'
import { startRuntime } from '../e2e/support.ts'
import { recordOf, recordsOf } from './records.ts'
import { busySession, tempFolder, type Folder } from './session.ts'

let folder: Folder
/** The cell of the busy session. */
let busy: string
/** A cell that the host's watchdog killed. */
let killed: string

const ROGUE = `/* rogue */ export default { fetch({ url }) { if (url.endsWith('/spin')) for (;;); return new Response('ok') } }`

beforeAll(async () => {
  folder = tempFolder()
  {
    await using host = await startRuntime({ cells: { recordDir: folder.path, spares: 1, isolateIdleMs: 100 } })
    await busySession(host)
    // With a history the engine's timer is off, and the host's watchdog is what ends a loop.
    await host.deploy('rogue', ROGUE, { tenant: 'evil', manifest: { limits: { cpuMs: 50 } } })
    for (let call = 0; call < 60; call++) await (await host.get('/evil/rogue/')).text()
    expect((await host.get('/evil/rogue/spin')).status).toBe(503)
  }
  const holding = (text: string): string =>
    folder.recordings().find((file) => readFileSync(file, 'latin1').includes(text)) ?? `no recording holds ${text}`
  busy = holding('bombing')
  killed = holding('/* rogue */')
})

afterAll(() => folder?.[Symbol.dispose]())

/** Replays what `change` makes of a recording. */
async function replayChanged(file: string, change: (bytes: Buffer) => Buffer): Promise<ReplayReport> {
  const changed = join(folder.path, 'changed')
  writeFileSync(changed, change(readFileSync(file)))
  return await replay(changed)
}

describe('a recorded session', () => {
  test('replays to the same frames, and again', async () => {
    for (let round = 0; round < 2; round++) {
      const report = await replay(busy)
      expect(report.divergence).toBe(null)
      expect(report).toMatchObject({ matched: true, warnings: [], end: { recorded: 'stopped', replayed: 'answered' } })
      expect(report.batches).toBeGreaterThan(30)
      expect(report.killed.map(({ by, reason }) => `${by}: ${reason}`)).toEqual(['cell: exceeded-cpu', 'cell: exceeded-memory'])
      expect(report.killed.every(({ requestIds }) => requestIds.length === 1)).toBe(true)
      expect(report.turns).toMatchObject({ killed: 2, 'broken-off': 4, threw: expect.any(Number), responded: expect.any(Number) })
    }
  })

  test('whose cell the host killed is killed again, for the same reason', async () => {
    const report = await replay(killed)
    expect(report).toMatchObject({ matched: true, end: { recorded: 'exceeded-cpu', replayed: 'exceeded-cpu' } })
    expect(report.killed).toMatchObject([{ by: 'host', reason: 'exceeded-cpu', requestIds: [expect.any(String)] }])
    expect(report.turns).toMatchObject({ responded: 60, killed: 1 })
  })
})

describe('a replay that goes another way', () => {
  test('names the batch and shows both frames', async () => {
    const report = await replayChanged(busy, (bytes) => {
      const at = bytes.indexOf('"seed":"') + 10
      bytes[at] = bytes[at] === 0x31 ? 0x32 : 0x31
      return bytes
    })
    expect(report.matched).toBe(false)
    const { batch, expected, actual } = report.divergence ?? {}
    expect(expected?.kind).toBe(actual?.kind)
    expect(expected?.text).not.toBe(actual?.text)
    expect(report.batches).toBe((batch ?? 0) - 1)
  })

  test('is explained by another build of the cell, if it was one', async () => {
    const report = await replayChanged(killed, (bytes) => {
      bytes.write('0000000000000000', bytes.indexOf('"image":"') + 9, 'latin1')
      return bytes
    })
    expect(report).toMatchObject({ matched: true, recordedWith: { image: '0000000000000000' } })
    expect(report.warnings).toEqual([expect.stringContaining(report.replayedWith.image)])
  })

  test('ends although a guest loops in a batch that claims to have been answered', async () => {
    const report = await replayChanged(killed, (bytes) => {
      const records = recordsOf(bytes)
      const last = records.findLast(({ kind }) => kind === RECORD.toCell)
      const writer = createFrameWriter()
      writer.bytes(FROM_CELL.done, 0, last?.payload.readUInt32LE(8) ?? 0, 1000, new Uint8Array(0))
      return Buffer.concat([...records.slice(0, -1).map(({ bytes }) => bytes), recordOf(RECORD.fromCell, writer.take())])
    })
    expect(report.matched).toBe(false)
    expect(report.divergence?.note).toContain('exceeded-cpu')
  })
})

test('a recording that was cut off replays up to its last whole batch', async () => {
  const report = await replayChanged(killed, (bytes) => {
    const records = recordsOf(bytes)
    const answers = records.filter(({ kind }) => kind === RECORD.fromCell)
    // Into the middle of the fifth answer: host and cell were killed while it was written.
    return bytes.subarray(0, (answers[4]?.offset ?? 0) + 9)
  })
  expect(report).toMatchObject({ matched: true, batches: 3, end: { recorded: 'cut-off', replayed: 'not-played' } })
  expect(report.warnings).toEqual([expect.stringContaining('its last 9 bytes')])
})

describe('the command', () => {
  test('exits with 0 when every frame was the same', async () => {
    const { exitCode, stdout } = await runVela(['replay', killed])
    expect(stdout).toContain('every frame was the same')
    expect(stdout).toMatch(/killed +batch \d+: the cell, by the host: exceeded-cpu/)
    expect(exitCode).toBe(0)
  })

  test('exits with 1 when not, and prints one document with --json', async () => {
    const file = join(folder.path, 'other.vrec')
    const bytes = readFileSync(killed)
    bytes.write('no', bytes.indexOf("'ok'") + 1, 'latin1')
    writeFileSync(file, bytes)
    const { exitCode, stdout } = await runVela(['replay', file, '--json'])
    expect(JSON.parse(stdout)).toMatchObject({ matched: false, divergence: { expected: { kind: 'OUTPUT' } } })
    expect(exitCode).toBe(1)
  })

  test('refuses what is no recording, and says where', async () => {
    const { exitCode, stderr } = await runVela(['replay', import.meta.filename])
    expect(stderr).toContain('VELA_REPLAY_INVALID')
    expect(stderr).toContain('at byte 0')
    expect(exitCode).toBe(1)
  })
})

test('a host goes on when its recordings have nowhere to go', async () => {
  const records = join(folder.path, 'gone')
  await using host = await startRuntime({ cells: { recordDir: records, spares: 0 } })
  rmSync(records, { recursive: true })
  await host.deploy('rogue', ROGUE)
  expect(await (await host.get('/t/rogue/')).text()).toBe('ok')
})
