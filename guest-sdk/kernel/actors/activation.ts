/**
 * One actor that lives in this isolate: its mailbox, its instance, and what becomes of it. Unless its class says otherwise one
 * message is handled at a time, to its end.
 *
 * up: messages are handled as they come. starting: its state is being upgraded. paused: it failed, and waits for what is
 * decided or before it is made anew. leaving: it is being passivated. gone: nothing reaches it any more.
 */
import { createMailbox, type Mailbox } from '../../concurrency/mailbox.ts'
import { createSupervisor, type Directive, type Supervisor } from '../../concurrency/supervision.ts'
import type { Power } from '../capabilities.ts'
import type { ActorClass } from '../exports.ts'
import { freeze, subscribe } from '../primordials.ts'
import { readClassOptions, type ClassOptions } from './class-options.ts'
import type { ActorId } from './context.ts'
import type { ActorsEnvironment } from './environment.ts'
import { createHeldSockets, createSocketGate, type HeldSockets } from './held-sockets.ts'
import { createIdleWatch, type IdleWatch } from './idle.ts'
import { giveUp, type Instance } from './instance.ts'
import { TextMap, soon, type Deferred } from './intrinsics.ts'
import { leave } from './leaving.ts'
import { ownMessage, type Message } from './message.ts'
import type { Scope } from './port.ts'
import { Runner } from './runner.ts'
import { construct, upgrade } from './starting.ts'
import { ActorStorage, type Activated } from './storage.ts'
import { createTimeLimit, type TimeLimit } from './time-limit.ts'

const MOST_INTERLEAVED = 1000

export class Activation {
  readonly id: ActorId
  readonly options: ClassOptions
  readonly storage: ActorStorage
  readonly scope: Scope & { readonly powers: TextMap<Power> }
  readonly sockets: HeldSockets
  readonly env: ActorsEnvironment
  readonly mailbox: Mailbox<Message>
  readonly runner: Runner
  readonly limit: TimeLimit
  /** Version of the class that wrote the state; null: there is none. */
  storedVersion: number | null
  state: 'up' | 'starting' | 'paused' | 'leaving' | 'gone' = 'up'
  instance: Instance | undefined
  /** It is to leave with the others that the host told to; resolved when it has. */
  leavesWith: Deferred<void> | undefined
  /** It is to leave of its own wish, when it has nothing to do. */
  wantsOut = false
  waits = 0
  readonly #supervisor: Supervisor
  /** Reads and transactions under way. */
  #busy = 0
  #isPumping = false
  #isAwake = false
  readonly idle: IdleWatch

  constructor(env: ActorsEnvironment, Class: ActorClass, className: string, name: string, from: Activated) {
    const { kit } = env
    this.env = env
    this.id = freeze({ class: className, name })
    this.options = readClassOptions(Class.options)
    const { capacity, overflow, supervision, version, interleaved, handleMs } = this.options
    this.#supervisor = createSupervisor(supervision)
    const full = (message: Message): void => this.refuse(message, env.errors.mailboxFull(capacity), 'dropped')
    this.mailbox = createMailbox({ capacity, overflow, onDropped: full })
    this.storedVersion = from.version
    this.storage = new ActorStorage(from, {
      name,
      raw: env.raw(className),
      atEntryEnd: kit.atEntryEnd,
      wakeIn: (ms, callback) => void kit.actors.wakeAt(kit.now() + ms, callback),
      errors: env.errors,
      version,
      onFailed: (error, isFenced) => this.#lost(error, isFenced),
      onBusy: (change) => this.#changeBusy(change),
      onDirty: () => env.dirty(this),
    })
    const gate = (): Promise<void> | undefined => this.storage.gate()
    const socketGate = createSocketGate(gate, kit.actors.reportError)
    const { errors } = env
    this.limit = createTimeLimit({ limitMs: handleMs, errors, now: kit.now, wakeAt: kit.actors.wakeAt })
    this.runner = new Runner({
      env,
      className,
      storage: this.storage,
      interleaved,
      limit: this.limit,
      handleMs,
      socketGate,
      dead: (message) => env.dead(this.id, message, 'threw'),
      onThrew: (instance, thrown, tookTooLong) => {
        if (instance !== this.instance) return
        if (tookTooLong) this.dropInstance()
        this.#direct(this.#supervisor.strategy, thrown)
      },
      onEnded: () => this.pump(),
    })
    this.scope = {
      turn: () => this.runner.speaker?.init.turn ?? 0,
      gate,
      deadlineMs: () => this.runner.speaker?.init.deadlineMs ?? Infinity,
      powers: new TextMap(),
    }
    this.idle = createIdleWatch(this)
    this.sockets = createHeldSockets({
      web: kit.web,
      gate: socketGate,
      post: (method, args) => this.#postEvent(method, args),
    })
  }

  /** Nothing waits, and nothing is being done. */
  get isQuiet(): boolean {
    const isIdle = this.runner.running === 0 && this.mailbox.depth === 0 && this.waits === 0
    return isIdle && (this.instance?.blocked ?? 0) === 0 && (this.state === 'up' || this.state === 'gone')
  }

