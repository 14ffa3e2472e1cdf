/** The kernel's half of actors without an engine: the host is the test, which answers when it likes, ends entries and moves the clock. */
import { cloneValue, decodeValue, encodeValue } from '../../guest-sdk/async/codec.ts'
import { create } from '../../guest-sdk/capabilities/actors.ts'
import type { CallResult } from '../../guest-sdk/kernel/calls.ts'
import type { CapabilityKit, Power } from '../../guest-sdk/kernel/capabilities.ts'
import type { ActorsPort } from '../../guest-sdk/kernel/actors/port.ts'

export interface Asked {
  readonly method: string
  readonly args: readonly unknown[]
  answer(value: unknown): void
  fail(code: string): void
}

export interface Namespace {
  ask(name: string, method: string, args?: unknown[]): Promise<unknown>
  tell(name: string, method: string, args?: unknown[]): Promise<void>
}

export interface Kernel {
  readonly namespace: Namespace
  readonly asked: Asked[]
  readonly port: ActorsPort
  readonly reported: unknown[]
  /** How many messages keep a turn open. */
  held(): number
  /** Timers that stand, and what they hold with them. */
  timersLeft(): number
  endEntry(): Promise<void>
  /** An entry so much later, with the timers of the kernel that are due. */
  advance(ms: number): Promise<void>
  /** The time of the next entry, before any timer of it. */
  entered(laterMs: number): void
}

/** A kernel without an engine: entries end when the test says so. */
export function createKernel(Class: new (ctx: object, env: object) => object): Kernel {
  const asked: Asked[] = []
  let atEnd: (() => void)[] = []
  let port: ActorsPort | undefined
  const reported: unknown[] = []
  let held = 0
  let nowMs = 0
  let timers: { readonly atMs: number; readonly callback: () => void }[] = []
  const call = (method: string, args: readonly unknown[]): Promise<CallResult> => {
    const { promise, resolve, reject } = Promise.withResolvers<CallResult>()
    asked.push({
      method,
      args,
      answer: (value) => resolve({ id: 0, value, body: null }),
      fail: (code) => reject(Object.assign(new Error(code), { code })),
    })
    return promise
  }
  const scope = { turn: () => 0, gate: () => undefined, deadlineMs: () => Infinity }
  const power: Power = { call, callNow: call, raw: call, scope }
  const kit = {
    web: { gateSocket: () => true },
    createError: (name: string, message: string, code: string | undefined) =>
      Object.assign(new Error(message), { name, code }),
    atEntryEnd: (callback: () => void) => void atEnd.push(callback),
    now: () => nowMs,
    encodeValue,
    decodeValue,
    cloneValue,
    actors: {
      plug: (given: ActorsPort) => {
        port = given
      },
      classOf: (name: string) => (name === 'A' ? Class : undefined),
      hold: () => {
        held++
        return () => void held--
      },
      within: (_turn: number, work: () => void) => work(),
      currentTurn: () => 0,
      envOf: (own: Power['scope']) => {
        const gated: Power['call'] = async (method, args) => {
          await own.gate()
          return await call(method, args)
        }
        return { A: make({ call: gated, callNow: call, raw: call, scope: own }, { class: 'A', own: true }) }
      },
      queueTask: (run: () => void) => void setImmediate(run),
      wakeAt: (atMs: number, callback: () => void) => {
        const timer = { atMs, callback }
        timers.push(timer)
        return () => void (timers = timers.filter((other) => other !== timer))
      },
      reportError: (thrown: unknown) => void reported.push(thrown),
      describeThrown: (thrown: unknown) => JSON.stringify({ name: 'Error', message: String(thrown) }),
    },
  } as unknown as CapabilityKit
  const make = create(kit)
  const namespace = make(power, { class: 'A', own: true }) as Namespace
  if (port === undefined) throw new Error('nothing was plugged in')
  return {
    namespace,
    asked,
    port,
    reported,
    held: () => held,
    timersLeft: () => timers.length,
    entered(laterMs) {
      nowMs += laterMs
    },
    async advance(ms) {
      nowMs += ms
      const due = timers.filter(({ atMs }) => atMs <= nowMs)
      timers = timers.filter(({ atMs }) => atMs > nowMs)
      for (const { callback } of due) callback()
      await settle()
    },
    async endEntry() {
      await settle()
      const callbacks = atEnd
      atEnd = []
      for (const callback of callbacks) callback()
      await settle()
    },
  }
}

export const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
export const activation = (epoch: number, entries: [string, string][] = []): object => ({
  epoch,
  version: 1,
  entries,
  complete: true,
  alarmMs: null,
})

interface Context {
  readonly storage: {
    get(key: string): Promise<unknown>
    put(key: string, value: unknown): Promise<void>
  }
}

export class Log {
  readonly ctx: Context
  readonly log: unknown[] = []
  constructor(ctx: object) {
    this.ctx = ctx as Context
  }
  add(item: unknown): unknown[] {
    this.log.push(item)
    return this.log
  }
  async write(key: string, value: unknown): Promise<string> {
    await this.ctx.storage.put(key, value)
    return 'written'
  }
  read(key: string): Promise<unknown> {
    return this.ctx.storage.get(key)
  }
}
