/** What an invoke asks for: finds the handler of the guest, gives it what it takes, and says how its turn settles. */
import type { ActorTurn } from './actors/port.ts'
import type { BatchTurn } from './event-port.ts'
import type { Callable } from './exports.ts'
import { createInbound } from './inbound.ts'
import { BODY, HANDLER } from './messages.ts'
import { parse } from './primordials.ts'
import type { TurnsDeps } from './turns.ts'
import { ScheduledController, TurnContext } from './turn-context.ts'
import { FetchMissing, MethodMissing } from './turn-errors.ts'
import type { Turn } from './turn-state.ts'
import type { IncomingBody } from './web-contract.ts'
import { createWorkerTasks } from './worker-tasks.ts'

export interface InvokeDeps extends Pick<
  TurnsDeps,
  'actors' | 'atEntryEnd' | 'codec' | 'env' | 'events' | 'exports' | 'outbox' | 'web'
> {
  /** Runs the guest's part of a turn and settles with what it returned or threw. */
  readonly run: (turn: Turn, work: () => unknown, settle: (turn: Turn, value: unknown) => void) => void
  readonly within: (turn: Turn, work: () => void) => void
  /** Settles it when nothing keeps it open any more. */
  readonly whenIdle: (turn: Turn, settle: () => void) => void
  readonly abortOf: (turn: Turn) => { readonly signal: object }
  readonly waitUntil: (turn: Turn, promise: unknown) => void
  readonly hold: (turn: Turn) => () => void
  /** `mostBytes`: what the service may answer with, if left out. */
  readonly settleJson: (turn: Turn, json: string | undefined, mostBytes?: number) => void
  readonly settleResponse: (turn: Turn, value: unknown) => void
  readonly settleThrown: (turn: Turn, thrown: unknown) => void
  readonly settleValue: (turn: Turn, value: unknown) => void
}

type Take = (size: number) => string

