/** How an actor leaves this isolate: `onPassivate`, then what it wrote becomes durable, then the host forgets where it lived. */
import { ReflectApply, toPromise } from '../primordials.ts'
import type { Activation } from './activation.ts'
import { endThings, hookOf } from './instance.ts'
import { ignore } from './intrinsics.ts'

/** Its mailbox is empty, and nothing is being handled. What comes meanwhile waits. */
export function leave(activation: Activation): void {
  activation.state = 'leaving'
  ignore(run(activation))
}

/** It lives elsewhere: nothing it says or knows counts any more. */
export function fence(activation: Activation, error: unknown): void {
  activation.runner.breakAll(error)
  activation.evict()
}

async function run(activation: Activation): Promise<void> {
  await passivate(activation)
  if (isOver(activation)) return
  if (activation.leavesWith !== undefined) return activation.evict()
  activation.wantsOut = false
  // Somebody wants it after all.
  if (activation.mailbox.depth > 0 || !(await isReleased(activation))) {
    if (isOver(activation)) return
    activation.state = 'up'
    return activation.pump()
  }
  if (!isOver(activation)) activation.evict()
}

const isOver = ({ state }: Activation): boolean => state === 'gone'

async function passivate(activation: Activation): Promise<void> {
  const { instance, env, storage } = activation
  try {
    const hook = instance === undefined ? undefined : hookOf(instance.object, 'onPassivate')
    if (hook !== undefined) {
      let result: unknown
      activation.runner.within(undefined, () => {
        result = ReflectApply(hook, instance?.object, [])
      })
      await activation.limit.bound(toPromise(result), 'onPassivate')
    }
    if (instance !== undefined && instance.ends.length > 0)
      await activation.limit.bound(endThings(instance), 'disposal')
  } catch (thrown) {
    env.kit.actors.reportError(thrown)
  }
  activation.sockets.closeAll('leaving')
  activation.dropInstance()
  try {
    await storage.gate()
  } catch {
    // Who wrote it has been told.
  }
}

/** The host forgets it, unless a message is on its way here. */
async function isReleased({ env, id, storage }: Activation): Promise<boolean> {
  try {
    const { value } = await env.raw(id.class)('released', [id.name, storage.epoch])
    return (value as { released?: unknown }).released !== false
  } catch {
    // It lives elsewhere, or nothing can be said any more: either way it is not here.
    return true
  }
}