  /** An event of a WebSocket. False: the mailbox is full. */
  #postEvent(method: string, args: readonly unknown[]): boolean {
    // The client's last words, after all that the actor had to say: nobody would ever take them out.
    if (this.state === 'gone') return true
    const message = ownMessage(this.env.kit.actors, 'socket', method, args)
    if (this.push(message)) return true
    message.init.release()
    return false
  }

  /** A child has failed; the answer is what becomes of it. At once: a method that waits for the child would wait for ever. */
  childFailed(child: ActorId, error: unknown, answer: Deferred<unknown>): void {
    const { instance } = this
    if (instance === undefined) return answer.resolve('stop')
    const { actors } = this.env.kit
    this.runner.run(instance, ownMessage(actors, 'failure', 'onChildFailure', [child, error], answer))
  }

  /** False: the mailbox is full, and nothing was done. */
  push(message: Message): boolean {
    const { init } = message
    this.limit.check()
    const slot = this.mailbox.push(message, init.priority)
    if (slot === undefined) return false
    message.slot = slot
    message.mailbox = this.mailbox
    this.env.deadlines.add(message)
    this.runner.hint = init.turn
    this.wake()
    return true
  }

  wake(): void {
    if (this.#isAwake || this.state !== 'up') return
    this.#isAwake = true
    soon(() => {
      this.#isAwake = false
      this.pump()
    })
  }

  /** Handles what may be handled now. */
  pump(): void {
    if (this.#isPumping) return
    this.#isPumping = true
    try {
      while (this.mailbox.depth > 0 && this.#mayBegin()) {
        if (this.instance === undefined) {
          this.#start()
          continue
        }
        if (!this.env.mayHandle(() => this.pump())) break
        const message = this.mailbox.take() as Message
        message.slot = undefined
        this.runner.run(this.instance, message)
      }
    } finally {
      this.#isPumping = false
    }
    this.#rest()
  }

  #mayBegin(): boolean {
    if (this.state !== 'up' || (this.instance?.blocked ?? 0) > 0) return false
    const { running } = this.runner
    return this.options.interleaved ? this.#busy === 0 && running < MOST_INTERLEAVED : running === 0
  }

  /** Ends a message that is not handled. `reason`: why, for those of which nobody hears. */
  refuse(message: Message, error: unknown, reason: 'threw' | 'dropped' | 'stopped'): void {
    message.slot = undefined
    this.env.deadlines.remove(message)
    if (message.init.kind === 'tell') this.env.dead(this.id, message, reason)
    message.fail(error)
    message.init.release()
  }

  refuseAll(error: unknown): void {
    const { mailbox } = this
    for (let next = mailbox.take(); next !== undefined; next = mailbox.take())
      this.refuse(next, error, 'stopped')
  }

  #start(): void {
    if (this.storedVersion !== null && this.storedVersion !== this.options.version) return upgrade(this)
    try {
      this.instance = construct(this)
    } catch (thrown) {
      this.startFailed(thrown)
    }
  }

  /** It could not be made, or what it blocked others for failed. Who came first hears of it. */
  startFailed(thrown: unknown): void {
    this.env.kit.actors.reportError(thrown)
    const message = this.mailbox.take()
    if (message !== undefined) this.refuse(message, this.env.errors.thrown(thrown), 'threw')
    const { strategy } = this.#supervisor
    this.#direct(strategy === 'resume' ? 'restart' : strategy, thrown)
  }

  #direct(directive: Directive, thrown: unknown): void {
    // Without an instance there is nothing to go on with.
    if (directive === 'restart' || (directive === 'resume' && this.instance === undefined))
      return this.#restart()
    if (directive === 'stop') return this.stop('it failed')
    if (directive !== 'escalate') return
    this.state = 'paused'
    subscribe(
      this.env.escalate(this.id, thrown),
      (answer) => {
        if (this.state !== 'paused') return
        this.state = 'up'
        const decided = answer === 'escalate' ? 'stop' : (answer as Directive)
        this.#direct(decided, thrown)
        this.pump()
      },
      () => this.stop('its parent could not decide'),
    )
  }

  #restart(): void {
    const { actors, now } = this.env.kit
    this.dropInstance()
    const delayMs = this.#supervisor.restart(now())
    if (delayMs === undefined) return this.stop('it failed too often')
    if (delayMs === 0) return this.wake()
    this.state = 'paused'
    actors.wakeAt(now() + delayMs, () => {
      if (this.state !== 'paused') return
      this.state = 'up'
      this.pump()
    })
  }

  dropInstance(): void {
    if (this.instance !== undefined) giveUp(this.instance)
    this.instance = undefined
    this.storage.rollBack()
  }

  /** Gives up what waits, and itself; the next message makes it live again. */
  stop(why: string): void {
    if (this.state === 'gone' || this.state === 'leaving') return
    this.dropInstance()
    this.sockets.closeAll('stopped')
    this.refuseAll(this.env.errors.stopped(`The actor was stopped: ${why}`))
    leave(this)
    // Behind it: actors may be each other's parents.
    this.env.stopChildren(this.id)
  }

  /** What it wrote did not become durable: nobody may go on from there. */
  #lost(error: unknown, isFenced: boolean): void {
    this.runner.breakAll(error)
    if (!isFenced) return this.state === 'up' ? this.#restart() : this.dropInstance()
    this.refuseAll(error)
    this.evict()
  }

  /** Nothing more is done or written here. What waits is handed on. */
  evict(): void {
    if (this.state === 'gone') return
    this.state = 'gone'
    this.dropInstance()
    this.sockets.closeAll('leaving')
    this.env.gone(this)
    this.leavesWith?.resolve()
  }

  #changeBusy(change: 1 | -1): void {
    this.#busy += change
    // Who waited for it goes on first.
    if (change < 0 && this.#busy === 0 && this.options.interleaved)
      this.env.kit.actors.queueTask(() => this.pump())
  }

  #rest(): void {
    if (this.state !== 'up' || !this.isQuiet) return
    if (this.leavesWith !== undefined) return this.env.quiet()
    if (this.wantsOut) return leave(this)
    this.idle.rest()
  }
}
