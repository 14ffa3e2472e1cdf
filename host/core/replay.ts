/**
 * `vela replay`: starts a cell as a host does and plays a recording to it. A recording is a hostile file and what it
 * holds is guest code, so it gets the containment and the watchdog that guests get, and no code cache from the file.
 */
import { buildCellImage, type CellImage } from '../cells/cell-image.ts'
import { completeImage, completeQuickjs } from '../cells/cell-pool.ts'
import { createSpawner, probeContainment, type SpawnOptions } from '../cells/spawn.ts'
import { createSupervisor } from '../cells/supervisor.ts'
import { play, residentMbOf } from '../replay/player.ts'
import { openRecording } from '../replay/recording.ts'
import { createReplayCell } from '../replay/replay-cell.ts'
import type { Build, ReplayReport } from '../replay/report.ts'

export type { ReplayReport } from '../replay/report.ts'

export async function replay(file: string): Promise<ReplayReport> {
  const recording = openRecording(file)
  try {
    const image = await buildCellImage()
    try {
      const { header } = recording
      const containment = probeContainment(image)
      const spawnOptions = { image, containment, memoryMb: header.memoryMb }
      await makeSnapshot(spawnOptions)
      const cell = createReplayCell(createSpawner(spawnOptions)(), residentMbOf(header.residentMb))
      try {
        const played = await play(recording, cell)
        const recordedWith = { image: header.image, node: header.node }
        const replayedWith = { image: image.id, node: process.version }
        return {
          file,
          matched: played.divergence === null,
          ...played,
          recordedWith,
          replayedWith,
          warnings: [...buildWarnings(recordedWith, replayedWith), ...played.warnings],
        }
      } finally {
        await cell.close()
      }
    } finally {
      await image.remove()
    }
  } finally {
    recording.close()
  }
}

/** As a host does before its first cell, so that spare isolates are made alike. */
async function makeSnapshot(options: SpawnOptions & { readonly image: CellImage }): Promise<void> {
  const supervisor = createSupervisor(
    { spawn: createSpawner(options), record: () => undefined, onEvent: () => undefined },
    { spares: 0, idleMs: 0, maxCells: 1, cordons: {}, residentMb: 1024, weights: {}, cores: 0 },
  )
  try {
    await completeImage(options.image, supervisor)
    await completeQuickjs(options.image, supervisor)
  } finally {
    await supervisor.close()
  }
}

function buildWarnings(recorded: Build, current: Build): string[] {
  const warnings: string[] = []
  if (recorded.image !== current.image) {
    warnings.push(
      `Recorded with the cell program ${recorded.image}, replayed with ${current.image}: they need not agree`,
    )
  }
  if (recorded.node !== current.node) {
    warnings.push(`Recorded with Node ${recorded.node}, replayed with ${current.node}: they need not agree`)
  }
  return warnings
}
