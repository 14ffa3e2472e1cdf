/** AbortController and AbortSignal by the DOM Standard. */
import { ok, same, task, throws, wrong, type Checks } from './expect.ts'

const nextAbort = (signal: AbortSignal): Promise<unknown> =>
  new Promise((resolve) => signal.addEventListener('abort', () => resolve(signal.reason)))

export const abort: Checks = {
  'AbortController: signal is the same object and not aborted at first': () => {
    const controller = new AbortController()
    ok(controller.signal === controller.signal)
    same([controller.signal.aborted, controller.signal.reason], [false, undefined])
  },
  'AbortController: abort fires once, with isTrusted, and sets the reason': () => {
    const controller = new AbortController()
    const events: unknown[] = []
    controller.signal.addEventListener('abort', (event) => events.push(event.isTrusted, event.bubbles))
    controller.abort('why')
    controller.abort('again')
    same([events, controller.signal.aborted, controller.signal.reason], [[true, false], true, 'why'])
  },
  'AbortController: without a reason it is an AbortError': () => {
    const controller = new AbortController()
    controller.abort()
    const { reason } = controller.signal as { reason: DOMException }
    ok(reason instanceof DOMException)
    same([reason.name, reason.code], ['AbortError', 20])
    const explicit = new AbortController()
    explicit.abort(null)
    same(explicit.signal.reason, null)
  },
  'AbortSignal: aborted is true before listeners run': () => {
    const controller = new AbortController()
    let seen = false
    controller.signal.addEventListener('abort', () => (seen = controller.signal.aborted))
    controller.abort()
    same(seen, true)
  },
  'AbortSignal: cannot be constructed': () => throws('TypeError', () => Reflect.construct(AbortSignal, [])),
  'AbortSignal: throwIfAborted throws the reason itself': () => {
    same(new AbortController().signal.throwIfAborted(), undefined)
    const reason = {}
    let thrown: unknown
    try {
      AbortSignal.abort(reason).throwIfAborted()
    } catch (error) {
      thrown = error
    }
    ok(thrown === reason)
  },
  'AbortSignal: onabort is a handler, null takes it away': () => {
    const controller = new AbortController()
    const calls: string[] = []
    controller.signal.onabort = () => void calls.push('old')
    controller.signal.onabort = () => void calls.push('new')
    const other = new AbortController()
    other.signal.onabort = () => void calls.push('never')
    other.signal.onabort = null
    same(other.signal.onabort, null)
    other.abort()
    controller.abort()
    same(calls, ['new'])
  },
  'AbortSignal: onabort takes no string': () => {
    const { signal } = new AbortController()
    signal.onabort = wrong('x')
    same(signal.onabort, null)
  },
  'AbortSignal.abort: is aborted at once': () => {
    same([AbortSignal.abort('x').aborted, AbortSignal.abort('x').reason], [true, 'x'])
    same((AbortSignal.abort().reason as Error).name, 'AbortError')
  },
  'AbortSignal.timeout: aborts with a TimeoutError': async () => {
    const signal = AbortSignal.timeout(1)
    same(signal.aborted, false)
    const reason = (await nextAbort(signal)) as DOMException
    same([reason.name, reason.code, reason instanceof DOMException], ['TimeoutError', 23, true])
  },
  'AbortSignal.timeout: negative and endless times are a TypeError': () => {
    for (const ms of [-1, Infinity, NaN, 2 ** 53]) throws('TypeError', () => AbortSignal.timeout(ms))
  },
  'AbortSignal.any: follows the first of its sources': () => {
    const [one, two] = [new AbortController(), new AbortController()]
    const signal = AbortSignal.any([one.signal, two.signal])
    two.abort('two')
    one.abort('one')
    same([signal.aborted, signal.reason], [true, 'two'])
  },
  'AbortSignal.any: of an aborted one is aborted, of none never': () => {
    same(AbortSignal.any([new AbortController().signal, AbortSignal.abort('x')]).reason, 'x')
    same(AbortSignal.any([]).aborted, false)
  },
  'AbortSignal.any: of dependent signals, and of the same one twice': () => {
    const controller = new AbortController()
    const middle = AbortSignal.any([controller.signal, controller.signal])
    const end = AbortSignal.any([middle, new AbortController().signal])
    let calls = 0
    end.addEventListener('abort', () => calls++)
    controller.abort('x')
    same([end.reason, calls], ['x', 1])
  },
  'AbortSignal.any: all are aborted before any listener runs': () => {
    const controller = new AbortController()
    const end = AbortSignal.any([controller.signal])
    let seen = false
    controller.signal.addEventListener('abort', () => (seen = end.aborted))
    controller.abort()
    same(seen, true)
  },
  'AbortSignal.any: the source fires before what depends on it': () => {
    const controller = new AbortController()
    const order: string[] = []
    AbortSignal.any([controller.signal]).addEventListener('abort', () => order.push('dependent'))
    controller.signal.addEventListener('abort', () => order.push('source'))
    controller.abort()
    same(order, ['source', 'dependent'])
  },
  'AbortSignal.any: follows a timeout': async () => {
    const signal = AbortSignal.any([AbortSignal.timeout(1)])
    same(((await nextAbort(signal)) as Error).name, 'TimeoutError')
  },
  'AbortSignal.any: what is no signal is a TypeError': () => {
    throws('TypeError', () => AbortSignal.any([wrong({})]))
    throws('TypeError', () => AbortSignal.any(wrong(null)))
  },
  'AbortSignal: a listener added after the abort is not called': async () => {
    const signal = AbortSignal.abort()
    let calls = 0
    signal.addEventListener('abort', () => calls++)
    await task()
    same(calls, 0)
  },
}
