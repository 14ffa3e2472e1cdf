/** Timers, microtasks, errors that nobody caught, console, performance: what hangs on the global object. */
import { ok, same, task, throws, wrong, type Checks } from './expect.ts'

/** Runs `cause` with a listener on the global that also keeps the event from being reported. */
async function heard<Kind extends Event>(
  type: string,
  cause: () => unknown,
  isMine: (event: Kind) => boolean = () => true,
): Promise<Kind | undefined> {
  let seen: Kind | undefined
  const listener = (event: Event): void => {
    if (isMine(event as Kind)) seen ??= event as Kind
    event.preventDefault()
  }
  globalThis.addEventListener(type, listener)
  try {
    await cause()
    await task(1)
  } finally {
    globalThis.removeEventListener(type, listener)
  }
  return seen
}

export const timers: Checks = {
  'setTimeout: runs once, later, with its arguments': async () => {
    const seen: unknown[] = []
    const done = new Promise<void>((resolve) => {
      const handle = setTimeout(
        (...args: unknown[]) => {
          seen.push(...args)
          resolve()
        },
        1,
        'a',
        2,
      )
      same([typeof handle, handle > 0], ['number', true])
    })
    same(seen, [])
    await done
    same(seen, ['a', 2])
  },
  'setTimeout: equal delays run in the order they were set': async () => {
    const order: number[] = []
    await new Promise<void>((resolve) => {
      for (const index of [1, 2, 3]) setTimeout(() => order.push(index))
      setTimeout(resolve)
    })
    same(order, [1, 2, 3])
  },
  'setTimeout: microtasks run between timers': async () => {
    const order: string[] = []
    await new Promise<void>((resolve) => {
      setTimeout(() => {
        order.push('first')
        queueMicrotask(() => order.push('microtask'))
      })
      setTimeout(() => {
        order.push('second')
        resolve()
      })
    })
    same(order, ['first', 'microtask', 'second'])
  },
  'setTimeout: strange delays count as none': async () => {
    await new Promise<void>((resolve) => void setTimeout(resolve, wrong('x')))
    await new Promise<void>((resolve) => void setTimeout(resolve, -5))
    await new Promise<void>((resolve) => void setTimeout(resolve, NaN))
  },
  'setTimeout: an error is reported, and what comes after runs': async () => {
    const event = await heard<ErrorEvent>('error', () => {
      setTimeout(() => {
        throw new Error('from a timer, on purpose')
      })
      return task(1)
    })
    same(event?.error instanceof Error, true)
  },
  'clearTimeout: keeps it from running, and takes any value': async () => {
    let calls = 0
    clearTimeout(setTimeout(() => calls++))
    clearTimeout(undefined)
    clearTimeout(wrong('x'))
    clearTimeout(99_999)
    await task(2)
    same(calls, 0)
  },
  'clearInterval: clears what setTimeout made, and the other way round': async () => {
    let calls = 0
    clearInterval(setTimeout(() => calls++))
    clearTimeout(setInterval(() => calls++))
    await task(2)
    same(calls, 0)
  },
  'setInterval: repeats until cleared, from inside too': async () => {
    let calls = 0
    await new Promise<void>((resolve) => {
      const handle = setInterval(() => {
        calls++
        if (calls < 3) return
        clearInterval(handle)
        resolve()
      }, 1)
    })
    await task(3)
    same(calls, 3)
  },
  'queueMicrotask: runs after the current code, before timers, in order': async () => {
    const order: string[] = []
    setTimeout(() => order.push('timer'))
    queueMicrotask(() => order.push('a'))
    void Promise.resolve().then(() => order.push('b'))
    queueMicrotask(() => order.push('c'))
    order.push('now')
    await task(1)
    same(order, ['now', 'a', 'b', 'c', 'timer'])
  },
  'queueMicrotask: what is no function is a TypeError': () => {
    throws('TypeError', () => queueMicrotask(wrong(null)))
    throws('TypeError', () => queueMicrotask(wrong('x')))
  },
}

