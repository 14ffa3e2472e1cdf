/** Event, EventTarget and their kin by the DOM Standard, DOMException by Web IDL. */
import { ok, same, throws, wrong, type Checks } from './expect.ts'

export const events: Checks = {
  'Event: defaults and init': () => {
    const plain = new Event('x')
    same(
      [plain.type, plain.bubbles, plain.cancelable, plain.composed, plain.defaultPrevented],
      ['x', false, false, false, false],
    )
    same([plain.target, plain.currentTarget, plain.eventPhase, plain.isTrusted], [null, null, 0, false])
    const full = new Event('y', { bubbles: true, cancelable: true, composed: true })
    same([full.bubbles, full.cancelable, full.composed], [true, true, true])
  },
  'Event: too few arguments and a bad init are a TypeError': () => {
    throws('TypeError', () => Reflect.construct(Event, []))
    throws('TypeError', () => new Event('x', wrong(1)))
    same(new Event('x', wrong(null)).type, 'x')
  },
  'Event: preventDefault works when cancelable only': () => {
    const target = new EventTarget()
    target.addEventListener('x', (event) => event.preventDefault())
    same(target.dispatchEvent(new Event('x')), true)
    const event = new Event('x', { cancelable: true })
    same(
      [
        target.dispatchEvent(event),
        event.defaultPrevented,
        (event as unknown as { returnValue: boolean }).returnValue,
      ],
      [false, true, false],
    )
  },
  'Event: returnValue and cancelBubble can be set': () => {
    const event = new Event('x', { cancelable: true }) as Event & {
      returnValue: boolean
      cancelBubble: boolean
    }
    event.returnValue = true
    same(event.defaultPrevented, false)
    event.returnValue = false
    same(event.defaultPrevented, true)
    event.cancelBubble = true
    event.cancelBubble = false
    same(event.cancelBubble, true)
  },
  'Event: initEvent sets type and flags anew': () => {
    const event = new Event('x', { cancelable: true })
    event.preventDefault()
    ;(event as Event & { initEvent(...args: unknown[]): void }).initEvent('y', true, false)
    same([event.type, event.bubbles, event.cancelable, event.defaultPrevented], ['y', true, false, false])
  },
  'Event: timeStamp is a time of performance': () => {
    const { timeStamp } = new Event('x')
    ok(timeStamp >= 0 && timeStamp <= performance.now())
  },
  'EventTarget: listeners get the event, with target and phase': () => {
    const target = new EventTarget()
    const seen: unknown[] = []
    target.addEventListener('x', function (this: unknown, event) {
      seen.push(this === target, event.target === target, event.currentTarget === target, event.eventPhase)
      seen.push(event.composedPath().length)
    })
    const event = new Event('x')
    target.dispatchEvent(event)
    same(seen, [true, true, true, 2, 1])
    same(
      [event.eventPhase, event.currentTarget, event.target === target, event.composedPath()],
      [0, null, true, []],
    )
  },
  'EventTarget: listeners run in order, each once however often it was added': () => {
    const target = new EventTarget()
    const calls: string[] = []
    const first = (): void => void calls.push('first')
    target.addEventListener('x', first)
    target.addEventListener('x', () => void calls.push('second'))
    target.addEventListener('x', first)
    target.dispatchEvent(new Event('x'))
    same(calls, ['first', 'second'])
  },
  'EventTarget: capture is part of what a listener is': () => {
    const target = new EventTarget()
    let calls = 0
    const listener = (): void => void calls++
    target.addEventListener('x', listener)
    target.addEventListener('x', listener, true)
    target.dispatchEvent(new Event('x'))
    same(calls, 2)
    target.removeEventListener('x', listener, { capture: true })
    target.dispatchEvent(new Event('x'))
    same(calls, 3)
  },
  'EventTarget: once': () => {
    const target = new EventTarget()
    let calls = 0
    target.addEventListener('x', () => void calls++, { once: true })
    target.dispatchEvent(new Event('x'))
    target.dispatchEvent(new Event('x'))
    same(calls, 1)
  },
  'EventTarget: passive listeners cannot prevent': () => {
    const target = new EventTarget()
    target.addEventListener('x', (event) => event.preventDefault(), { passive: true })
    same(target.dispatchEvent(new Event('x', { cancelable: true })), true)
  },
  'EventTarget: signal removes the listener, an aborted one keeps it out': () => {
    const target = new EventTarget()
    const controller = new AbortController()
    let calls = 0
    target.addEventListener('x', () => void calls++, { signal: controller.signal })
    target.addEventListener('x', () => void calls++, { signal: AbortSignal.abort() })
    target.dispatchEvent(new Event('x'))
    controller.abort()
    target.dispatchEvent(new Event('x'))
    same(calls, 1)
    throws('TypeError', () => target.addEventListener('x', () => undefined, { signal: wrong(null) }))
  },
  'EventTarget: objects with handleEvent, looked up at each dispatch': () => {
    const target = new EventTarget()
    const seen: unknown[] = []
    const listener = {
      handleEvent(): void {
        seen.push(this === listener)
      },
    }
    target.addEventListener('x', listener)
    target.dispatchEvent(new Event('x'))
    listener.handleEvent = () => void seen.push('new')
    target.dispatchEvent(new Event('x'))
    same(seen, [true, 'new'])
  },
  'EventTarget: null is no listener, other values are a TypeError': () => {
    const target = new EventTarget()
    target.addEventListener('x', null)
    throws('TypeError', () => target.addEventListener('x', wrong('f')))
    throws('TypeError', () => Reflect.apply(target.addEventListener, target, ['x']))
  },
  'EventTarget: stopImmediatePropagation keeps the rest from running': () => {
    const target = new EventTarget()
    let calls = 0
    target.addEventListener('x', (event) => event.stopImmediatePropagation())
    target.addEventListener('x', () => void calls++)
    target.dispatchEvent(new Event('x'))
    same(calls, 0)
  },
  'EventTarget: an error of a listener does not stop the others': () => {
    const target = new EventTarget()
    let calls = 0
    const swallow = (event: Event): void => event.preventDefault()
    globalThis.addEventListener?.('error', swallow)
    target.addEventListener('x', () => {
      throw new Error('from a listener, on purpose')
    })
    target.addEventListener('x', () => void calls++)
    target.dispatchEvent(new Event('x'))
    globalThis.removeEventListener?.('error', swallow)
    same(calls, 1)
  },
  'EventTarget: listeners added while dispatching wait, removed ones do not run': () => {
    const target = new EventTarget()
    const calls: string[] = []
    const late = (): void => void calls.push('late')
    target.addEventListener('x', () => {
      target.addEventListener('x', () => void calls.push('added'))
      target.removeEventListener('x', late)
    })
    target.addEventListener('x', late)
    target.dispatchEvent(new Event('x'))
    same(calls, [])
  },
  'EventTarget: dispatching an event that is being dispatched is an InvalidStateError': () => {
    const target = new EventTarget()
    const event = new Event('x')
    let seen = ''
    target.addEventListener('x', () => {
      try {
        target.dispatchEvent(event)
      } catch (error) {
        seen = (error as Error).name
      }
    })
    target.dispatchEvent(event)
    same(seen, 'InvalidStateError')
  },
  'EventTarget: dispatchEvent of what is no event is a TypeError': () =>
    throws('TypeError', () => new EventTarget().dispatchEvent(wrong({ type: 'x' }))),
  'EventTarget: an event can be dispatched again': () => {
    const target = new EventTarget()
    let calls = 0
    target.addEventListener('x', (event) => {
      calls++
      event.stopImmediatePropagation()
    })
    const event = new Event('x')
    target.dispatchEvent(event)
    target.dispatchEvent(event)
    same(calls, 2)
  },
  'EventTarget: can be extended': () => {
    class Mine extends EventTarget {}
    const mine = new Mine()
    let seen: unknown
    mine.addEventListener('x', (event) => (seen = event.target))
    mine.dispatchEvent(new Event('x'))
    ok(seen === mine)
  },
  'CustomEvent: carries its detail': () => {
    const detail = {}
    ok(new CustomEvent('x', { detail }).detail === detail)
    same([new CustomEvent('x').detail, new CustomEvent('x') instanceof Event], [null, true])
  },
  'CustomEvent: initCustomEvent sets the detail': () => {
    const event = new CustomEvent('x') as CustomEvent & { initCustomEvent(...args: unknown[]): void }
    event.initCustomEvent('y', true, true, 5)
    same([event.type, event.bubbles, event.cancelable, event.detail], ['y', true, true, 5])
  },
  'ErrorEvent: carries what went wrong': () => {
    const error = new Error('e')
    const event = new ErrorEvent('error', { message: 'm', filename: 'f', lineno: 1, colno: 2, error })
    same(
      [event.message, event.filename, event.lineno, event.colno, event.error === error],
      ['m', 'f', 1, 2, true],
    )
    const plain = new ErrorEvent('error')
    same([plain.message, plain.filename, plain.lineno, plain.colno, plain.error], ['', '', 0, 0, undefined])
  },
  'PromiseRejectionEvent: needs its promise': () => {
    const promise = Promise.resolve()
    const event = new PromiseRejectionEvent('unhandledrejection', { promise, reason: 'why' })
    same([event.promise === promise, event.reason], [true, 'why'])
    throws('TypeError', () => new PromiseRejectionEvent('x', wrong({})))
  },
  'MessageEvent: defaults and init': () => {
    const plain = new MessageEvent('message')
    same([plain.data, plain.origin, plain.lastEventId, plain.source, plain.ports], [null, '', '', null, []])
    const full = new MessageEvent('message', { data: 1, origin: 'o', lastEventId: '7' })
    same([full.data, full.origin, full.lastEventId, Object.isFrozen(full.ports)], [1, 'o', '7', true])
  },
  'DOMException: name, message, code': () => {
    const error = new DOMException('m', 'AbortError')
    same([error.name, error.message, error.code, String(error)], ['AbortError', 'm', 20, 'AbortError: m'])
    const plain = new DOMException()
    same([plain.name, plain.message, plain.code], ['Error', '', 0])
    same(new DOMException('', 'DataCloneError').code, DOMException.DATA_CLONE_ERR)
  },
  'DOMException: is an Error with a stack, and has no own name and message': () => {
    const error = new DOMException('m', 'X')
    ok(error instanceof Error)
    same(
      [Object.hasOwn(error, 'name'), Object.hasOwn(error, 'message'), typeof error.stack],
      [false, false, 'string'],
    )
    same(Object.prototype.toString.call(error), '[object DOMException]')
  },
}
