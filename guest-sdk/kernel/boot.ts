/**
 * The kernel: the first and only trusted code in an isolate. The engine evaluates it before the guest's module
 * and keeps the bridge it returns; guest code reaches the globals it installs, never the bridge.
 */
import { installWeb } from '../web/install.ts'
import { createAsyncPlatform } from './async-platform.ts'
import type { ActorsKit, ActorsSlot } from './actors/port.ts'
import { createCalls } from './calls.ts'
import { createCapabilities } from './capabilities.ts'
import { installConsole, LEVEL } from './console.ts'
import { installDeterminism, removeEscapes, type Clock } from './determinism.ts'
import { createEntryEnd } from './entry-end.ts'
import type { EventsSlot } from './event-port.ts'
import { readExports, type GuestExports } from './exports.ts'
import { createLateCodec } from './late-codec.ts'
import { createLateNatives } from './late-natives.ts'
import { FIRST_CALL_ID, FROM_GUEST, TO_GUEST } from './messages.ts'
import type { Bridge, GuestConfig, Native } from './native.ts'
import { createOutbox } from './outbox.ts'
import { ReflectApply, defineProperty, freeze, indexOf, parse, slice } from './primordials.ts'
import { createError as createSdkError, createSdk, type Sdk } from './sdk.ts'
import { createTasks } from './tasks.ts'
import { describeThrown } from './thrown.ts'
import { createTimers } from './timers.ts'
import { createTurnWatch } from './turn-watch.ts'
import { createTurns } from './turns.ts'
import type { WebHooks } from './web-contract.ts'
import { createWiring } from './wiring.ts'

export interface Kernel {
  readonly bridge: Bridge
  /** Binds the engine's natives, and takes away what an engine puts back into a context made from a snapshot. */
  bind(natives: Native): void
  /** What `@vela/guest-sdk` exports inside a guest. */
  readonly sdk: Pick<Sdk, 'lazyNames' | 'names' | 'take'>
}

export { describeThrown } from './thrown.ts'
export { warmUp } from './warm-up.ts'

