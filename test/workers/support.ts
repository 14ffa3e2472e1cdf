/** A host with services that have workers, and a meeting point in the host by which tasks and tests wait for each other. */
import { readFileSync } from 'node:fs'
import type { ConfigInput } from '../../host/core/config.ts'
import type { Runtime } from '../../host/core/runtime.ts'
import { startHost, type Host } from '../capabilities/support.ts'

/** A service of the host: tasks arrive and wait, until as many are there as the room is for, or until it is opened. */
export class Meeting {
  readonly arrivals: Map<string, number> = new Map()
  readonly #waiting = new Map<string, (() => void)[]>()
  readonly #present = new Map<string, number>()
  readonly #most = new Map<string, number>()

  async meet(room: string, size: number): Promise<number> {
    const count = this.arrive(room)
    if (count >= size) this.open(room)
    else await this.#wait(room)
    return count
  }
  /** Waits until `open`. */
  async wait(room: string): Promise<string> {
    this.arrive(room)
    await this.#wait(room)
    return room
  }
  arrive(room: string): number {
    const count = (this.arrivals.get(room) ?? 0) + 1
    this.arrivals.set(room, count)
    return count
  }
  enter(room: string): void {
    const present = (this.#present.get(room) ?? 0) + 1
    this.#present.set(room, present)
    this.#most.set(room, Math.max(present, this.#most.get(room) ?? 0))
  }
  leave(room: string): void {
    this.#present.set(room, (this.#present.get(room) ?? 0) - 1)
  }
  /** How many were in it at a time at most. */
  most(room: string): number {
    return this.#most.get(room) ?? 0
  }
  open(room: string): void {
    for (const go of this.#waiting.get(room) ?? []) go()
    this.#waiting.delete(room)
  }
  #wait(room: string): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.set(room, [...(this.#waiting.get(room) ?? []), resolve])
    })
  }
}

export interface WorkersHost extends Host {
  readonly meeting: Meeting
}

export async function startWorkersHost(
  config: ConfigInput = {},
  before: (runtime: Runtime) => void = () => undefined,
): Promise<WorkersHost> {
  const meeting = new Meeting()
  const host = await startHost(
    {
      cells: { spares: 0 },
      policy: { default: { services: { host: ['meeting'] } } },
      ...config,
    },
    async (runtime) => {
      await runtime.registerService('meeting', meeting)
      before(runtime)
    },
  )
  return { ...host, meeting }
}

/**
 * Methods for tests: `call` one of `env[binding]`, and say what it threw. As tasks: functions, and the class `Jobs` that has an
 * `env` as methods do.
 */
export const SERVICE = `
import { WorkerEntrypoint } from '@vela/guest-sdk'
let calls = 0
export const twice = (x) => x * 2
export const same = (x) => x
export const count = () => ++calls
export const throws = (x) => { throw Object.assign(new RangeError('bad ' + x), { code: 'E_BAD' }) }
export const throwsOdd = () => { throw 7 }
export const text = (length) => 'x'.repeat(length)
export const length = (text) => text.length
export const unsendable = () => ({ items: [1, () => 2] })
export const loopIf = ([x, bad]) => { while (x === bad); return x }
export const loop = () => { for (;;); }
export const bomb = () => { const all = []; for (;;) all.push('y'.repeat(1000) + all.length) }
export const kinds = () => ({ map: new Map([[1, new Date(5)]]), set: new Set(['a']), big: 12n, nan: NaN, none: undefined, bytes: new Uint8Array([1, 255]) })
export class Jobs extends WorkerEntrypoint {
  async meet([room, size]) { return await this.env.meeting.meet(room, size) }
  async wait(room) { return await this.env.meeting.wait(room) }
  mixed([x, room, waits]) { return room === undefined ? x : waits ? this.env.meeting.wait(room) : this.visit(x, room) }
  async visit(x, room) { await this.env.meeting.enter(room); await this.env.meeting.leave(room); return x }
  async pause(x) { await this.env.meeting.enter('pause'); await this.env.meeting.leave('pause'); return x }
  async arriveAndLoop(room) { await this.env.meeting.arrive(room); for (;;); }
  async arrive(room) { return await this.env.meeting.arrive(room) }
  async nested() { return await this.env.POOL.run('twice', 1) }
  id() { return typeof this.ctx.requestId + ' ' + typeof this.ctx.waitUntil }
  never() { return new Promise(() => undefined) }
}
const said = (error) => ({ name: error.name, message: error.message, code: error.code })
export default class extends WorkerEntrypoint {
  async call(method, ...args) {
    try { return await this.env.POOL[method](...args) } catch (error) { return said(error) }
  }
  /** In one turn, whose end would end all that it began. */
  async meetTwice(first, second) { return [await this.call('map', 'Jobs.meet', first), await this.call('map', 'Jobs.meet', second)] }
  size() { return this.env.POOL.size }
  async settled(task, inputs) {
    const outcomes = await this.env.POOL.map(task, inputs, { settled: true })
    return outcomes.map(({ status, value, reason }) => status === 'fulfilled' ? value : said(reason))
  }
  async range(task, length, options) { return await this.env.POOL.map(task, Array.from({ length }, (_, index) => index), options) }
  async together(...tasks) { return await Promise.all(tasks.map(([task, input]) => this.call('run', task, input))) }
  async values() {
    const value = { map: new Map([[1, new Date(5)]]), set: new Set(['a']), big: 12n, nan: NaN, none: undefined, bytes: new Uint8Array([1, 255]) }
    const same = await this.env.POOL.run('same', value)
    const nothing = await this.env.POOL.run('same')
    return [same.map.get(1).getTime(), same.set.has('a'), same.big === 12n, Number.isNaN(same.nan), 'none' in same, [...same.bytes], nothing === undefined]
  }
  async sendUnsendable() { return await this.call('run', 'same', { items: [1, () => 2] }) }
  async long(length) { return (await this.call('run', 'length', 'ä'.repeat(length))) }
  async abort(task, input, ms) {
    const controller = new AbortController()
    setTimeout(() => controller.abort(), ms)
    return await this.call('run', task, input, { signal: controller.signal })
  }
  async aborted() {
    const controller = new AbortController()
    controller.abort(new TypeError('before'))
    return [await this.call('run', 'twice', 1, { signal: controller.signal }), await this.call('map', 'twice', [1], { signal: controller.signal })]
  }
}
`

/** It runs, and is not only waiting to be collected. */
export function isAlive(pid: number): boolean {
  try {
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}

/** CPU time that the process has used (ticks of the kernel's clock, 10 ms mostly). */
export function cpuTicks(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return Number(fields[11]) + Number(fields[12])
}
