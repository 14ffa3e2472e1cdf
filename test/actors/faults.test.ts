/**
 * Actors while their cells are killed at random. Producers in three tenants append to a few logs, each an actor; what was
 * answered is compared with what the logs say in the end: nothing acknowledged is missing, nothing was handled twice or
 * by two activations at a time, and each producer's messages stand in its order. The seed is in the test's name.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { VelaError } from '../../host/index.ts'
import { startHost, type Host } from '../capabilities/support.ts'
import { describeEngines } from '../engines.ts'
import { createChance, killCells, SEED } from './chance.ts'

const KILLS = 10
const MOST_MORE_KILLS = 50
const LOGS = ['red', 'green', 'blue']
const CALLERS = ['t/logs', 'u/caller', 'v/caller']
const PRODUCERS = 9
/** Messages that a producer has under way. */
const AT_ONCE = 3

const CALLER = `
export default class extends WorkerEntrypoint {
  /** None waits for the one before. */
  append(log, producer, from, count) {
    const stub = this.env.LOGS.get(log)
    const ask = (seq) => stub.append(producer, seq).then((at) => ({ at }), (error) => ({ code: error.code ?? String(error) }))
    return Promise.all(Array.from({ length: count }, (_, index) => ask(from + index)))
  }
  history(log) {
    return this.env.LOGS.get(log).history()
  }
}`

const SERVICE = `
import { Actor, WorkerEntrypoint } from '@vela/guest-sdk'
export class Log extends Actor {
  #activation = crypto.randomUUID()
  async append(producer, seq) {
    const at = (await this.ctx.storage.get('length')) ?? 0
    // Whoever else appended between the two would be overwritten.
    this.ctx.storage.put('length', at + 1)
    this.ctx.storage.put('entry:' + String(at).padStart(6, '0'), { producer, seq, activation: this.#activation })
    return at
  }
  async history() {
    return [...(await this.ctx.storage.list({ prefix: 'entry:' })).values()]
  }
}
${CALLER}`

interface Entry {
  readonly producer: number
  readonly seq: number
  readonly activation: string
}

type Answer = { readonly at: number } | { readonly code: string }

interface Acknowledged {
  readonly log: string
  readonly producer: number
  readonly seq: number
  readonly at: number
}

/** What may become of a call whose cell, or whose actor's cell, is killed. */
const LOST = new Set([
  // Killed as it started, twice.
  'VELA_CELL_START_FAILED',
  'VELA_CELL_LOST',
  'VELA_ACTOR_FENCED',
  'VELA_ACTOR_STORAGE_FAILED',
  'VELA_ACTOR_DEADLINE',
])

describeEngines('actors whose cells are killed', (engine) => {
  let host: Host
  beforeAll(async () => {
    host = await startHost({
      cells: { spares: 2 },
      policy: { default: { actors: { services: ['t/logs'] } } },
    })
    const limits = { cpuMs: 1_000 }
    await host.deploy('t/logs', SERVICE, {
      engine,
      limits,
      capabilities: { actors: { LOGS: { class: 'Log' } } },
    })
    for (const at of CALLERS.slice(1))
      await host.deploy(at, `import { WorkerEntrypoint } from '@vela/guest-sdk'\n${CALLER}`, {
        engine,
        limits,
        capabilities: { actors: { LOGS: { service: 't/logs', class: 'Log' } } },
      })
  })
  afterAll(() => host.runtime.stop())

  test(`keep what was acknowledged, once and in order (VELA_FAULT_SEED=${SEED})`, async () => {
    const chance = createChance(SEED)
    const acknowledged: Acknowledged[] = []
    const codes = new Map<string, number>()
    let over = false
    const produce = async (producer: number): Promise<void> => {
      const caller = CALLERS[producer % CALLERS.length] ?? ''
      for (let from = 0; !over; from += AT_ONCE) {
        const log = chance.pick(LOGS) ?? ''
        const answers = await host.invoke(caller, 'append', log, producer, from, AT_ONCE).catch(codeOf)
        for (const [index, answer] of (answers as unknown as Answer[]).entries()) {
          if ('at' in answer) acknowledged.push({ log, producer, seq: from + index, at: answer.at })
          else codes.set(answer.code, (codes.get(answer.code) ?? 0) + 1)
        }
      }
    }
    const haveAllMoved = async (): Promise<boolean> => {
      for (const log of LOGS) {
        const history = await host.invoke('t/logs', 'history', log).catch(() => [])
        if (new Set((history as unknown as Entry[]).map(({ activation }) => activation)).size < 2)
          return false
      }
      return true
    }
    const producers = Array.from({ length: PRODUCERS }, (_, producer) => produce(producer))
    await killCells(chance, KILLS, () => acknowledged.length)
    // By chance none of them may have been where the actors lived.
    for (let more = 0; more < MOST_MORE_KILLS && !(await haveAllMoved()); more++)
      await killCells(chance, 1, () => acknowledged.length)
    over = true
    await Promise.all(producers)
    expect(codes.get('VELA_CELL_LOST')).toBeGreaterThan(0)
    expect([...codes.keys()].filter((code) => !LOST.has(code))).toEqual([])

    for (const log of LOGS) {
      const history = (await host.invoke('t/logs', 'history', log)) as unknown as Entry[]
      for (const { producer, seq, at } of acknowledged.filter((one) => one.log === log))
        expect({ log, at, producer: history[at]?.producer, seq: history[at]?.seq }).toEqual({
          log,
          at,
          producer,
          seq,
        })
      for (let producer = 0; producer < PRODUCERS; producer++) {
        const seqs = history.filter((entry) => entry.producer === producer).map(({ seq }) => seq)
        expect([log, producer, seqs]).toEqual([log, producer, [...new Set(seqs)].sort((a, b) => a - b)])
      }
      const blocks = history.filter(({ activation }, at) => activation !== history[at - 1]?.activation)
      expect(blocks.length, `activations of ${log}`).toBe(new Set(blocks.map((one) => one.activation)).size)
      expect(blocks.length, `activations of ${log}`).toBeGreaterThan(1)
    }
  })
})

/** The call itself was lost, and not its actor's answer. */
function codeOf(thrown: unknown): Answer[] {
  if (thrown instanceof VelaError) return [{ code: thrown.code }]
  throw thrown
}
