/** Functions around publishing and handling, each of which decides whether, when and with what the rest runs. */

/**
 * `next(event)` runs what is inside (with another event, if one is given) and gives its outcome; it may be called again, which
 * does it again. Who returns without calling `next` has ended it: nothing is published (`undefined` says so), or the event
 * counts as handled. What is thrown is the outcome for everybody outside.
 */
export type EventMiddleware<Event, Context, Result> = (
  event: Event,
  next: (event?: Event) => Promise<Result>,
  context: Context,
) => Result | Promise<Result>

/** All of them around `last`, the first outermost. */
export type Around<Event, Context, Result> = (
  event: Event,
  context: Context,
  last: (event: Event) => Result | Promise<Result>,
) => Promise<Result>

/** `undefined` for none: what is not there costs nothing. */
export function compose<Event, Context, Result>(
  middlewares: readonly EventMiddleware<Event, Context, Result>[],
): Around<Event, Context, Result> | undefined {
  if (middlewares.length === 0) return undefined
  const all = [...middlewares]
  return (outer, context, last) => {
    const run = async (index: number, event: Event): Promise<Result> => {
      const middleware = all[index]
      if (middleware === undefined) return await last(event)
      return await middleware(event, (changed = event) => run(index + 1, changed), context)
    }
    return run(0, outer)
  }
}
