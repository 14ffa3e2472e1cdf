/** The SDK's middleware of events: functions around a binding's publish and around handlers (guest-sdk/events), in a guest. */
import { createScopes } from '../../async/scope.ts'
import { createWaiting } from '../../async/waiting.ts'
import type { EventChanges, EventLike } from '../../events/event.ts'
import { compose, type EventMiddleware } from '../../events/middleware.ts'
import { createRetry, enrich, filter, on, trace, validate } from '../../events/middlewares.ts'
import type { LibraryFactory } from '../libraries.ts'

type Middleware = EventMiddleware<EventLike, unknown, unknown>

interface Binding {
  publish(subject: unknown, data: unknown, options?: object): Promise<unknown>
}
interface Around {
  readonly publish?: readonly Middleware[]
  readonly handle?: readonly Middleware[]
}

export const create: LibraryFactory = ({ platform }) => {
  const { sleep } = createWaiting(platform, createScopes(platform))

  const eventMiddleware = ({ publish = [], handle = [] }: Around = {}): object => {
    const aroundPublish = compose(publish)
    const aroundHandle = compose(handle)
    return Object.freeze({
      binding(binding: Binding): object {
        if (aroundPublish === undefined) return binding
        return Object.freeze({
          async publish(subject: string, data: unknown, options: object = {}): Promise<unknown> {
            const event = outgoing(subject, data, options, platform.now())
            const result = await aroundPublish(event, {}, (changed) =>
              binding.publish(subject, changed.data, {
                ...options,
                key: changed.key,
                headers: changed.headers,
              }),
            )
            return result ?? { id: event.id, skipped: true }
          },
        })
      },
      handler(handle: (event: EventLike, env: object, ctx: object) => unknown): unknown {
        if (aroundHandle === undefined) return handle
        return (event: EventLike, env: object, ctx: object): Promise<unknown> =>
          aroundHandle(event, ctx, async (changed) => await handle(changed, env, ctx))
      },
    })
  }

  return {
    eventMiddleware: Object.assign(eventMiddleware, {
      enrich,
      filter,
      on,
      retry: createRetry({
        sleep: (ms, signal) => sleep(ms, signal === undefined ? {} : { signal: signal as never }),
        random: () => platform.random(),
      }),
      trace,
      validate,
    }),
  }
}

/** An event that is not published yet: the host gives it a source, and an id unless it has one. */
function outgoing(subject: string, data: unknown, options: object, timeMs: number): EventLike {
  const { id, key, headers } = options as {
    id?: string
    key?: string | null
    headers?: Record<string, string>
  }
  const fields = { id: id ?? '', subject, source: '', timeMs }
  const make = (data: unknown, key: string | null, headers: Readonly<Record<string, string>>): EventLike => ({
    ...fields,
    data,
    key,
    headers,
    with: (changes: EventChanges) =>
      make(
        'data' in changes ? changes.data : data,
        changes.key === undefined ? key : changes.key,
        changes.headers ?? headers,
      ) as never,
  })
  return make(data, key ?? null, headers ?? {})
}
