/**
 * One reader of a live log. A slow reader must cost the host a bounded amount of memory, so what does not fit is
 * dropped, counted, and the reader is told at the place of the gap.
 */
import type { Writable } from 'node:stream'
import type { LogEntry } from '../core/control.ts'
import type { TailEvent } from './wire.ts'

export interface TailLimits {
  readonly bufferLines: number
  readonly bufferBytes: number
}

export interface TailStream {
  send(entry: LogEntry): void
  /** Skipped while the reader is behind: it has lines to come anyway. */
  heartbeat(): void
  end(reason: 'closing' | 'token'): void
}

export function createTailStream(out: Writable, limits: TailLimits): TailStream {
  const waiting: string[] = []
  let waitingBytes = 0
  let dropped = 0
  let blocked = false
  let ended = false

  const write = (line: string): void => {
    blocked = !out.write(line)
  }

  const flush = (): void => {
    blocked = false
    for (let line = waiting.shift(); line !== undefined; line = waiting.shift()) {
      waitingBytes -= line.length
      write(line)
      if (blocked) return
    }
    if (dropped > 0) {
      write(lineOf({ event: 'dropped', count: dropped }))
      dropped = 0
    }
  }

  out.on('drain', () => {
    if (!ended) flush()
  })
  write(lineOf({ event: 'ready' }))

  return {
    send(entry) {
      if (ended) return
      const line = lineOf({ event: 'log', ...entry })
      if (!blocked) {
        write(line)
        return
      }
      const full = waiting.length >= limits.bufferLines || waitingBytes + line.length > limits.bufferBytes
      // Once a line is lost the later ones are too, so that the count stands where the gap is.
      if (dropped > 0 || full) {
        dropped++
        return
      }
      waiting.push(line)
      waitingBytes += line.length
    },
    heartbeat() {
      if (!ended && !blocked) write(lineOf({ event: 'heartbeat', time: Date.now() }))
    },
    end(reason) {
      if (ended) return
      ended = true
      out.end(lineOf({ event: 'end', reason }))
    },
  }
}

function lineOf(event: TailEvent): string {
  return `${JSON.stringify(event)}\n`
}
