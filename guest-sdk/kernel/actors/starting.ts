/**
 * How an instance begins: its constructor, and before that, when another version of its class wrote the state, `upgrade`. That
 * runs on an instance of its own, whose writes are one write with the new version or nothing; then a fresh one serves.
 */
import type { Life } from '../../di/kit.ts'
import { ReflectApply, ReflectConstruct, freeze, subscribe, toPromise } from '../primordials.ts'
import type { Activation } from './activation.ts'
import { ActorContext } from './context.ts'
import { giveUp, hookOf, type Instance } from './instance.ts'
import { fillMap, rejection } from './intrinsics.ts'
import { leave } from './leaving.ts'
import type { Entry } from './ranges.ts'
import { Storage } from './storage-api.ts'

/** Throws what the constructor throws. */
export function construct(activation: Activation, isForUpgrade = false): Instance {
  const { env, id, storage } = activation
  const { kit, errors } = env
  const Class = kit.actors.classOf(id.class)
  if (Class === undefined) throw errors.notFound(id.class)
  const instance: { -readonly [Key in keyof Instance]: Instance[Key] } = {
    object: {},
    live: true,
    blocked: 0,
    ends: [],
  }
  let life: Life | undefined
  const check = (): void => {
    if (!instance.live) throw errors.stopped('This instance of the actor was given up')
  }
  const context = new ActorContext({
    id,
    parent: env.parentOf(id),
    storage: new Storage({ storage, codec: kit, errors, check }),
    sockets: activation.sockets,
    child: (target, name) => env.child(activation, target, name),
    children: () => env.childrenOf(id),
    depth: () => activation.mailbox.depth,
    waitUntil: (promise) => waitUntil(activation, promise),
    block: (work) => block(activation, instance, work, isForUpgrade),
    passivate() {
      activation.wantsOut = true
      activation.wake()
    },
    life: () => (life ??= lifeOf(activation, instance, context)),
    check,
  })
  try {
    activation.runner.within(undefined, () => {
      instance.object = ReflectConstruct(Class, [context, kit.actors.envOf(activation.scope)]) as object
    })
  } catch (thrown) {
    giveUp(instance)
    throw thrown
  }
  return instance
}

/** What the container makes for an actor lives as long as this instance. */
const lifeOf = ({ env, runner, scope }: Activation, instance: Instance, context: ActorContext): Life =>
  freeze({
    kind: 'actor' as const,
    context,
    get isOver() {
      return !instance.live
    },
    binding: (name: string, deadlineMs: number | undefined) =>
      env.kit.actors.bindingIn(scope, name, deadlineMs),
    atEnd(work: () => Promise<void>) {
      if (instance.live) instance.ends[instance.ends.length] = work
    },
    within: (work: () => void) => runner.within(undefined, work),
  })

function waitUntil(activation: Activation, promise: unknown): void {
  const { actors } = activation.env.kit
  const release = actors.hold(activation.scope.turn())
  const over = (): void => {
    activation.waits--
    release()
    activation.wake()
  }
  activation.waits++
  subscribe(toPromise(promise), over, (thrown) => {
    actors.reportError(thrown)
    over()
  })
}

/** No message begins until it is done; if it fails, the instance is no good. */
function block(
  activation: Activation,
  instance: Instance,
  work: () => unknown,
  isForUpgrade: boolean,
): Promise<unknown> {
  instance.blocked++
  let promise: Promise<unknown>
  try {
    promise = toPromise(work())
  } catch (thrown) {
    promise = rejection(thrown)
  }
  const over = (): void => {
    instance.blocked--
    activation.wake()
  }
  subscribe(activation.limit.bound(promise, 'blockConcurrencyWhile'), over, (thrown) => {
    // Before an upgrade it may well not understand what it finds.
    if (instance.live && !isForUpgrade) activation.startFailed(thrown)
    over()
  })
  return promise
}

export function upgrade(activation: Activation): void {
  activation.state = 'starting'
  subscribe(
    attempt(activation),
    () => resume(activation),
    (thrown) => {
      if (activation.state !== 'starting') return
      const { env, id } = activation
      env.kit.actors.reportError(thrown)
      const { message } = env.errors.thrown(thrown) as { message: string }
      const error = env.errors.upgradeFailed(
        `The state of the actor ${id.class} could not be upgraded: ${message}`,
      )
      activation.refuseAll(error)
      activation.state = 'up'
      leave(activation)
    },
  )
}

function resume(activation: Activation): void {
  if (activation.state !== 'starting') return
  activation.storedVersion = activation.options.version
  activation.state = 'up'
  activation.pump()
}

async function attempt(activation: Activation): Promise<void> {
  const { storage, env } = activation
  const entries = await storage.list({})
  const changes = storage.begin()
  let instance: Instance | undefined
  try {
    instance = construct(activation, true)
    const { object } = instance
    const work = hookOf(object, 'upgrade')
    if (work !== undefined) {
      const old = new Map<string, unknown>()
      for (let index = 0; index < entries.length; index++) {
        const [key, text] = entries[index] as Entry
        fillMap(old, key, env.kit.decodeValue(text))
      }
      let result: unknown
      activation.runner.within(undefined, () => {
        result = ReflectApply(work, object, [old, activation.storedVersion])
      })
      await activation.limit.bound(toPromise(result), 'upgrade')
    }
    if (!storage.commit(changes, true)) throw env.errors.fenced()
  } finally {
    storage.rollBack(changes)
    if (instance !== undefined) giveUp(instance)
  }
  await storage.gate()
}
