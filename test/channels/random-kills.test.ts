/**
 * Channels while the cells at their ends are killed at random: what was acknowledged arrives, in the order of its
 * sender, and what a lost receiver had not finished with is handed out again. The seed is in the names of the tests.
 */
import { setImmediate } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { VelaError } from '../../host/index.ts'
import { createChance, killCells, SEED } from '../actors/chance.ts'
import { startHost, type Host } from '../capabilities/support.ts'
import { until } from '../e2e/support.ts'
import { describeEngines } from '../engines.ts'

const KILLS = 6
const PRODUCERS = [0, 1, 2]
const AT_ONCE = 10

interface Message {
  readonly producer: number
  readonly seq: number
}

const FEED = `import { WorkerEntrypoint } from '@vela/guest-sdk'
export default class extends WorkerEntrypoint {
  async feed(producer, from, count) {
    for (let seq = from; seq < from + count; seq++) await this.env.FLOW.send({ producer, seq })
  }
}`

const RELAY = `import { WorkerEntrypoint } from '@vela/guest-sdk'
export default class extends WorkerEntrypoint {
  async relay() {
    for await (const message of this.env.FROM) await this.env.TO.send(message)
  }
}`

describeEngines('channels whose ends are killed', (engine) => {
  let host: Host
  beforeAll(async () => {
    host = await startHost({ cells: { spares: 2 } })
    const limits = { cpuMs: 1_000 }
    await host.deploy('t/feed', FEED, {
      engine,
      limits,
      capabilities: { channels: { FLOW: { channel: 'flow', capacity: 32 } } },
    })
    await host.deploy('t/relay', RELAY, {
      engine,
      limits,
      capabilities: { channels: { FROM: { channel: 'from' }, TO: { channel: 'to' } } },
    })
  })
  afterAll(() => host.runtime.stop())

  test(`have everything that a guest was told it had sent, in order and once (VELA_FAULT_SEED=${SEED})`, async () => {
    const received: Message[] = []
    const acknowledged: Message[] = []
    const run = { over: false }
    const produce = async (producer: number): Promise<void> => {
      for (let from = 0; !run.over; from += AT_ONCE) {
        const told = await host.invoke('t/feed', 'feed', producer, from, AT_ONCE).then(() => true, onLoss)
        if (told) for (let seq = from; seq < from + AT_ONCE; seq++) acknowledged.push({ producer, seq })
      }
    }
    const end = host.runtime.channel<Message>('t', 'flow', { capacity: 32 })
    const consumer = receiveAll(end, received)
    const producers = Promise.all(PRODUCERS.map(produce))
    try {
      await killCells(createChance(SEED), KILLS, () => acknowledged.length)
    } finally {
      run.over = true
    }
    await producers
    await until('all that was acknowledged has come', () => containsAll(received, acknowledged))
    await end.close()
    await consumer
    for (const producer of PRODUCERS) {
      const seqs = received.filter((message) => message.producer === producer).map(({ seq }) => seq)
      expect(seqs).toEqual([...new Set(seqs)].sort((a, b) => a - b))
    }
  })

  test(`hand out again what a receiver had when it was killed (VELA_FAULT_SEED=${SEED})`, async () => {
    const received: Message[] = []
    const run = { over: false, closed: false }
    /** Until its loop has ended by itself, because the channel is closed. */
    const relay = async (): Promise<void> => {
      let ended = false
      while (!ended && !run.closed) ended = await host.invoke('t/relay', 'relay').then(() => true, onLoss)
    }
    const from = host.runtime.channel<Message>('t', 'from')
    const to = host.runtime.channel<Message>('t', 'to')
    const consumer = receiveAll(to, received)
    const relaying = relay()
    let sent = 0
    const send = async (): Promise<void> => {
      while (!run.over) if (await from.send({ producer: 0, seq: sent }).then(() => true, onLoss)) sent++
    }
    const sending = send()
    try {
      await killCells(createChance(SEED), KILLS, () => received.length)
      run.over = true
      await sending
      await until('all has come', () => new Set(received.map(({ seq }) => seq)).size === sent)
    } finally {
      run.over = true
      run.closed = true
      await Promise.all([from.close(), to.close()])
    }
    await Promise.all([relaying, consumer])
    const firstTimes = [...new Set(received.map(({ seq }) => seq))]
    expect(firstTimes).toEqual(Array.from({ length: sent }, (_, seq) => seq))
  })
})

/** A loss is told, and what is at the other end comes back. */
async function onLoss(thrown: unknown): Promise<false> {
  // A loop over what fails at once would let nothing else happen.
  await setImmediate()
  if (thrown instanceof VelaError && LOSSES.has(thrown.code)) return false
  throw thrown
}

const LOSSES: ReadonlySet<string> = new Set(['VELA_CELL_LOST', 'VELA_CELL_START_FAILED', 'VELA_CHANNEL_LOST'])

async function receiveAll(end: { receive(): Promise<Message> }, into: Message[]): Promise<void> {
  for (;;) {
    try {
      into.push(await end.receive())
    } catch (thrown) {
      if (thrown instanceof VelaError && thrown.code === 'VELA_CHANNEL_CLOSED') return
      await onLoss(thrown)
    }
  }
}

function containsAll(received: readonly Message[], acknowledged: readonly Message[]): boolean {
  const key = ({ producer, seq }: Message): string => `${producer}:${seq}`
  const there = new Set(received.map(key))
  return acknowledged.every((message) => there.has(key(message)))
}
