/** The global as an EventTarget, reportError, and the events of what nobody caught. */
import { afterAll, expect, test } from 'vitest'
import { createGuest } from './harness.ts'
import type { GuestScope } from './hooks.ts'

const guest = createGuest()
afterAll(() => guest.close())

test('the global is an event target, with and without its name', async () => {
  expect(
    await guest.run(() => {
      const scope = globalThis as unknown as GuestScope
      const log: unknown[] = []
      const listener = (event: Event): void => void log.push((event.target as unknown) === globalThis)
      // oxlint-disable-next-line typescript/unbound-method -- that they work without the global is what is tested
      const { addEventListener, dispatchEvent } = scope
      addEventListener('own', listener)
      scope.addEventListener('own', listener)
      dispatchEvent(new Event('own'))
      scope.removeEventListener('own', listener)
      dispatchEvent(new Event('own'))
      new EventTarget().dispatchEvent(new Event('own'))
      const known = Object.keys(globalThis).includes('onerror')
      return [log, scope.self === globalThis, globalThis instanceof EventTarget, known]
    }),
  ).toEqual([[true], true, true, false])
})

test('reportError makes an error event; whoever cancels it keeps it out of the log', async () => {
  expect(guest.loaded).not.toContain('error-events')
  expect(
    await guest.run(() => {
      const scope = globalThis as unknown as GuestScope
      const log: unknown[] = []
      scope.reportError(new Error('unheard'))
      const error = new RangeError('heard')
      scope.addEventListener(
        'error',
        (event) => {
          log.push([event instanceof scope.ErrorEvent, event.message, event.error === error])
          log.push([event.isTrusted, event.cancelable, event.lineno > 0, event.bubbles])
        },
        { once: true },
      )
      scope.reportError(error)
      scope.onerror = (...args) => {
        log.push([args.length, args[0], args[4]])
        return true
      }
      scope.reportError('canceled')
      scope.onerror = () => false
      scope.reportError('not canceled')
      scope.onerror = null
      const listener = (): void => {
        log.push('listener')
        throw new Error('in the listener')
      }
      scope.addEventListener('error', listener)
      scope.reportError('last')
      scope.removeEventListener('error', listener)
      return log
    }),
  ).toEqual([
    [true, 'Uncaught RangeError: heard', true],
    [true, true, true, false],
    [5, 'Uncaught canceled', 'canceled'],
    'listener',
  ])
  expect(guest.reported).toEqual([
    'Error: unheard',
    'RangeError: heard',
    'not canceled',
    'Error: in the listener',
    'last',
  ])
  await expect(guest.run(() => (Reflect.get(globalThis, 'reportError') as () => void)())).rejects.toThrow(
    /TypeError/,
  )
})

test('what listeners and microtasks throw reaches the same event', async () => {
  expect(
    await guest.run(async () => {
      const scope = globalThis as unknown as GuestScope
      const log: string[] = []
      scope.onerror = (message) => {
        log.push(String(message))
        return true
      }
      const target = new EventTarget()
      target.addEventListener('a', () => {
        throw new TypeError('listener')
      })
      target.dispatchEvent(new Event('a'))
      queueMicrotask(() => {
        throw new TypeError('microtask')
      })
      await new Promise((resolve) => setTimeout(resolve, 1))
      scope.onerror = null
      return log
    }),
  ).toEqual(['Uncaught TypeError: listener', 'Uncaught TypeError: microtask'])
})

test('the events can be made by hand', async () => {
  expect(
    await guest.run(() => {
      const scope = globalThis as unknown as GuestScope
      const attempt = (fn: () => unknown): string => {
        try {
          fn()
          return 'fine'
        } catch (error) {
          return (error as Error).name
        }
      }
      const event = new scope.ErrorEvent('e', { message: 'm', filename: 'f', lineno: 3, colno: -1, error: 5 })
      const plain = new scope.ErrorEvent('e')
      const promise = Promise.resolve()
      const rejection = new scope.PromiseRejectionEvent('r', { promise, reason: 6 })
      const Loose = scope.PromiseRejectionEvent as unknown as new (...args: unknown[]) => Event
      return [
        [event.message, event.filename, event.lineno, event.colno, event.error],
        [plain.message, plain.filename, plain.lineno, plain.error === undefined, String(plain)],
        [rejection.promise === promise, rejection.reason, String(rejection)],
        [attempt(() => new Loose('r')), attempt(() => new Loose('r', {}))],
      ]
    }),
  ).toEqual([
    ['m', 'f', 3, 4_294_967_295, 5],
    ['', '', 0, true, '[object ErrorEvent]'],
    [true, 6, '[object PromiseRejectionEvent]'],
    ['TypeError', 'TypeError'],
  ])
})

test('the kernel’s news of a rejection becomes an event with a copy of the reason', async () => {
  expect(
    await guest.run(async () => {
      const scope = globalThis as unknown as GuestScope
      const tell = (json: string | undefined, value?: unknown): boolean => web.reportRejection(json, value)
      const log: unknown[] = [tell(undefined, 1)]
      scope.onunhandledrejection = (event) => {
        const { reason } = event
        log.push(reason instanceof RangeError, String(reason), (reason as Error).stack)
        event.preventDefault()
        event.promise.catch((same) => log.push(same === reason))
      }
      log.push(tell('{"name":"RangeError","message":"m","stack":"s"}'))
      scope.onunhandledrejection = (event) => {
        log.push(event.reason)
        return false
      }
      log.push(tell(undefined, 'text'))
      scope.onunhandledrejection = null
      await Promise.resolve()
      return log
    }),
  ).toEqual([false, true, 'RangeError: m', 's', true, 'text', true, true])
})
