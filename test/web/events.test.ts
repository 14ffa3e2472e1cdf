/** EventTarget, AbortSignal and DOMException as the DOM Standard has them. */
import { afterAll, expect, test } from 'vitest'
import { createGuest } from './harness.ts'

const guest = createGuest()
afterAll(() => guest.close())

test('listeners run in order, once each, and can be removed, stopped and asked to prevent', async () => {
  // Not compared with Node's, which lets a listener added by a listener see the same event.
  const work = (): unknown => {
    const log: unknown[] = []
    const target = new EventTarget()
    const twice = (): void => void log.push('twice')
    target.addEventListener('a', twice)
    target.addEventListener('a', twice)
    target.addEventListener('a', () => log.push('once'), { once: true })
    target.addEventListener('a', {
      handleEvent: (event: Event) => void log.push([event.type, event.eventPhase]),
    })
    target.addEventListener('a', () => target.addEventListener('a', () => log.push('late'), { once: true }))
    target.addEventListener('a', (event) => event.preventDefault())
    target.addEventListener('a', (event) => event.preventDefault(), { passive: true })
    target.dispatchEvent(new Event('a'))
    log.push(target.dispatchEvent(new Event('a', { cancelable: true })))
    target.removeEventListener('a', twice)
    target.addEventListener('b', (event) => event.stopImmediatePropagation())
    target.addEventListener('b', () => log.push('never'))
    target.dispatchEvent(new Event('b'))
    return log
  }
  expect(await guest.run(work)).toEqual(['twice', 'once', ['a', 2], 'twice', ['a', 2], 'late', false])
})

test('an error in a listener is reported and does not stop the others', async () => {
  expect(
    await guest.run(() => {
      const log: string[] = []
      const target = new EventTarget()
      target.addEventListener('a', () => {
        throw new Error('in a listener')
      })
      target.addEventListener('a', () => log.push('ran'))
      target.dispatchEvent(new Event('a'))
      return log
    }),
  ).toEqual(['ran'])
  expect(guest.reported).toContain('Error: in a listener')
})

test('an event cannot be dispatched twice at a time, and a foreign object not at all', async () => {
  await expect(
    guest.run(() => {
      const target = new EventTarget()
      const caught: string[] = []
      target.addEventListener('a', (event) => {
        try {
          target.dispatchEvent(event)
        } catch (error) {
          caught.push((error as Error).name)
        }
      })
      target.dispatchEvent(new Event('a'))
      throw new Error(caught.join())
    }),
  ).rejects.toThrow('InvalidStateError')
  await expect(guest.run(() => new EventTarget().dispatchEvent({} as Event))).rejects.toThrow(/TypeError/)
})

test('CustomEvent carries its detail, an abort signal of a listener removes it', async () => {
  expect(
    await guest.run(() => {
      const log: unknown[] = []
      const target = new EventTarget()
      const controller = new AbortController()
      target.addEventListener('a', (event) => log.push((event as CustomEvent).detail), {
        signal: controller.signal,
      })
      target.dispatchEvent(new CustomEvent('a', { detail: 1 }))
      controller.abort()
      target.dispatchEvent(new CustomEvent('a', { detail: 2 }))
      return log
    }),
  ).toEqual([1])
})

test('a signal aborts once, with a reason, and tells its listeners', async () => {
  expect(
    await guest.run(() => {
      const log: unknown[] = []
      const controller = new AbortController()
      const { signal } = controller
      signal.onabort = (event) => log.push(['handler', event.isTrusted])
      signal.addEventListener('abort', () => log.push('listener'))
      controller.abort()
      controller.abort('again')
      const own = AbortSignal.abort('why')
      let thrown: unknown
      try {
        own.throwIfAborted()
      } catch (error) {
        thrown = error
      }
      return [
        log,
        signal.aborted,
        signal.reason.name,
        signal.reason instanceof DOMException,
        own.reason,
        thrown,
      ]
    }),
  ).toEqual([[['handler', true], 'listener'], true, 'AbortError', true, 'why', 'why'])
  await expect(guest.run(() => new AbortSignal())).rejects.toThrow(/TypeError: Illegal constructor/)
})

test('AbortSignal.timeout aborts by the timer with a TimeoutError', async () => {
  expect(
    await guest.run(
      () =>
        new Promise((resolve) => {
          const signal = AbortSignal.timeout(1000)
          signal.addEventListener('abort', () => resolve([signal.reason.name, signal.reason.code]))
        }),
    ),
  ).toEqual(['TimeoutError', 23])
  await expect(guest.run(() => AbortSignal.timeout(-1))).rejects.toThrow(/TypeError/)
})

test('AbortSignal.any follows all, through chains, and marks all before telling any', async () => {
  expect(
    await guest.run(() => {
      const log: unknown[] = []
      const a = new AbortController()
      const b = new AbortController()
      const both = AbortSignal.any([a.signal, b.signal])
      const chained = AbortSignal.any([both])
      a.signal.addEventListener('abort', () => log.push(['a', both.aborted, chained.aborted]))
      both.addEventListener('abort', () => log.push('both'))
      chained.addEventListener('abort', () => log.push('chained'))
      a.abort('first')
      b.abort('second')
      const at = AbortSignal.any([AbortSignal.abort(1), b.signal])
      return [log, chained.reason, at.reason, AbortSignal.any([]).aborted]
    }),
  ).toEqual([[['a', true, true], 'both', 'chained'], 'first', 1, false])
  await expect(guest.run(() => AbortSignal.any([{} as AbortSignal]))).rejects.toThrow(/TypeError/)
})

test('DOMException has names, codes and constants, and is an Error', async () => {
  expect(
    await guest.run(() => {
      const error = new DOMException('m', 'DataCloneError')
      const plain = new DOMException()
      return [
        error.code,
        error.name,
        error.message,
        String(error),
        error instanceof Error,
        plain.name,
        plain.code,
        DOMException.TIMEOUT_ERR,
        DOMException.INUSE_ATTRIBUTE_ERR,
        DOMException.DOMSTRING_SIZE_ERR,
        DOMException.URL_MISMATCH_ERR,
        DOMException.NO_DATA_ALLOWED_ERR,
        error.stack?.startsWith('DataCloneError: m'),
        Object.prototype.toString.call(error),
      ]
    }),
  ).toEqual([
    25,
    'DataCloneError',
    'm',
    'DataCloneError: m',
    true,
    'Error',
    0,
    23,
    10,
    2,
    21,
    6,
    true,
    '[object DOMException]',
  ])
})

test('the kernel’s abort makes a signal only when asked', async () => {
  expect(
    await guest.run(() => {
      const early = web.createAbort()
      early.abort('gone')
      const { signal } = web.createRequest('GET', 'http://a.b/', [], null, () => early.signal)
      return [signal.aborted, signal.reason, signal instanceof AbortSignal]
    }),
  ).toEqual([true, 'gone', true])
})
