/**
 * 10 MiB responses, made chunk by chunk. Four fast clients measure speed; eight slow ones then hold responses half
 * read, so that a runtime which buffers for them shows it in its resident memory.
 */
import { performance } from 'node:perf_hooks'
import type { Metrics, Running, RoundOptions, Scenario } from '../contract.ts'
import { guest } from '../guests.ts'
import { download } from '../load/download.ts'
import { residentBytes } from '../procfs.ts'

const RESPONSE_BYTES = 160 * 64 * 1024
const FAST_CLIENTS = 4
const SLOW_CLIENTS = 8
const SLOW_PAUSE_MS = 1000
const SAMPLE_MS = 100

export const httpStream: Scenario = {
  name: 'http-stream',
  title: `stream, 10 MiB response, ${FAST_CLIENTS} connections`,
  contenders: ['vela', 'workerd'],
  primary: 'mebibytesPerSecond',
  goals: [
    { metric: 'mebibytesPerSecond', peer: 'workerd', relation: 'at-least', bound: 1 },
    { metric: 'peakGrowthMib', relation: 'at-most', bound: 32 },
  ],
  start: {},
  freshEachRound: false,
  guests: () => [guest('stream')],
  async prepare(running) {
    await download(streamUrl(running), { minBytes: RESPONSE_BYTES })
  },
  round,
}

async function round(running: Running, { seconds }: RoundOptions): Promise<Metrics> {
  const before = residentByRole(running)
  let peak = before.all
  const sampler = setInterval(() => (peak = Math.max(peak, residentByRole(running).all)), SAMPLE_MS)
  try {
    const startedMs = performance.now()
    const deadlineMs = startedMs + seconds * 1000
    let bytes = 0
    const lane = async (): Promise<void> => {
      while (performance.now() < deadlineMs) {
        await download(streamUrl(running), { minBytes: RESPONSE_BYTES })
        bytes += RESPONSE_BYTES
      }
    }
    await Promise.all(Array.from({ length: FAST_CLIENTS }, lane))
    const elapsedSeconds = (performance.now() - startedMs) / 1000
    const slow = { minBytes: RESPONSE_BYTES, pauseMs: SLOW_PAUSE_MS }
    await Promise.all(Array.from({ length: SLOW_CLIENTS }, () => download(streamUrl(running), slow)))
    const after = residentByRole(running)
    return {
      mebibytesPerSecond: mebibytes(bytes) / elapsedSeconds,
      peakGrowthMib: mebibytes(peak - before.all),
      parentBeforeMib: mebibytes(before.parent),
      parentAfterMib: mebibytes(after.parent),
      childrenBeforeMib: mebibytes(before.all - before.parent),
      childrenAfterMib: mebibytes(after.all - after.parent),
    }
  } finally {
    clearInterval(sampler)
  }
}

/** The parent is Vela's host, its children the cells; workerd is a parent alone. */
function residentByRole(running: Running): { parent: number; all: number } {
  const pids = running.pids()
  return { parent: residentBytes(pids.slice(0, 1)), all: residentBytes(pids) }
}

function streamUrl(running: Running): string {
  return `${running.url('bench', 'stream')}/x`
}

function mebibytes(bytes: number): number {
  return bytes / 1024 / 1024
}