export function createInvoke(
  deps: InvokeDeps,
): (turn: Turn, message: readonly unknown[], take: Take) => void {
  const { web, run } = deps
  const runTask = createWorkerTasks({ ...deps, settleText: deps.settleJson })

  const requestOf = (turn: Turn, message: readonly unknown[], take: Take): object => {
    const body = incomingBody(turn, message[6] as number, take(message[7] as number))
    return web.createRequest(
      message[3] as string,
      message[4] as string,
      message[5] as readonly string[],
      body,
      () => deps.abortOf(turn).signal,
    )
  }

  const incomingBody = (turn: Turn, kind: number, text: string): IncomingBody => {
    if (kind === BODY.none) return null
    if (kind !== BODY.stream) return { byteString: text, ascii: kind === BODY.text }
    turn.inbound = createInbound(turn.id, deps.outbox)
    return turn.inbound
  }

  const invokeFetch = (turn: Turn, request: object): void => {
    const handler = deps.exports().fetch
    run(
      turn,
      () => {
        if (handler === undefined) throw new FetchMissing()
        return handler(request, deps.env(turn.id), new TurnContext(turn, deps))
      },
      deps.settleResponse,
    )
  }

  const invokeMethod = (turn: Turn, name: string, json: string): void => {
    const context = new TurnContext(turn, deps)
    run(
      turn,
      () => {
        const method = deps.exports().method(name, deps.env(turn.id), context)
        if (method === undefined) throw new MethodMissing(name)
        return method(...(parse(json) as unknown[]))
      },
      deps.settleValue,
    )
  }

  /** The run is over, and its outcome told, when all it left to waitUntil is. */
  const settleRun = (turn: Turn): void => {
    deps.whenIdle(turn, () => deps.settleValue(turn, undefined))
  }

  const invokeScheduled = (turn: Turn, cron: string, json: string): void => {
    const [scheduledTime] = parse(json) as [number]
    run(
      turn,
      () => {
        const handler = deps.exports().scheduled
        if (handler === undefined) throw new MethodMissing('scheduled')
        const controller = new ScheduledController(cron, scheduledTime)
        return handler(controller, deps.env(turn.id), new TurnContext(turn, deps))
      },
      settleRun,
    )
  }

  const actorTurn = (turn: Turn): ActorTurn => ({
    id: turn.id,
    value: (json) => settle(turn, () => deps.settleJson(turn, json)),
    response: (value) => settle(turn, () => deps.settleResponse(turn, value)),
    threw: (thrown) => deps.settleThrown(turn, thrown),
    hold: () => deps.hold(turn),
  })
  const settle = (turn: Turn, work: () => void): void => {
    try {
      work()
    } catch (thrown) {
      deps.settleThrown(turn, thrown)
    }
  }

  /** What there is for actors was loaded with the grant; without one nobody can have called. */
  const invokeActor = (turn: Turn, handler: number, message: readonly unknown[], take: Take): void => {
    const { port } = deps.actors
    if (handler === HANDLER.actorFetch) {
      const request = requestOf(turn, message, take)
      if (port === undefined) return deps.settleThrown(turn, new MethodMissing('fetch'))
      return port.fetch(
        actorTurn(turn),
        request,
        message[9] as string,
        message[10] as string,
        message[11] as string,
      )
    }
    const text = take(message[7] as number)
    const name = message[3] as string
    if (handler === HANDLER.passivate && port === undefined) return deps.settleJson(turn, undefined)
    if (port === undefined) return deps.settleThrown(turn, new MethodMissing(name))
    if (handler === HANDLER.passivate) port.passivate(actorTurn(turn), text)
    else port.call(actorTurn(turn), name, text)
  }

  /** Its `env` and `ctx` are those of the whole batch. */
  const batchTurn = (turn: Turn): BatchTurn => ({
    handler(name) {
      const context = new TurnContext(turn, deps)
      const env = deps.env(turn.id)
      const { queue, method } = deps.exports()
      if (name === '') return queue && ((batch) => queue(batch as object, env, context))
      let found: Callable | undefined
      // It may construct the guest's class.
      deps.within(turn, () => (found = method(name, env, context)))
      if (found === undefined) return undefined
      // Each event finds an instance of its own, as each call does; the one that was found here is the first's.
      return (event) => {
        const handle = found ?? method(name, env, context)
        found = undefined
        return handle?.(event, env, context)
      }
    },
    within: (work) => deps.within(turn, work),
    settle(json) {
      // The kernel's own words, bounded by it: a service that may answer little must not lose its outcomes.
      deps.whenIdle(turn, () => settle(turn, () => deps.settleJson(turn, json, Infinity)))
    },
    threw: (thrown) => deps.settleThrown(turn, thrown),
  })
  const invokeBatch = (turn: Turn, name: string, text: string): void => {
    const { port } = deps.events
    if (port === undefined) deps.settleThrown(turn, new MethodMissing('queue'))
    else port(batchTurn(turn), name, text)
  }

  return (turn, message, take) => {
    const handler = message[2] as number
    if (handler === HANDLER.fetch) return invokeFetch(turn, requestOf(turn, message, take))
    if (handler === HANDLER.task) return runTask(turn, message[3] as string, take(message[7] as number))
    if (handler === HANDLER.queue) return invokeBatch(turn, message[3] as string, take(message[7] as number))
    if (handler >= HANDLER.actor) return invokeActor(turn, handler, message, take)
    const text = take(message[7] as number)
    if (handler === HANDLER.method) return invokeMethod(turn, message[3] as string, text)
    if (handler === HANDLER.scheduled) return invokeScheduled(turn, message[3] as string, text)
    const { start, stop } = deps.exports()
    if (handler === HANDLER.start) run(turn, () => start?.(deps.env(turn.id)), deps.settleValue)
    else run(turn, () => stop?.(message[3] as string), deps.settleValue)
  }
}
