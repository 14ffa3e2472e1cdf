/** The library for one platform: tasks, futures and waiting that are cancelled and end together. */
import { deferred, type Deferred } from './deferred.ts'
import { createFutureClass, type FutureClass } from './future.ts'
import type { AsyncPlatform, SignalLike } from './platform.ts'
import { createScopes } from './scope.ts'
import { createTaskGroups, type RunTaskGroup } from './task-group.ts'
import { createWaiting, type Waiting } from './waiting.ts'

export interface Async<Signal> extends Waiting<Signal> {
  readonly deferred: <Value = void>() => Deferred<Value>
  readonly Future: FutureClass<Signal>
  readonly taskGroup: RunTaskGroup<Signal>
}

export function createAsync<Signal extends SignalLike>(platform: AsyncPlatform<Signal>): Async<Signal> {
  const createScope = createScopes(platform)
  const waiting = createWaiting(platform, createScope)
  return {
    deferred,
    ...waiting,
    Future: createFutureClass(createScope, waiting.sleep, platform.random),
    taskGroup: createTaskGroups(createScope),
  }
}
