/**
 * A real cell that a recording is played to, contained like any other: what it runs is guest code, and the recording
 * may be hostile. One batch at a time, under the host's own watchdog; what it answers is bounded.
 */
import type { CellEnd, CellProcess } from '../cells/cell.ts'
import { createWatchdog, type WatchedCell } from '../cells/watchdog.ts'
import { FROM_CELL, HEADER_BYTES, type Frame } from '../../sandbox/protocol/frame.ts'
import { createFrameReader } from '../../sandbox/protocol/frame-reader.ts'

export interface BatchRequest {
  /** Nothing to send: waits for the greeting. */
  readonly bytes: Buffer | undefined
  readonly sequence: number
  readonly budgetMs: number
  readonly answerBytes: number
}

export interface BatchAnswer {
  readonly frames: readonly Frame[]
  readonly cpuMicros: number
  /** The cell did not get to its DONE. */
  readonly end?: { readonly reason: CellEnd; readonly message: string }
}

export interface ReplayCell {
  run(request: BatchRequest): Promise<BatchAnswer>
  close(): Promise<void>
}

const START_TIMEOUT_MS = 20_000

export function createReplayCell(process: CellProcess, residentMb: number): ReplayCell {
  const { socket } = process
  const reader = createFrameReader(FROM_CELL)
  const watchdog = createWatchdog({ residentLimitBytes: () => residentMb * 1024 * 1024 })
  let frames: Frame[] = []
  let bytes = 0
  let request: BatchRequest | undefined
  let settle: ((answer: BatchAnswer) => void) | undefined
  let end: BatchAnswer['end']

  const answer = (): void => {
    const last = frames.at(-1)
    const given = {
      frames,
      cpuMicros: last?.kind === FROM_CELL.done ? last.b : 0,
      ...(end === undefined ? {} : { end }),
    }
    const done = settle
    settle = undefined
    request = undefined
    done?.(given)
  }
  const finish = (reason: CellEnd, message: string): void => {
    if (end !== undefined) return
    end = { reason, message }
    process.kill()
    socket.destroy()
    answer()
  }
  const watched: WatchedCell = {
    pid: process.pid,
    get alive() {
      return end === undefined
    },
    get outstanding() {
      return request?.sequence ?? 0
    },
    get outstandingBudgetMs() {
      return request?.budgetMs ?? 0
    },
    kill: finish,
  }
  const take = (frame: Frame): void => {
    bytes += HEADER_BYTES + frame.payload.length
    if (request === undefined || bytes > request.answerBytes) {
      return finish('protocol', 'The cell said far more than it did when it was recorded')
    }
    // The reader's view ends with the next chunk.
    frames.push({ ...frame, payload: Buffer.from(frame.payload) })
    if (frame.kind === FROM_CELL.done || frame.kind === FROM_CELL.hello) answer()
  }

  socket.on('data', (chunk: Buffer) => {
    if (end !== undefined) return
    try {
      reader.push(chunk, (frame) => {
        if (end === undefined) take(frame)
      })
    } catch (thrown) {
      finish('protocol', thrown instanceof Error ? thrown.message : 'unknown violation')
    }
  })
  socket.on('error', () => undefined)
  // After the socket's end, so that what the cell said last is not lost.
  socket.once('close', () => {
    void process.exited.then(({ code, signal }) => {
      finish('exited', `The cell's process ended (${signal ?? `exit code ${code}`})`)
    })
  })

  return {
    async run(next) {
      if (end !== undefined) return { frames: [], cpuMicros: 0, end }
      frames = []
      bytes = 0
      request = next
      const answered = new Promise<BatchAnswer>((resolve) => (settle = resolve))
      if (next.bytes === undefined) {
        const timer = setTimeout(() => finish('stuck', 'The cell did not start in time'), START_TIMEOUT_MS)
        void answered.then(() => clearTimeout(timer))
      } else {
        socket.write(next.bytes)
        watchdog.watch(watched)
      }
      return await answered
    },
    async close() {
      finish('stopped', 'The replay is over')
      watchdog.close()
      await process.exited
    },
  }
}
