/**
 * Where log lines go: written into one buffer, so that no string outlives its line, and handed to pino's asynchronous
 * destination in large chunks, on disk within a second and at exit. Handing over line by line would cost ten times as much, for the destination
 * measures its whole buffer on each write. A slow reader costs lines, never memory.
 */
import { mkdirSync, openSync } from 'node:fs'
import { dirname } from 'node:path'
import { destination as openDestination } from 'pino'
import { VelaError } from './errors.ts'

export interface LogSink {
  /** One or more whole lines. */
  write(lines: string): void
  droppedLines(): number
  flush(): void
  close(): Promise<void>
}

const CHUNK_BYTES = 64 * 1024
/** A character is at most three bytes. */
const MAX_UTF8_FACTOR = 3
const MAX_BUFFERED_BYTES = 16 * 1024 * 1024
const HAND_OVER_MS = 250

/** `name` is `stdout`, `stderr` or the path of a file, which is appended to. */
export function openLogSink(name: string): LogSink {
  const descriptor = name === 'stdout' ? 1 : name === 'stderr' ? 2 : undefined
  const stream = openDestination({
    dest: descriptor ?? openFile(name),
    sync: false,
    minLength: 0,
    maxWrite: 4 * CHUNK_BYTES,
    maxLength: MAX_BUFFERED_BYTES,
    contentMode: 'buffer',
  })
  let chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES)
  let used = 0
  let timer: NodeJS.Timeout | undefined
  let dropped = 0
  let open = true

  const writeOut = (bytes: Buffer): void => {
    try {
      // With contentMode 'buffer' it takes bytes; its types know strings alone.
      stream.write(bytes as unknown as string)
    } catch {
      // Closed by pino at the end of the process.
      dropped += countLines(bytes)
    }
  }
  const handOver = (): void => {
    clearTimeout(timer)
    timer = undefined
    if (used === 0) return
    const written = chunk.subarray(0, used)
    used = 0
    // What waits for a slow reader is counted by its length, so a few lines must not hold a whole chunk.
    if (written.length < CHUNK_BYTES / 2) return writeOut(Buffer.from(written))
    chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES)
    writeOut(written)
  }
  const flush = (): void => {
    handOver()
    try {
      stream.flushSync()
    } catch {
      // Closed, or the descriptor is blocked: what is buffered goes out with the next write.
    }
  }
  stream.on('drop', (bytes: Buffer) => (dropped += countLines(bytes)))
  // A log that cannot be written (disk full, file gone) must not take the host down; the counter tells.
  stream.on('error', () => (dropped += 1))
  // Before pino's own hooks, which write what the destination has and then close it.
  process.prependListener('beforeExit', handOver)
  process.prependListener('exit', flush)

  return {
    write(lines) {
      if (!open) {
        dropped += countLines(Buffer.from(lines))
        return
      }
      const most = lines.length * MAX_UTF8_FACTOR
      if (most > CHUNK_BYTES) {
        handOver()
        return writeOut(Buffer.from(lines))
      }
      if (used + most > CHUNK_BYTES) handOver()
      used += chunk.write(lines, used)
      timer ??= setTimeout(handOver, HAND_OVER_MS).unref()
    },
    droppedLines: () => dropped,
    flush,
    close() {
      if (!open) return Promise.resolve()
      open = false
      handOver()
      process.removeListener('beforeExit', handOver)
      process.removeListener('exit', flush)
      return new Promise((resolve) => {
        stream.once('error', () => resolve())
        if (descriptor === undefined) {
          stream.once('close', () => resolve())
          stream.end()
        } else {
          // The standard streams stay open for whoever else writes there.
          stream.flush(() => resolve())
        }
      })
    },
  }
}

/** Opened at once: a host that fails in its first moments must still be able to say why. */
function openFile(path: string): number {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    return openSync(path, 'a', 0o600)
  } catch (error) {
    const message = `log.destination is ${JSON.stringify(path)}, which cannot be opened for writing`
    throw new VelaError('VELA_CONFIG_INVALID', message, { cause: error, details: { key: 'log.destination' } })
  }
}

function countLines(bytes: Buffer): number {
  let lines = 0
  for (let at = bytes.indexOf(NEWLINE); at >= 0; at = bytes.indexOf(NEWLINE, at + 1)) lines += 1
  return lines
}

const NEWLINE = 0x0a
