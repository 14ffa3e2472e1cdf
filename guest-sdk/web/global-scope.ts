/**
 * globalThis as the specs have it: an EventTarget that hears of errors that nobody catches and rejections that nobody
 * handles. A guest without such a listener pays nothing for it: the events are a lazily loaded part.
 */
import type { CallHandler, EventsKit } from './event-types.ts'
import { reflectApply } from './intrinsics.ts'
import type { ErrorEvent, ErrorEventsPart } from './parts/error-events.ts'

export interface GlobalScopeDeps {
  readonly events: EventsKit
  errorEvents(): ErrorEventsPart
  /** Writes it to the guest's log. */
  log(thrown: unknown): void
}

export interface GlobalScope {
  /** `reportError` of the specs: an `error` event, then the log unless a listener canceled it. Never throws. */
  reportException(thrown: unknown): void
  /**
   * A rejection that nobody handled: JSON {name, message, stack?} of an error, else the primitive `value`. True when a
   * listener canceled the event.
   */
  reportRejection(description: string | undefined, value: unknown): boolean
}

export function createGlobalScope(target: object, deps: GlobalScopeDeps): GlobalScope {
  const { events } = deps
  Object.setPrototypeOf(target, events.EventTarget.prototype as object)
  events.defineHandler(target, 'error', callErrorHandler)
  events.defineHandlers(target, 'unhandledrejection', 'rejectionhandled')
  for (const name of ['onerror', 'onunhandledrejection', 'onrejectionhandled']) hide(target, name)

  /** What an `error` listener throws itself goes to the log only, else it would be called for ever. */
  let reporting = false

  return {
    reportException(thrown) {
      let canceled = false
      if (!reporting) {
        reporting = true
        try {
          canceled =
            events.listens(target, 'error') && !events.fire(target, deps.errorEvents().errorEvent(thrown))
        } catch {
          // The guest has patched what events are made of: the log has the error all the same.
        }
        reporting = false
      }
      if (!canceled) deps.log(thrown)
    },
    reportRejection(description, value) {
      try {
        if (!events.listens(target, 'unhandledrejection')) return false
        return !events.fire(target, deps.errorEvents().rejectionEvent(description, value))
      } catch {
        return false
      }
    },
  }
}

/** The handler of the global's errors has arguments of its own, and `true` is what cancels (HTML: OnErrorEventHandler). */
const callErrorHandler: CallHandler = (handler, target, event) => {
  const { message, filename, lineno, colno, error } = event as ErrorEvent
  const special = typeof message === 'string'
  const args = special ? [message, filename, lineno, colno, error] : [event]
  if (reflectApply(handler, target, args) === special) event.preventDefault()
}

/** Like every other global: not enumerable. */
function hide(target: object, name: string): void {
  const descriptor = Object.getOwnPropertyDescriptor(target, name)
  Object.defineProperty(target, name, { ...descriptor, enumerable: false })
}
