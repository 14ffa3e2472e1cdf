/**
 * Actors of the host itself: trusted classes that live in the host's process, with the store, the alarms, the mailbox and the supervision
 * that actors of guests have. Arguments and results are handed over as they are: both sides are the host's.
 * Invariant: one activation for each name; a message waits in its mailbox or has been settled.
 */
import { readMailboxOptions } from '../../../../guest-sdk/concurrency/mailbox.ts'
import { readSupervisionOptions } from '../../../../guest-sdk/concurrency/supervision.ts'
import { VelaError } from '../../../core/errors.ts'
import { within } from '../../../core/within.ts'
import type { ActorStore } from '../store/store.ts'
import { checkActorName, DEFAULT_DEADLINE_MS, isClassName } from '../types.ts'
import type { ActorAddress } from '../types.ts'
import { ALARM, HostActivation } from './activation.ts'
import type { HostActorClass, HostActorOptions } from './activation.ts'
import { createHostStorage } from './storage.ts'

export interface SendOptions {
  /** Milliseconds from now; 10 s if left out, of a tell: none. */
  readonly deadlineMs?: number
  /** -10 to 10, higher first. */
  readonly priority?: number
}

/** Each method of the class, as an ask. */
export type HostActorStub<ActorType extends object> = {
  readonly [
    Name in keyof ActorType as ActorType[Name] extends (...args: never[]) => unknown ? Name : never
  ]: ActorType[Name] extends (...args: infer Args) => infer Result
    ? (...args: Args) => Promise<Awaited<Result>>
    : never
}

export interface HostActors {
  /** Throws VELA_ACTOR_NOT_FOUND for a class that is not registered, VELA_CAPABILITY_BAD_CALL for what is no name. */
  get<ActorType extends object>(className: string, name: string): HostActorStub<ActorType>
  /** Resolves to what the method returned, once what it wrote is durable; rejects with what it threw, or VELA_ACTOR_*. */
  ask(
    className: string,
    name: string,
    method: string,
    args?: readonly unknown[],
    options?: SendOptions,
  ): Promise<unknown>
  /** Puts the message into the mailbox. Throws VELA_ACTOR_MAILBOX_FULL. */
  tell(
    className: string,
    name: string,
    method: string,
    args?: readonly unknown[],
    options?: SendOptions,
  ): void
  /** Messages that wait. */
  depth(className: string, name: string): number
  readonly activeCount: number
}

export interface HostActorSystem extends HostActors {
  /** Throws TypeError for a name that is no identifier or is taken, or for options that are not valid. */
  register(className: string, actorClass: HostActorClass, options?: HostActorOptions): void
  /** Resolves when its handler has gone well. */
  ring(
    address: ActorAddress,
    info: { readonly retryCount: number; readonly scheduledTime: number },
  ): Promise<void>
  /** Unloads all; resolves when they have stored what they wrote, or after `withinMs`. */
  close(withinMs: number): Promise<void>
}

export interface HostActorsDeps {
  readonly store: ActorStore
  readonly now: () => number
  readonly onAlarm: (atMs: number) => void
  /** A told message failed, and nobody waits for it. */
  readonly onDead: (address: ActorAddress, method: string, thrown: unknown) => void
}

/** No tenant and no service can be called so. */
export const HOST = ':host'

export function createHostActorSystem({ store, now, onAlarm, onDead }: HostActorsDeps): HostActorSystem {
  const classes = new Map<
    string,
    { readonly actorClass: HostActorClass; readonly options: HostActorOptions }
  >()
  const active = new Map<string, HostActivation>()

  const addressOf = (className: string, name: string): ActorAddress => {
    if (!classes.has(className))
      throw new VelaError('VELA_ACTOR_NOT_FOUND', `The host has no actors of the class ${className}`)
    return { tenant: HOST, service: HOST, class: className, name: checkActorName(name) }
  }

  const activationOf = (address: ActorAddress): HostActivation => {
    const key = `${address.class}/${address.name}`
    const known = active.get(key)
    if (known !== undefined) return known
    const registered = classes.get(address.class)
    if (registered === undefined)
      throw new VelaError('VELA_ACTOR_NOT_FOUND', `The host has no actors of the class ${address.class}`)
    const activation = new HostActivation({
      class: registered.actorClass,
      options: registered.options,
      id: { class: address.class, name: address.name },
      load: () => store.load(address),
      createStorage: (loaded) => createHostStorage(store, address, loaded, onAlarm),
      now,
      onEnd(ended) {
        if (active.get(key) === ended) active.delete(key)
      },
    })
    active.set(key, activation)
    return activation
  }

  const post = (
    address: ActorAddress,
    method: string,
    args: readonly unknown[],
    untilMs: number | undefined,
    priority: number | undefined,
  ): Promise<unknown> => {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>()
    activationOf(address).send({ method, args, untilMs, resolve, reject }, priority)
    return promise
  }

  const ask: HostActors['ask'] = (className, name, method, args = [], options = {}) => {
    const { deadlineMs = DEFAULT_DEADLINE_MS, priority } = options
    const asked = post(addressOf(className, name), method, args, now() + deadlineMs, priority)
    return inTime(asked, deadlineMs)
  }

  return {
    register(className, actorClass, options = {}) {
      if (!isClassName(className)) throw new TypeError(`${className} is no name for a class of actors`)
      if (classes.has(className)) throw new TypeError(`There are actors of the class ${className} already`)
      readMailboxOptions(options.mailbox)
      readSupervisionOptions(options.supervision)
      classes.set(className, { actorClass, options })
    },
    get<ActorType extends object>(className: string, name: string) {
      addressOf(className, name)
      return new Proxy(Object.create(null) as HostActorStub<ActorType>, {
        get: (_, method) =>
          // A stub must not look like a promise.
          typeof method !== 'string' || method === 'then'
            ? undefined
            : async (...args: unknown[]) => await ask(className, name, method, args),
      })
    },
    ask: async (...given) => await ask(...given),
    tell(className, name, method, args = [], { deadlineMs, priority } = {}) {
      const address = addressOf(className, name)
      const untilMs = deadlineMs === undefined ? undefined : now() + deadlineMs
      let refused: unknown
      let isSent = false
      activationOf(address).send(
        {
          method,
          args,
          untilMs,
          resolve: () => undefined,
          reject(error) {
            if (isSent) onDead(address, method, error)
            else refused = error
          },
        },
        priority,
      )
      isSent = true
      if (refused instanceof Error) throw refused
    },
    depth: (className, name) => active.get(`${className}/${name}`)?.depth ?? 0,
    get activeCount() {
      return active.size
    },
    async ring(address, info) {
      await post(address, ALARM, [info], undefined, undefined)
    },
    async close(withinMs) {
      await within(withinMs, Promise.all([...active.values()].map((activation) => activation.leave())))
    },
  }
}

/** The actor goes on with what it has begun; only nobody waits for it any more. */
async function inTime<Value>(work: Promise<Value>, deadlineMs: number): Promise<Value> {
  const { promise, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(
    () => reject(new VelaError('VELA_ACTOR_DEADLINE', `The actor did not answer within ${deadlineMs} ms`)),
    deadlineMs,
  )
  try {
    return await Promise.race([work, promise])
  } finally {
    clearTimeout(timer)
  }
}
