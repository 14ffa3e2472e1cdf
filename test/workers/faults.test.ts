/** What a task that breaks its limits, loses its cell or is not wanted any more does to itself, and to no other. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { JsonValue } from '../../host/registry/types.ts'
import { cellPids, until } from '../attack/harness.ts'
import { describeEngines } from '../engines.ts'
import { cpuTicks, isAlive, SERVICE, startWorkersHost, type WorkersHost } from './support.ts'

let host: WorkersHost
beforeAll(async () => {
  // No worker is given up meanwhile, so that each pool's first one has a new cell.
  host = await startWorkersHost({ cells: { spares: 0, idleMs: 300, isolateIdleMs: 600_000 } })
})
afterAll(() => host.runtime.stop())

describeEngines('a pool in trouble', (engine) => {
  const tenant = `faults-${engine}`
  const deploy = async (
    name: string,
    size: number,
    limits: { readonly cpuMs?: number; readonly wallMs?: number; readonly memoryMb?: number } = {},
  ): Promise<(method: string, ...args: JsonValue[]) => Promise<JsonValue | undefined>> => {
    const at = `${tenant}/${name}`
    await host.deploy(at, SERVICE, {
      engine,
      limits: { wallMs: 30_000, ...limits },
      capabilities: { workers: { POOL: { size } }, services: { meeting: { host: 'meeting' } } },
    })
    return (method, ...args) => host.invoke(at, method, ...args)
  }
  const room = (name: string): string => `${engine} ${name}`
  /** Runs the work; the cells that are new afterwards. */
  const newCells = async (work: () => Promise<unknown>): Promise<number[]> => {
    const before = new Set(cellPids())
    await work()
    return cellPids().filter((pid) => !before.has(pid))
  }

  /** The cell of the one worker that a pool starts with. */
  const cellOf = async (
    invoke: (method: string, ...args: JsonValue[]) => Promise<unknown>,
  ): Promise<number> => {
    const [cell = 0, ...more] = await newCells(() => invoke('call', 'run', 'twice', 1))
    expect([cell > 0, more]).toEqual([true, []])
    return cell
  }
  const worksOn = async (
    invoke: (method: string, ...args: JsonValue[]) => Promise<unknown>,
  ): Promise<boolean> => (await invoke('call', 'run', 'twice', 4).catch(() => 0)) === 8

  test('a task that uses too much CPU fails alone, in the middle of a map of short ones', async () => {
    const invoke = await deploy('cpu', 2, { cpuMs: 150 })
    const inputs = Array.from({ length: 120 }, (_, index): JsonValue => [index, 77])
    // They are known to be short from here on, so that many stand in a worker at a time.
    await invoke('call', 'map', 'loopIf', inputs.slice(0, 40))
    const outcomes = (await invoke('settled', 'loopIf', inputs)) as JsonValue[]
    expect(outcomes[77]).toMatchObject({
      code: 'VELA_TURN_EXCEEDED_CPU',
      message: expect.stringMatching(/ CPU time/) as string,
    })
    expect(outcomes.toSpliced(77, 1)).toEqual(inputs.map((_, index) => index).toSpliced(77, 1))
  })

  test('a task that uses too much memory fails alone', async () => {
    const invoke = await deploy('memory', 2, { cpuMs: 10_000, memoryMb: 32 })
    const long = invoke('call', 'run', 'Jobs.wait', room('memory'))
    await until('the other has begun', () => host.meeting.arrivals.get(room('memory')) === 1)
    expect(await invoke('call', 'run', 'bomb')).toMatchObject({ code: 'VELA_TURN_EXCEEDED_MEMORY' })
    host.meeting.open(room('memory'))
    expect(await long).toBe(room('memory'))
    expect(await invoke('call', 'run', 'twice', 2)).toBe(4)
  })

  test('what had effects is not run again when its cell is killed; what had not begun goes on', async () => {
    const invoke = await deploy('killed', 1)
    const many = Array.from({ length: 40 }, (_, index): JsonValue => [index])
    const cell = await cellOf(invoke)
    // Short so far, so that the worker is given several: the first has effects and waits, the others stand behind it.
    await invoke('settled', 'Jobs.mixed', many)
    await invoke('settled', 'Jobs.mixed', many)
    const outcomes = invoke('settled', 'Jobs.mixed', [[0, room('killed'), true], [1], [2], [3]])
    await until('it has begun', () => host.meeting.arrivals.get(room('killed')) === 1)
    process.kill(cell, 'SIGKILL')
    const lost = expect.objectContaining({ code: 'VELA_CELL_LOST' }) as JsonValue
    expect(await outcomes).toEqual([lost, 1, 2, 3])
    expect(host.meeting.arrivals.get(room('killed'))).toBe(1)
  })

  test('a killed worker does not touch the tasks of its sibling', async () => {
    const invoke = await deploy('sibling', 2)
    const cell = await cellOf(invoke)
    const both = invoke('together', ['Jobs.wait', room('one')], ['Jobs.wait', room('two')])
    await until(
      'both have begun',
      () => host.meeting.arrivals.get(room('one')) === 1 && host.meeting.arrivals.get(room('two')) === 1,
    )
    process.kill(cell, 'SIGKILL')
    await until('the cell is gone', () => !isAlive(cell))
    // The sibling answers when it is told to, and not before.
    host.meeting.open(room('one'))
    host.meeting.open(room('two'))
    const outcomes = (await both) as JsonValue[]
    expect(outcomes.filter((outcome) => typeof outcome === 'string')).toHaveLength(1)
    expect(outcomes.find((outcome) => typeof outcome !== 'string')).toMatchObject({ code: 'VELA_CELL_LOST' })
  })

  test('a task that is cancelled stops using CPU, long before its limit', async () => {
    const invoke = await deploy('cancel', 1, { cpuMs: 25_000 })
    const cell = await cellOf(invoke)
    expect(await invoke('abort', 'loop', null, 100)).toMatchObject({ name: 'AbortError' })
    await until('its process is gone', () => !isAlive(cell), 10_000)
    expect(await invoke('call', 'run', 'twice', 4)).toBe(8)
  })

  test('a task that waits and is cancelled leaves its worker to others', async () => {
    const invoke = await deploy('cancel-waiting', 1)
    expect(await invoke('call', 'run', 'twice', 1)).toBe(2)
    expect(await invoke('abort', 'Jobs.never', null, 50)).toMatchObject({ name: 'AbortError' })
    expect(await invoke('call', 'run', 'twice', 4)).toBe(8)
  })

  test('a task whose caller is past its deadline is ended, and its worker works on', async () => {
    const invoke = await deploy('deadline', 1, { cpuMs: 25_000, wallMs: 5_000 })
    const cell = await cellOf(invoke)
    // The guest hears of it too, if that comes before its own end.
    const outcome: unknown = await invoke('call', 'run', 'loop').catch((error: unknown) => error)
    expect(outcome).toMatchObject({ code: 'VELA_TURN_EXCEEDED_WALL' })
    await until('its process is gone', () => !isAlive(cell), 10_000)
    expect(await until('it works on', () => worksOn(invoke))).toBe(true)
  })

  test('an idle worker goes with its version', async () => {
    const cell = await cellOf(await deploy('replaced-idle', 1))
    await host.deploy(`${tenant}/replaced-idle`, 'export const twice = (x) => x * 2', { engine })
    await until('its process is gone', () => !isAlive(cell), 10_000)
  })

  test('a worker that is busy goes with its version', async () => {
    const invoke = await deploy('replaced', 1, { cpuMs: 25_000 })
    const cell = await cellOf(invoke)
    const task = invoke('call', 'run', 'loop').catch((error: unknown) => error)
    await until('the cell is busy', () => cpuTicks(cell) > 5)
    await host.deploy(`${tenant}/replaced`, 'export const twice = (x) => x * 2', { engine })
    await task
    await until('its process is gone', () => !isAlive(cell), 10_000)
  })
})
