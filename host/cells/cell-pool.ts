/** Builds what cells run from and the supervisor over them; the cells' own little composition root. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { createBufferPressure } from '../core/buffer-pressure.ts'
import type { Config } from '../core/config.ts'
import { VelaError } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import type { Metrics } from '../core/metrics.ts'
import type { EngineName } from '../../sandbox/protocol/engine-files.ts'
import { buildCellImage, type CellImage } from './cell-image.ts'
import { createRecorder, type Recorder, type RecordingHeader } from './recorder.ts'
import { createSpawner, probeContainment, type Containment } from './spawn.ts'
import { createSupervisor, type CellEvent, type Supervisor } from './supervisor.ts'

export interface CellPool {
  readonly supervisor: Supervisor
  readonly image: CellImage
  readonly containment: Containment
  /** What guests of that engine need of the cells' image; made once, when first asked for. */
  prepareEngine(engine: EngineName): Promise<void>
  close(): Promise<void>
}

export interface CellPoolDeps {
  readonly config: Config
  readonly log: Log
  readonly metrics: Metrics
}

export async function createCellPool({ config, log, metrics }: CellPoolDeps): Promise<CellPool> {
  const { recordDir } = config.cells
  if (recordDir !== null) makeRecordDir(recordDir)
  const image = await buildCellImage()
  const containment = probeContainment(image)
  const { memoryMb } = config.limits.default
  const pressure = createBufferPressure()
  const supervisor = createSupervisor(
    {
      spawn: createSpawner({ image, containment, memoryMb }),
      record: recordDir === null ? () => undefined : createRecorders(recordDir, headerOf(image, config), log),
      onBuffers: (bytes) => pressure.note(bytes),
      onEvent: (event) => reportEvent(event, log, metrics),
    },
    config.cells,
  )
  await completeImage(image, supervisor)
  let quickjs: Promise<void> | undefined
  return {
    supervisor,
    image,
    containment,
    async prepareEngine(engine) {
      if (engine === 'v8') return
      quickjs ??= completeQuickjs(image, supervisor)
      try {
        await quickjs
      } catch (thrown) {
        quickjs = undefined
        throw thrown
      }
    },
    async close() {
      await supervisor.close()
      await image.remove()
    },
  }
}

/** The kernel's snapshot is made in a cell that runs no guest; cells that start afterwards boot from it. */
export async function completeImage(image: CellImage, supervisor: Supervisor): Promise<void> {
  const snapshot = await supervisor.compile(image.kernelCore, 'kernel')
  if (snapshot.length === 0)
    throw new VelaError('VELA_CELL_START_FAILED', 'The kernel snapshot could not be made')
  await image.writeSnapshot(snapshot)
}

/** QuickJS's image is made in a cell that runs no guest, too; hosts that never use it never make it. */
export async function completeQuickjs(image: CellImage, supervisor: Supervisor): Promise<void> {
  const memory = await supervisor.compile(image.kernelCore, 'quickjs')
  if (memory.length === 0)
    throw new VelaError('VELA_CELL_START_FAILED', 'The kernel image for QuickJS could not be made')
  await image.writeQuickjsImage(memory)
}

function reportEvent({ kind, ...fields }: CellEvent, log: Log, metrics: Metrics): void {
  if (kind === 'ended' && fields.reason !== 'stopped') {
    metrics.cellRestarted(fields.reason ?? 'exited')
    log.warn('cell ended', fields)
  } else if (kind === 'start-failed') log.error('cell did not start', fields)
  else log.debug(`cell ${kind}`, fields)
}

function headerOf(image: CellImage, { limits, cells }: Config): RecordingHeader {
  const { memoryMb } = limits.default
  const { residentMb } = cells
  return {
    format: 'vela-recording',
    version: 1,
    image: image.id,
    node: process.version,
    memoryMb,
    residentMb,
  }
}

/** Cells serve whether or not they can be recorded; a full disk is told once, not once a cell. */
function createRecorders(
  dir: string,
  header: RecordingHeader,
  log: Log,
): (label: string) => Recorder | undefined {
  let recordings = 0
  let failed = false
  const onFailure = ({ message }: Error): void => {
    if (failed) return
    failed = true
    log.error('recording stopped', { dir, message })
  }
  return (label) => {
    const name = `${Date.now()}-${process.pid}-${++recordings}-${label.replaceAll(/[^a-z0-9-]/g, '-')}.vrec`
    try {
      return createRecorder(join(dir, name), header, onFailure)
    } catch (thrown) {
      onFailure(thrown as Error)
      return undefined
    }
  }
}

function makeRecordDir(dir: string): void {
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 })
  } catch (thrown) {
    throw new VelaError(
      'VELA_CONFIG_INVALID',
      `cells.recordDir ${dir} cannot be made: ${(thrown as Error).message}`,
    )
  }
}