/** May run inside a snapshot: touches no native function, and what it keeps is the state of a fresh guest. */
export function boot(target: typeof globalThis): Kernel {
  const { native, bind } = createLateNatives()
  const clock: Clock = { nowMs: 0 }
  const outbox = createOutbox()
  const seedRandom = installDeterminism(target, clock)
  let exports: GuestExports | undefined
  let config: GuestConfig | undefined

  const reportError = (thrown: unknown, requestId?: string): void => {
    const label = requestId ?? turns.currentRequestId()
    native.log(LEVEL.error, label, '\u0000' + describeThrown(thrown))
  }
  const timers = createTimers(clock, (thrown) => web.reportException(thrown))
  const tasks = createTasks((thrown) => web.reportException(thrown))
  installTimers(target, timers)
  const web: WebHooks = installWeb(target, {
    native,
    now: () => clock.nowMs,
    setTimeout: (callback, delayMs) => timers.set(callback, delayMs, [], false),
    clearTimeout: (id) => timers.clear(id),
    queueTask: tasks.add,
    loadPart: (name) => evaluatePart(native, name),
    reportError: (error) => reportError(error),
    fetch: (input, init) => capabilities.fetch(input, init),
  })
  const createError = (
    name: string,
    message: string,
    code: string | undefined,
    details?: unknown,
  ): object => {
    const error = web.createError(name, message)
    if (code !== undefined)
      defineProperty(error, 'code', { value: code, configurable: true, enumerable: true })
    if (details !== undefined)
      defineProperty(error, 'details', { value: details, configurable: true, enumerable: true })
    return error
  }
  const calls = createCalls({ outbox, native, createError })
  const entryEnd = createEntryEnd(reportError)
  const settling = createEntryEnd(reportError)
  const turnWatch = createTurnWatch()
  const eventsSlot: EventsSlot = { port: undefined }
  const actorsSlot: ActorsSlot = { port: undefined }
  const actors: ActorsKit = {
    plug: (port) => (actorsSlot.port ??= port),
    classOf: (name) => exports?.actor(name),
    hold: (turn) => turns.hold(turn),
    within: (turn, work) => turns.within(turn, work),
    currentTurn: () => turns.currentTurn(),
    envOf: (scope) => capabilities.envIn(scope),
    bindingIn: (scope, name, deadlineMs) => capabilities.bindingIn(scope, name, deadlineMs),
    queueTask: tasks.add,
    wakeAt: timers.wakeAt,
    reportError: (thrown) => reportError(thrown),
    describeThrown,
  }
  const loadPart = (name: string): unknown => evaluatePart(native, name)
  const codec = createLateCodec(loadPart)
  const capabilities = createCapabilities({
    web,
    createError,
    calls,
    loadPart,
    codec,
    currentTurn: () => turns.currentTurn(),
    atEntryEnd: entryEnd.add,
    beforeSettle: settling.add,
    onTurnEnd: turnWatch.on,
    now: () => clock.nowMs,
    actors,
    events: { plug: (port) => (eventsSlot.port ??= port), describeThrown },
    gate: () => actorsSlot.port?.gate(),
  })
  const turns = createTurns({
    native,
    outbox,
    web,
    exports: () => exports as GuestExports,
    env: capabilities.envOf,
    bindingOf: capabilities.bindingOf,
    limitBytes: () => config?.responseBodyBytes ?? 0,
    messageBytes: () => config?.socketMessageBytes ?? 0,
    onError: reportError,
    actors: actorsSlot,
    events: eventsSlot,
    codec,
    atEntryEnd: entryEnd.add,
    beforeSettle: settling.run,
    endCalls: (turn, reason) => {
      turnWatch.end(turn, reason)
      calls.endTurn(turn, reason)
    },
  })
  installConsole(target, native, clock, turns.currentRequestId)
  const platform = createAsyncPlatform({ web, timers, now: () => clock.nowMs })
  const wiring = createWiring({
    turnLife: turns.lifeOf,
    actorLife: (context) => actorsSlot.port?.lifeOf(context),
    bindingOf: capabilities.bindingOf,
    outside: turns.outside,
    has: capabilities.has,
    isVar: capabilities.isVar,
    createError: createSdkError,
    reportError,
  })
  const sdk = createSdk({ platform, loadPart, wiring: wiring.kit })

  const isDue = (): boolean => tasks.isDue() || timers.isDue()

  const bridge: Bridge = {
    configure(json) {
      config = parse(json) as GuestConfig
      clock.nowMs = config.nowMs
      timers.limit = config.timers
      seedRandom(config.seed)
      sdk.bind(capabilities.configure(freezeDeep({ ...config.env }), config.capabilities))
    },
    register(namespace) {
      exports = readExports(namespace as Record<string, unknown>, sdk.isActor, wiring.takeNeeds())
    },
    describe: () => exports?.description,
    deliver(nowMs, text) {
      clock.nowMs = nowMs
      tasks.open()
      actorsSlot.port?.entered()
      const end = indexOf(text, '\n')
      const messages = parse(slice(text, 0, end)) as unknown[][]
      let at = end + 1
      const take = (size: number): string => {
        const from = at
        at += size
        return size === 0 ? '' : slice(text, from, at)
      }
      for (let index = 0; index < messages.length; index++) {
        const message = messages[index] as unknown[]
        const id = message[1] as number
        switch (message[0]) {
          case TO_GUEST.invoke:
            turns.invoke(message, take)
            break
          case TO_GUEST.data:
            ;(id < FIRST_CALL_ID ? turns : calls).data(id, take(message[2] as number), message[3] as number)
            break
          case TO_GUEST.credit:
            ;(id < FIRST_CALL_ID ? turns : calls).credit(id, message[2] as number)
            break
          case TO_GUEST.result: {
            const json = take(message[2] as number)
            calls.result(id, json, message[3] as number, take(message[4] as number))
            break
          }
          case TO_GUEST.failed:
            calls.failed(id, take(message[2] as number))
            break
          case TO_GUEST.message:
            // Taken whether the socket is there or not: the bodies of others follow.
            turns.message(id, message[2] as number, take(message[3] as number))
            break
          case TO_GUEST.closed:
            turns.closed(id, message[2] as number, message[3] as number, take(message[4] as number))
            break
          default:
            turns.cancel(id, message[2] as string)
        }
      }
      return isDue()
    },
    fire() {
      if (tasks.isDue()) tasks.runNext()
      else timers.fireNext()
      return isDue()
    },
    rejected: (description, value) => web.reportRejection(description, value),
    collect() {
      // Microtasks that ran since the last answer may have queued some.
      if (tasks.isDue()) return true
      // A call that could not even be made rejects by microtasks, which no answer of the host would ever bring about.
      if (settling.run()) return true
      entryEnd.run()
      // Its first parts are to leave with this entry, or nothing might ever ask for them.
      if (calls.beganBody()) return true
      // A body that began to leave with it goes on in microtasks.
      if (tasks.isDue()) return true
      const dueMs = timers.takeChange(tasks.isWaiting() ? clock.nowMs : undefined)
      if (dueMs !== undefined) outbox.add(`[${FROM_GUEST.timer},${dueMs}]`, '')
      return outbox.drain()
    },
  }
  return {
    bridge,
    sdk,
    bind(natives) {
      bind(natives)
      removeEscapes(target)
    },
  }
}

function installTimers(target: object, timers: ReturnType<typeof createTimers>): void {
  const functions = {
    setTimeout: (callback: unknown, delayMs: unknown = undefined, ...args: unknown[]) =>
      timers.set(callback, delayMs, args, false),
    setInterval: (callback: unknown, delayMs: unknown = undefined, ...args: unknown[]) =>
      timers.set(callback, delayMs, args, true),
    clearTimeout: (id: unknown = undefined) => timers.clear(id),
    clearInterval: (id: unknown = undefined) => timers.clear(id),
  }
  for (const [name, value] of Object.entries(functions)) {
    defineProperty(target, name, { value, writable: true, configurable: true, enumerable: false })
  }
}

// oxlint-disable-next-line no-eval -- indirect eval, captured: a part is our own code, loaded when first touched
const evaluate = globalThis.eval
function evaluatePart(native: Native, name: string): unknown {
  const source = native.part(name)
  if (source === undefined) throw new Error(`The kernel has no part ${name}`)
  return ReflectApply(evaluate, undefined, [source])
}

function freezeDeep<Value>(value: Value): Value {
  if (typeof value !== 'object' || value === null) return value
  for (const key of Object.keys(value)) freezeDeep((value as Record<string, unknown>)[key])
  return freeze(value)
}
