/**
 * Handles messages: whose turn it is, and how each ends. An answer waits until what was written before it is durable; if that
 * fails, so does the message.
 */
import { NumberMap, subscribe, toPromise } from '../primordials.ts'
import { isThenable } from '../thenable.ts'
import { BadResponse } from '../turn-errors.ts'
import type { ActorsEnvironment } from './environment.ts'
import { workOf, type Instance } from './instance.ts'
import type { Message } from './message.ts'
import type { ActorStorage } from './storage.ts'
import type { Started, TimeLimit } from './time-limit.ts'

export interface RunnerDeps {
  readonly env: ActorsEnvironment
  readonly className: string
  readonly storage: ActorStorage
  readonly interleaved: boolean
  readonly limit: TimeLimit
  readonly handleMs: number
  readonly socketGate: (run: () => void) => void
  /** Nobody may hear of it otherwise. */
  readonly dead: (message: Message) => void
  /** The guest's own code threw, or took too long: then nothing of it can go on. */
  readonly onThrew: (instance: Instance, thrown: unknown, tookTooLong: boolean) => void
  /** There is room for the next. */
  readonly onEnded: () => void
}

export class Runner {
  readonly #deps: RunnerDeps
  readonly #runs = new NumberMap<Message>()
  #lastRun = 0
  /** Whose synchronous part runs now, and who began last. */
  #current: Message | undefined
  #latest: Message | undefined
  /** How many are being handled. */
  running = 0
  /** When the last ended (epoch milliseconds). */
  endedMs = 0
  /** On whose behalf it acts when no message is being handled. */
  hint = 0

  constructor(deps: RunnerDeps) {
    this.#deps = deps
  }

  /** On whose behalf the running code acts; of several, nobody knows whose continuation runs. */
  get speaker(): Message | undefined {
    if (this.#current !== undefined) return this.#current
    return this.#deps.interleaved || this.running === 0 ? undefined : this.#latest
  }

  within(message: Message | undefined, work: () => void): void {
    const outer = this.#current
    this.#current = message
    try {
      this.#deps.env.kit.actors.within(message?.init.turn ?? this.hint, work)
    } finally {
      this.#current = outer
    }
  }

  run(instance: Instance, message: Message): void {
    const { env, className, handleMs, limit, storage } = this.#deps
    const { kind, method } = message.init
    const work = workOf(instance, message)
    if (work === undefined && kind !== 'alarm') {
      if (kind === 'tell') this.#deps.dead(message)
      message.fail(env.errors.noMethod(className, method))
      return this.#over(message)
    }
    const run = ++this.#lastRun
    this.#runs.set(run, message)
    this.running++
    if (kind !== 'failure') this.#latest = message
    let started: Started | undefined
    /** False: it took too long, and nobody waits for it any more. */
    const ends = (): boolean => {
      if (!this.#runs.delete(run)) return false
      if (started !== undefined) limit.end(started)
      this.running--
      if (this.#latest === message) this.#latest = undefined
      this.endedMs = env.kit.now()
      return true
    }
    const done = (value: unknown): void => {
      if (!ends()) return
      this.#finish(instance, message, value)
      this.#deps.onEnded()
    }
    const fail = (thrown: unknown, tookTooLong = false): void => {
      if (!ends()) return
      this.#fail(instance, message, thrown, tookTooLong)
      this.#deps.onEnded()
    }
    let value: unknown
    try {
      if (kind === 'alarm') storage.alarmCame()
      this.within(message, () => {
        value = work?.()
      })
      if (isThenable(value)) {
        const promise = toPromise(value)
        started = limit.begin(() => fail(env.errors.tooLong(method, handleMs), true))
        return subscribe(promise, done, fail)
      }
    } catch (thrown) {
      return fail(thrown)
    }
    done(value)
  }

  /** What they wrote was lost, so what they will answer is not true. */
  breakAll(error: unknown): void {
    this.#runs.each((message) => {
      message.broken = { error }
    })
  }

  #finish(instance: Instance, message: Message, value: unknown): void {
    const { broken, init } = message
    if (broken !== undefined) return this.#reply(message, () => message.fail(broken.error))
    let answer: () => void
    try {
      if (init.kind === 'fetch') this.#holdSocket(value)
      answer = init.answer(value)
    } catch (thrown) {
      return this.#fail(instance, message, thrown)
    }
    this.#reply(message, () => message.send(answer))
  }

  #holdSocket(response: unknown): void {
    const { env, socketGate } = this.#deps
    const socket = env.kit.web.responseSocket(response)
    if (socket === undefined) throw new BadResponse(response)
    if (socket !== null) env.kit.web.gateSocket(socket, socketGate, true)
  }

  #fail(instance: Instance, message: Message, thrown: unknown, tookTooLong = false): void {
    const { env, dead, onThrew } = this.#deps
    const { kind } = message.init
    const { broken } = message
    const error = broken === undefined ? env.errors.thrown(thrown) : broken.error
    this.#reply(message, () => message.fail(error))
    if (kind === 'tell') dead(message)
    if (kind !== 'ask') env.kit.actors.reportError(thrown)
    if (instance.live && broken === undefined) onThrew(instance, thrown, tookTooLong)
  }

  /** The output gate. */
  #reply(message: Message, send: () => void): void {
    const writes = this.#deps.storage.gate()
    if (writes === undefined) {
      send()
      return this.#over(message)
    }
    subscribe(
      writes,
      () => {
        send()
        this.#over(message)
      },
      (reason) => {
        message.fail(reason)
        this.#over(message)
      },
    )
  }

  #over(message: Message): void {
    this.#deps.env.deadlines.remove(message)
    message.init.release()
  }
}
