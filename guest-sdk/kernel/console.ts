/** `console`: each call becomes a line of the service's log, with a level and the request it was said in. */
import type { Native } from './native.ts'
import { defineProperty, ReflectApply } from './primordials.ts'
import { format, inspect } from './inspect.ts'
import type { Clock } from './determinism.ts'

export const LEVEL = { debug: 0, info: 1, warn: 2, error: 3 } as const

export function installConsole(target: object, native: Native, clock: Clock, requestId: () => string): void {
  const counts: Record<string, number> = { __proto__: null } as never
  const timers: Record<string, number> = { __proto__: null } as never
  let indent = ''
  const say = (level: number, values: readonly unknown[]): void => {
    const text = indent + format(values)
    // A leading NUL marks the kernel's own reports.
    native.log(level, requestId(), text[0] === '\u0000' ? ` ${text}` : text)
  }
  const at =
    (level: number) =>
    (...values: unknown[]): void =>
      say(level, values)
  const log = at(LEVEL.info)
  const group = (...values: unknown[]): void => {
    if (values.length > 0) say(LEVEL.info, values)
    if (indent.length < 40) indent += '  '
  }
  const methods: Record<string, (...values: unknown[]) => void> = {
    log,
    info: log,
    debug: at(LEVEL.debug),
    warn: at(LEVEL.warn),
    error: at(LEVEL.error),
    trace: (...values) => say(LEVEL.debug, [...values, '\n' + (new Error('trace').stack ?? '')]),
    dir: (value = undefined) => say(LEVEL.info, [inspect(value)]),
    dirxml: log,
    table: log,
    assert: (condition = false, ...values) => {
      if (!condition) say(LEVEL.error, ['Assertion failed:', ...values])
    },
    count: (label = 'default') => {
      const key = String(label)
      counts[key] = (counts[key] ?? 0) + 1
      say(LEVEL.info, [`${key}: ${counts[key]}`])
    },
    countReset: (label = 'default') => {
      counts[String(label)] = 0
    },
    group,
    groupCollapsed: group,
    groupEnd: () => {
      indent = indent.slice(2)
    },
    time: (label = 'default') => {
      timers[String(label)] = clock.nowMs
    },
    timeLog: (label = 'default', ...values) => {
      const key = String(label)
      say(LEVEL.info, [`${key}: ${clock.nowMs - (timers[key] ?? clock.nowMs)} ms`, ...values])
    },
    timeEnd: (label = 'default') => {
      methods['timeLog']?.(label)
      delete timers[String(label)]
    },
    clear: () => undefined,
  }
  // A Web IDL namespace with the prototype that the Console Standard gives it.
  const console = Object.create({}) as object
  defineProperty(console, Symbol.toStringTag, { value: 'console', configurable: true })
  for (const name of Object.keys(methods)) {
    // One function may serve under several names, and each has its own.
    const serve = methods[name] as (...values: unknown[]) => void
    // Not by spread: a guest may have patched the iterator of arrays.
    const method = (...values: unknown[]): void => {
      ReflectApply(serve, undefined, values)
    }
    defineProperty(method, 'name', { value: name, configurable: true })
    defineProperty(console, name, {
      value: method,
      writable: true,
      configurable: true,
      enumerable: true,
    })
  }
  defineProperty(target, 'console', { value: console, writable: true, configurable: true, enumerable: false })
}
