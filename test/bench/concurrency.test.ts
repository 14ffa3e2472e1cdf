/** Actors, channels and workers in the benchmark, on the contenders that have them: that it is done right, not how fast. */
import { spawnSync } from 'node:child_process'
import { afterEach, describe, expect, it } from 'vitest'
import { awilix, bus, container, emittery, piscina, socket } from '../../bench/contenders/node.ts'
import { createVela } from '../../bench/contenders/vela.ts'
import { workerd } from '../../bench/contenders/workerd.ts'
import { actorFiles } from '../../bench/contenders/workerd-actors.ts'
import { BenchError, type Contender, type Guest, type Running, type Scenario } from '../../bench/contract.ts'
import { guest } from '../../bench/guests.ts'
import { runOnce } from '../../bench/load/operations.ts'
import { SCENARIOS } from '../../bench/scenarios/all.ts'

const onLinux =
  process.platform === 'linux' && spawnSync('taskset', ['--version'], { stdio: 'ignore' }).error === undefined
const options = { seconds: 0.02, quick: true }

const closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})

function scenario(name: string): Scenario {
  const found = SCENARIOS.find((one) => one.name === name)
  if (found === undefined) throw new Error(`there is no scenario ${name}`)
  return found
}

async function start(contender: Contender, { guests, start: given }: Scenario): Promise<Running> {
  const running = await contender.start(await guests(options), given)
  closing.push(() => running.stop())
  return running
}

/** Prepares and runs one short round; whatever is not right throws. */
async function run(contender: Contender, one: Scenario): Promise<Readonly<Record<string, number>>> {
  const running = await start(contender, one)
  await one.prepare(running)
  const metrics = await one.round(running, options)
  expect(metrics[one.primary]).toBeGreaterThan(0)
  return metrics
}

describe.runIf(onLinux)('peers', () => {
  it('workerd answers asks of a Durable Object, and keeps every increment on disk', async () => {
    const running = await start(workerd, scenario('actor-durable'))
    await scenario('actor-ask').prepare(running)
    await scenario('actor-durable').prepare(running)
    await scenario('actor-durable').round(running, options)
    const response = await fetch(`${running.url('bench', 'actors')}/total?actors=16`)
    const { total } = (await response.json()) as { total: number }
    // Prepared, warmed and measured at least once.
    expect(total).toBeGreaterThanOrEqual(3 * 512)
  })

  it('workerd asks objects of another worker', async () => {
    await run(workerd, scenario('actor-ask-cells'))
    expect(() =>
      actorFiles(
        [
          {
            ...guest('actors'),
            capabilities: { actors: { COUNTERS: { service: 'no/body', class: 'Counter' } } },
          },
        ],
        '2026-01-01',
      ),
    ).toThrow(BenchError)
  })

  it('messages make the round trip over a bare socket as often as they are asked to', async () => {
    await run(socket, scenario('actor-ask-cells-1'))
    const running = await start(socket, scenario('actor-ask-cells-1'))
    const url = `${running.url('', '')}/ask`
    for (const lanes of [1, 7, 64, 600]) await runOnce({ url, lanes, count: 500, parameters: () => ({}) })
  })

  it('both containers put the graph together right, and end what is ended with the request', async () => {
    for (const contender of [container, awilix]) await run(contender, scenario('di-resolve'))
  })

  it('the bus and emittery bring every event to all ten handlers', async () => {
    for (const contender of [bus, emittery]) await run(contender, scenario('event-host'))
  })

  it('piscina runs the function of the guest, and a wrong result is told', async () => {
    const running = await start(piscina, scenario('workers-map'))
    await scenario('workers-map').prepare(running)
    const wrong = { url: `${running.url('', '')}/map`, lanes: 2, count: 2 }
    await expect(runOnce({ ...wrong, parameters: () => ({ iterations: 10, expected: 1 }) })).rejects.toThrow(
      /\{"right":0\}/,
    )
  })
})

describe.runIf(onLinux)('Vela', () => {
  it('does in the scenarios of actors, channels and workers what they count, in order and without loss', async () => {
    const names = [
      'actor-ask',
      'actor-ask-1',
      'actor-durable',
      'channel-isolate',
      'channel-cells',
      'event-guest',
      'workers-map',
    ]
    const together = names.map(scenario)
    const services = new Map<string, Guest>()
    for (const one of together) for (const each of await one.guests(options)) services.set(each.service, each)
    const running = await createVela('v8').start([...services.values()], {})
    closing.push(() => running.stop())
    for (const one of together) {
      await one.prepare(running)
      const metrics = await one.round(running, options)
      expect([one.name, (metrics[one.primary] ?? 0) > 0]).toEqual([one.name, true])
    }
    await expect(
      runOnce({
        url: `${running.url('bench', 'workers')}/map`,
        lanes: 1,
        count: 3,
        parameters: () => ({ iterations: 10, expected: 1 }),
      }),
    ).rejects.toThrow(/\{"right":0\}/)
  })

  it('asks actors of another tenant, which the policy of the scenario allows', async () => {
    await run(createVela('v8'), scenario('actor-ask-cells'))
  })
})