export const globals: Checks = {
  'globalThis: self and globalThis are the global object': () => {
    ok(globalThis.globalThis === globalThis)
    ok(self === globalThis)
  },
  'globalThis: is an EventTarget for its own events': () => {
    let seen: unknown
    const listener = (event: Event): void => void (seen = event.type)
    globalThis.addEventListener('mine', listener)
    same(globalThis.dispatchEvent(new Event('mine')), true)
    globalThis.removeEventListener('mine', listener)
    same(seen, 'mine')
  },
  'reportError: fires an ErrorEvent at the global': async () => {
    const error = new Error('reported on purpose')
    const event = await heard<ErrorEvent>('error', () => reportError(error))
    ok(event instanceof ErrorEvent && event.error === error)
    same([event?.message.includes('reported on purpose'), event?.cancelable], [true, true])
  },
  'reportError: takes any value': async () => {
    const event = await heard<ErrorEvent>('error', () => reportError('plain, on purpose'))
    same(event?.error, 'plain, on purpose')
  },
  'reportError: without an argument is a TypeError': () =>
    throws('TypeError', () => Reflect.apply(reportError, undefined, [])),
  'onerror: gets message, file, line, column and error; returning true handles it': async () => {
    const error = new Error('for onerror, on purpose')
    let args: unknown[] = []
    globalThis.onerror = (...given: unknown[]) => {
      args = given
      return true
    }
    reportError(error)
    globalThis.onerror = null
    same([args.length, args[4] === error], [5, true])
  },
  'onunhandledrejection: hears of a rejection that nobody handles, with its message': async () => {
    const event = await heard<PromiseRejectionEvent>(
      'unhandledrejection',
      () => {
        void Promise.reject(new RangeError('unhandled on purpose'))
        return task(2)
      },
      ({ reason }) => (reason as Error).message === 'unhandled on purpose',
    )
    same(
      [event?.reason instanceof RangeError, event?.promise instanceof Promise, event?.cancelable],
      [true, true, true],
    )
  },
  'onunhandledrejection: reason and promise are those that were rejected': async () => {
    const reason = new Error('the same, on purpose')
    let promise: Promise<never> | undefined
    const event = await heard<PromiseRejectionEvent>(
      'unhandledrejection',
      () => {
        promise = Promise.reject(reason)
        return task(2)
      },
      (candidate) => (candidate.reason as Error).message === 'the same, on purpose',
    )
    ok(event?.reason === reason && event.promise === promise)
  },
  'onunhandledrejection: hears nothing of one that is handled': async () => {
    const event = await heard<PromiseRejectionEvent>(
      'unhandledrejection',
      async () => {
        await Promise.reject(new Error('handled')).catch(() => undefined)
      },
      ({ reason }) => (reason as Error).message === 'handled',
    )
    same(event, undefined)
  },
  'onrejectionhandled: hears of a rejection that is handled late': async () => {
    const prevent = (event: Event): void => event.preventDefault()
    globalThis.addEventListener('unhandledrejection', prevent)
    const promise = Promise.reject(new Error('late, on purpose'))
    await task(2)
    const event = await heard<PromiseRejectionEvent>('rejectionhandled', () => promise.catch(() => undefined))
    globalThis.removeEventListener('unhandledrejection', prevent)
    ok(event?.promise === promise)
  },
  'navigator: userAgent is one or more product tokens': () =>
    ok(/^[\w./-]+( [\w./-]+)*$/.test(navigator.userAgent)),
  'performance: now is not negative and does not go back': () => {
    const first = performance.now()
    ok(first >= 0 && performance.now() >= first)
  },
  'performance: now and timeOrigin make the time of day': () => {
    const gap = Math.abs(performance.timeOrigin + performance.now() - Date.now())
    ok(gap < 1000, `${gap} ms apart`)
  },
  'performance: goes on when time passes': async () => {
    const before = performance.now()
    await task(5)
    ok(performance.now() - before >= 4)
  },
  'performance: toJSON has timeOrigin': () =>
    same((performance.toJSON() as { timeOrigin: number }).timeOrigin, performance.timeOrigin),
  'Performance: cannot be constructed': () => throws('TypeError', () => Reflect.construct(Performance, [])),
  'performance: is an EventTarget': () => ok(performance instanceof EventTarget),
}

export const consoles: Checks = {
  'console: every method gives undefined, whatever it is given': () => {
    const { log, debug, info, warn, error, trace, dir, dirxml, table, assert } = console
    for (const method of [log, debug, info, warn, error, trace, dirxml]) {
      same(method('%s %d %o %% %c', 'x', 1, {}, ''), undefined)
    }
    same([dir({}), table([{ a: 1 }], ['a'])], [undefined, undefined])
    same(
      [assert(true), console.count(), console.countReset(), console.clear()],
      [undefined, undefined, undefined, undefined],
    )
  },
  'console: methods work without their object': () => {
    const { log, groupEnd, time, timeEnd } = console
    log()
    groupEnd()
    time('a')
    timeEnd('a')
    timeEnd('never begun')
  },
  'console: never runs code of what it shows': () => {
    let runs = 0
    console.debug({
      get a(): number {
        return runs++
      },
    })
    same(runs, 0)
  },
  'console: a label is made a string, and its error comes out': () =>
    throws('RangeError', () =>
      console.count(
        wrong({
          toString() {
            throw new RangeError('mine')
          },
        }),
      ),
    ),
  'console: survives cycles, proxies and getters that throw': () => {
    const cycle: Record<string, unknown> = {}
    cycle['self'] = cycle
    console.debug(
      cycle,
      new Proxy(
        {},
        {
          get() {
            throw new Error('trap')
          },
        },
      ),
    )
  },
  'console: is an ordinary object above an empty one': () => {
    same(Object.prototype.toString.call(console), '[object console]')
    const above = Object.getPrototypeOf(console) as object
    same([Object.keys(above).length, Object.getPrototypeOf(above) === Object.prototype], [0, true])
  },
}
