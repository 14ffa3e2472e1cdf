/**
 * Messages of 100 characters through a channel: within an isolate, and from a guest to a worker in another cell. Then
 * the receiver dawdles while the sender goes on sending: what the channel does not hold must not be held anywhere.
 */
import type { Guest, RoundOptions, Running, Scenario } from '../contract.ts'
import { guest } from '../guests.ts'
import { type Operations, runOnce, runOperations } from '../load/operations.ts'
import { residentBytes } from '../procfs.ts'

const WITHIN = 5_000
const ACROSS = 20_000
/** Of a receiver that waits after each hundred messages. */
const SLOW_PAUSE_MS = 20
const SLOW_PER_SECOND = 3_000
const SAMPLE_MS = 100

const GUESTS: readonly Guest[] = [
  {
    ...guest('channels'),
    capabilities: {
      channels: { MESSAGES: { channel: 'messages', capacity: 1000 } },
      workers: { POOL: { size: 1 } },
    },
  },
]

const within: Scenario = {
  name: 'channel-isolate',
  title: 'channel within an isolate, messages of 100 characters',
  contenders: ['vela'],
  primary: 'operationsPerSecond',
  goals: [{ metric: 'operationsPerSecond', relation: 'at-least', bound: 300_000 }],
  start: {},
  freshEachRound: false,
  guests: () => GUESTS,
  prepare: (running) => runOnce(operations(running, 'isolate', WITHIN)),
  round: (running, { seconds }) => runOperations(operations(running, 'isolate', WITHIN), seconds),
}

const across: Scenario = {
  name: 'channel-cells',
  title: 'channel across cells, messages of 100 characters',
  contenders: ['vela'],
  primary: 'operationsPerSecond',
  goals: [
    { metric: 'operationsPerSecond', relation: 'at-least', bound: 100_000 },
    { metric: 'slowGrowthMib', relation: 'at-most', bound: 32 },
  ],
  start: {},
  freshEachRound: false,
  guests: () => GUESTS,
  prepare: (running) => runOnce(operations(running, 'cells', ACROSS)),
  async round(running, options) {
    const metrics = await runOperations(operations(running, 'cells', ACROSS), options.seconds)
    return { ...metrics, slowGrowthMib: await slowGrowth(running, options) }
  },
}

/** How far all processes grow at most while a slow receiver takes what a fast sender has (mebibytes). */
async function slowGrowth(running: Running, { seconds }: RoundOptions): Promise<number> {
  const pids = running.pids()
  const before = residentBytes(pids)
  let peak = before
  const sampler = setInterval(() => (peak = Math.max(peak, residentBytes(pids))), SAMPLE_MS)
  try {
    await runOnce(operations(running, 'cells', SLOW_PER_SECOND * seconds, SLOW_PAUSE_MS))
  } finally {
    clearInterval(sampler)
  }
  return (peak - before) / 1024 / 1024
}

function operations(running: Running, how: 'isolate' | 'cells', count: number, pauseMs = 0): Operations {
  const url = `${running.url('bench', 'channels')}/${how}`
  return { url, parameters: () => ({ pauseMs }), lanes: 1, count }
}

export const channels: readonly Scenario[] = [within, across]
