/**
 * What is to be brought in line: each part stands in it once, however often it changed, and one that fails is tried again later. All of
 * it at once goes alone, since it may have to make this host a member first.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { VelaError } from '../../core/errors.ts'
import type { Log } from '../../core/log.ts'

export interface WorkQueue {
  /** `run` of each name is called with what is true when its turn comes. */
  add(name: string, run: () => Promise<void>): void
  /** Before all others, and alone. */
  addFirst(run: () => Promise<void>): void
  /** Nothing is waiting, under way or to be tried again. */
  whenIdle(): Promise<void>
  /** While it is held nothing is begun; resolves when nothing is under way. */
  hold(): Promise<void>
  release(): void
  readonly size: number
  close(): Promise<void>
}

const AT_ONCE = 4
const FIRST_DELAY_MS = 200
const MAX_DELAY_MS = 30_000

export function createWorkQueue(log: Log): WorkQueue {
  const waiting = new Map<string, () => Promise<void>>()
  const delays = new Map<string, number>()
  const retries = new Set<AbortController>()
  let first: (() => Promise<void>) | undefined
  const running = new Set<string>()
  let underWay = 0
  let alone = false
  let held = false
  let closed = false
  const idlers = new Set<() => void>()

  const settle = (): void => {
    for (const idler of idlers) idler()
  }

  const retry = async (name: string, run: () => Promise<void>, error: unknown): Promise<void> => {
    const delayMs = Math.min((delays.get(name) ?? FIRST_DELAY_MS / 2) * 2, MAX_DELAY_MS)
    if (!delays.has(name)) {
      // What NATS or another host does to us is told by its words alone; a stack would look like a fault of this host.
      const why = error instanceof VelaError ? { reason: error.message } : { error }
      log.warn('registry not brought in line, trying again', { part: name, ...why })
    }
    delays.set(name, delayMs)
    const canceled = new AbortController()
    retries.add(canceled)
    await sleep(delayMs, undefined, { ref: false, signal: canceled.signal }).catch(() => undefined)
    retries.delete(canceled)
    if (closed) return settle()
    if (name === ALL) first ??= run
    else if (!waiting.has(name)) waiting.set(name, run)
    pump()
  }

  const begin = async (name: string, run: () => Promise<void>): Promise<void> => {
    underWay++
    running.add(name)
    try {
      await run()
      delays.delete(name)
    } catch (error) {
      if (!closed) void retry(name, run, error)
    } finally {
      underWay--
      running.delete(name)
      if (name === ALL) alone = false
      pump()
    }
  }

  const pump = (): void => {
    if (!held && !closed && !alone) {
      if (first !== undefined) {
        if (underWay === 0) {
          const run = first
          first = undefined
          alone = true
          void begin(ALL, run)
        }
      } else {
        for (const [name, run] of waiting) {
          if (underWay >= AT_ONCE) break
          if (running.has(name)) continue
          waiting.delete(name)
          void begin(name, run)
        }
      }
    }
    settle()
  }

  const until = async (holds: () => boolean): Promise<void> => {
    if (holds()) return
    const { promise, resolve } = Promise.withResolvers<void>()
    const check = (): void => {
      if (holds()) resolve()
    }
    idlers.add(check)
    await promise
    idlers.delete(check)
  }

  return {
    add(name, run) {
      if (closed) return
      waiting.set(name, run)
      pump()
    },
    addFirst(run) {
      if (closed) return
      first = run
      pump()
    },
    whenIdle: () =>
      until(
        () => closed || (waiting.size === 0 && first === undefined && underWay === 0 && retries.size === 0),
      ),
    hold() {
      held = true
      return until(() => underWay === 0)
    },
    release() {
      held = false
      pump()
    },
    get size() {
      return waiting.size + underWay + retries.size + (first === undefined ? 0 : 1)
    },
    async close() {
      closed = true
      waiting.clear()
      first = undefined
      for (const canceled of retries) canceled.abort()
      settle()
      await until(() => underWay === 0)
    },
  }
}

const ALL = 'all'
