/** A recording replays to the same frames, killed turns too; and the replay says where when it does not. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { RECORD } from '../../host/cells/recorder.ts'
import { replay, type ReplayReport } from '../../host/core/replay.ts'
import { createFrameWriter } from '../../sandbox/protocol/frame-writer.ts'
import { FROM_CELL } from '../../sandbox/protocol/frame.ts'
import { runVela } from '../cli/run.ts'
import { startRuntime } from '../e2e/support.ts'
import { recordOf, recordsOf } from './records.ts'
import { busySession, tempFolder, type Folder } from './session.ts'

// Loops and memory bombs run here in every part; on a machine that is busy besides they take their time.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 })

let folder: Folder
/** The cells of the busy session: on a busy machine the host's watchdog may have ended one and gone on with another. */
let busy: string[]
/** A cell that the host's watchdog killed. */
let killed: string

const SEED = '"seed":"'
const ROGUE = `/* rogue */ export default { fetch({ url }) { if (url.endsWith('/spin')) for (;;); return new Response('ok') } }`

beforeAll(async () => {
  folder = tempFolder()
  {
    await using host = await startRuntime({
      cells: { recordDir: folder.path, spares: 1, isolateIdleMs: 100 },
    })
    await busySession(host)
    // With a history the engine's timer is off, and the host's watchdog is what ends a loop.
    await host.deploy('rogue', ROGUE, { tenant: 'evil', manifest: { limits: { cpuMs: 50 } } })
    for (let call = 0; call < 60; call++) await (await host.get('/evil/rogue/')).text()
    expect((await host.get('/evil/rogue/spin')).status).toBe(503)
  }
  const holding = (text: string): string[] =>
    folder.recordings().filter((file) => readFileSync(file, 'latin1').includes(text))
  busy = holding('nobody listens')
  killed = holding('/* rogue */').at(-1) ?? 'no recording'
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
    const reports: ReplayReport[] = []
    for (const file of [...busy, ...busy]) {
      const report = await replay(file)
      expect(report.divergence).toBe(null)
      expect(report).toMatchObject({ matched: true, warnings: [] })
      expect(report.end.replayed).toBe(report.end.recorded === 'stopped' ? 'answered' : report.end.recorded)
      reports.push(report)
    }
    const sum = (count: (report: ReplayReport) => number | undefined): number =>
      reports.reduce((total, report) => total + (count(report) ?? 0), 0) / 2
    expect(sum(({ batches }) => batches)).toBeGreaterThan(30)
    expect(sum(({ turns }) => turns['broken-off'])).toBe(4)
    expect(sum(({ turns }) => turns.threw)).toBeGreaterThanOrEqual(4)
    const kills = reports.flatMap((report) => report.killed)
    expect(kills.map(({ reason }) => reason)).toEqual(
      expect.arrayContaining(['exceeded-cpu', 'exceeded-memory']),
    )
    expect(kills.every(({ requestIds }) => requestIds.length > 0)).toBe(true)
  })

  test('whose cell the host killed is killed again, for the same reason', async () => {
    const report = await replay(killed)
    expect(report).toMatchObject({
      matched: true,
      end: { recorded: 'exceeded-cpu', replayed: 'exceeded-cpu' },
    })
    expect(report.killed.at(-1)).toMatchObject({
      by: 'host',
      reason: 'exceeded-cpu',
      requestIds: [expect.any(String)],
    })
    expect(report.turns.responded).toBe(60)
  })
})

describe('a replay that goes another way', () => {
  test('names the batch and shows both frames', async () => {
    const report = await replayChanged(busy[0] ?? '', (bytes) => {
      // The seed of Math.random of every guest.
      for (let at = bytes.indexOf(SEED); at >= 0; at = bytes.indexOf(SEED, at + 1))
        bytes.fill('7', at + SEED.length, at + 16)
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
      return Buffer.concat([
        ...records.slice(0, -1).map(({ bytes }) => bytes),
        recordOf(RECORD.fromCell, writer.take()),
      ])
    })
    expect(report.matched).toBe(false)
    expect(report.divergence?.note).toContain('exceeded-cpu')
  })
})

test('a recording that was cut off replays up to its last whole batch', async () => {
  const report = await replayChanged(killed, (bytes) => {
    const records = recordsOf(bytes)
    const batches = records.filter(({ kind }) => kind === RECORD.toCell)
    // Into the answer of the fifth batch: the host was killed while it was written.
    return bytes.subarray(0, (batches[4]?.offset ?? 0) + (batches[4]?.bytes.length ?? 0) + 9)
  })
  expect(report).toMatchObject({
    matched: true,
    batches: 4,
    end: { recorded: 'cut-off', replayed: 'not-played' },
  })
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
